"""Home Assistant's MQTT discovery of a device: its cameras, verdicts, alarms and last picture.

One retained message on ``{prefix}/device/{site}_{line}/{device}/config`` makes all entities (device
discovery, since Home Assistant 2024.11); an empty one removes them. The entities read edge-guard's
own topics through templates: nothing else is published for them.

Source: Home Assistant documentation, "MQTT", sections on device discovery, binary sensor, sensor
and image.
"""

from __future__ import annotations

import json
import queue
import re
import time
import zlib
from typing import Any

from edge_guard.config import DeviceConfig
from edge_guard.errors import BrokerError
from edge_guard.publish.happenings import Acknowledged, Closed
from edge_guard.publish.messages import USUAL_ALARMS, Topics
from edge_guard.publish.mqtt import CONNECT_SECONDS, open_link
from edge_guard.types import Verdict

PREFIX = "homeassistant"
"""Home Assistant's own discovery prefix, unless it was told another."""
_LONGEST_STATE = 250
"""Home Assistant takes states of up to 255 characters."""


def discovery_topic(config: DeviceConfig, prefix: str = PREFIX) -> str:
    """Return the topic on which Home Assistant learns of the device."""
    device = config.device
    group = _word(f"{device.site}_{device.line}")
    return f"{prefix}/device/{group}/{_word(device.id)}/config"


def discovery(config: DeviceConfig, version: str) -> dict[str, Any]:
    """Return the discovery message.

    Parameters
    ----------
    config : DeviceConfig
    version : str
        Of edge-guard.
    """
    device = config.device
    topics = Topics(device.site, device.line, device.id, config.mqtt.prefix)
    identity = f"edge-guard/{device.site}/{device.line}/{device.id}"
    components = _of_device()
    for table in config.stream:
        components |= _of_stream(table.name, topics)
    for name, component in components.items():
        component["unique_id"] = f"{identity}/{name}"
    return {
        "device": {
            "identifiers": [identity],
            "name": device.id,
            "manufacturer": "edge-guard",
            "sw_version": version,
            "suggested_area": f"{device.site} {device.line}",
        },
        "origin": {"name": "edge-guard", "sw_version": version},
        "availability": [
            {
                "topic": topics.state(),
                "value_template": "{{ 'offline' if value_json.state == 'offline' else 'online' }}",
            }
        ],
        "state_topic": topics.state(),
        "qos": 1,
        "components": components,
    }


def announce(config: DeviceConfig, topic: str, payload: bytes) -> None:
    """Publish a retained message on a connection of its own; empty: remove what is retained.

    Raises
    ------
    BrokerError
        The broker cannot be reached, or refuses.
    """
    device = config.device
    client = f"edge-guard-home-assistant-{device.site}-{device.line}-{device.id}"
    link, _ = open_link(config.mqtt, client, (topic, payload))
    try:
        number = link.publish(topic, payload, retain=True)
        deadline = time.monotonic() + CONNECT_SECONDS
        while True:
            happening = link.happenings.get(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(happening, Closed):
                raise BrokerError(happening.cause, "try again")
            if isinstance(happening, Acknowledged) and happening.number == number:
                break
    except queue.Empty:
        raise BrokerError(f"the broker does not confirm {topic}", "try again") from None
    finally:
        link.close()
    if happening.refusal:
        raise BrokerError(
            f"the broker refuses {topic}: {happening.refusal}",
            "let this user write it in the broker's access rules",
        )


def _of_device() -> dict[str, dict[str, Any]]:
    return {
        "state": _sensor(
            "State",
            "{{ value_json.state }}",
            device_class="enum",
            options=["online", "degraded", "offline"],
        ),
        "causes": _sensor(
            "Causes", f"{{{{ (value_json.causes | join('; ') or 'none')[:{_LONGEST_STATE}] }}}}"
        ),
        "backlog": _sensor(
            "Backlog", "{{ value_json.backlog }}", state_class="measurement", icon="mdi:tray-full"
        ),
    }


def _of_stream(stream: str, topics: Topics) -> dict[str, dict[str, Any]]:
    verdicts = {
        f"{stream}/{verdict.value}": _sensor(
            f"{stream} {verdict.value}",
            _from_stream(stream, f"verdicts.get('{verdict.value}', 0)"),
            state_class="total_increasing",
            icon="mdi:counter",
        )
        for verdict in Verdict
    }
    return {
        f"{stream}/camera": _problem(
            f"{stream} camera",
            _from_stream(stream, "state in ('retrying', 'frozen', 'failed')", "ON", "OFF"),
        ),
        f"{stream}/camera state": _sensor(f"{stream} camera state", _from_stream(stream, "state")),
        f"{stream}/rate": _sensor(
            f"{stream} frames a second",
            _from_stream(stream, "frames_per_second"),
            state_class="measurement",
            icon="mdi:speedometer",
        ),
        **verdicts,
        **{f"{stream}/alarm {name}": _alarm(stream, name, topics) for name in USUAL_ALARMS},
        f"{stream}/event": _event(stream, topics),
        f"{stream}/picture": {
            "platform": "image",
            "name": f"{stream} last flagged picture",
            "image_topic": topics.image(stream, "+"),
            "content_type": "image/jpeg",
        },
    }


def _alarm(stream: str, name: str, topics: Topics) -> dict[str, Any]:
    """Return an entity that is unknown until the alarm comes for the first time."""
    said = (
        "{'message': value_json.message, 'since': value_json.since_wall_time, "
        "'isa_state': value_json.isa_state}"
    )
    return _problem(
        f"{stream} alarm {name}",
        "{{ 'ON' if value_json.state == 'raised' else 'OFF' }}",
        state_topic=topics.alarm(stream, name),
        json_attributes_topic=topics.alarm(stream, name),
        json_attributes_template=f"{{{{ {said} | tojson }}}}",
    )


def _event(stream: str, topics: Topics) -> dict[str, Any]:
    reason = "(value_json.reasons[0].message if value_json.reasons else value_json.verdict)"
    return _sensor(
        f"{stream} last flag",
        f"{{{{ {reason}[:{_LONGEST_STATE}] }}}}",
        state_topic=topics.event(stream),
        icon="mdi:flag",
        json_attributes_topic=topics.event(stream),
        json_attributes_template="{{ {'verdict': value_json.verdict, 'label': value_json.label, "
        "'event_id': value_json.event_id, 'at': value_json.captured_wall_time} | tojson }}",
    )


def _sensor(name: str, template: str, **more: Any) -> dict[str, Any]:
    return {"platform": "sensor", "name": name, "value_template": template, **more}


def _problem(name: str, template: str, **more: Any) -> dict[str, Any]:
    return {
        "platform": "binary_sensor",
        "name": name,
        "device_class": "problem",
        "value_template": template,
        **more,
    }


def _from_stream(stream: str, what: str, *choice: str) -> str:
    """Return a template of something in one stream's part of the state; unknown without it."""
    found = f"value_json.streams | selectattr('name', 'eq', {json.dumps(stream)}) | list"
    value = f"('{choice[0]}' if s[0].{what} else '{choice[1]}')" if choice else f"s[0].{what}"
    return f"{{% set s = {found} %}}{{{{ {value} if s else None }}}}"


def _word(text: str) -> str:
    """Return the text as Home Assistant takes it in a topic; changed texts stay different."""
    word = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    return word if word == text else f"{word}-{zlib.crc32(text.encode()):08x}"
