"""Home Assistant's discovery message: its form, and its templates on what a device really says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from capturing import Traffic
from jinja2.sandbox import ImmutableSandboxedEnvironment
from pretend import device
from test_schemas import channel_of

from edge_guard import __version__
from edge_guard.cli.main import main
from edge_guard.config import DeviceConfig
from edge_guard.publish.home_assistant import discovery, discovery_topic

DOCUMENTED = {
    "": {"device", "origin", "availability", "state_topic", "qos", "components"},
    "device": {"identifiers", "name", "manufacturer", "sw_version", "suggested_area"},
    "sensor": {
        "platform", "unique_id", "name", "value_template", "state_topic", "device_class",
        "options", "state_class", "icon", "json_attributes_topic", "json_attributes_template",
    },
    "binary_sensor": {
        "platform", "unique_id", "name", "value_template", "state_topic", "device_class",
        "json_attributes_topic", "json_attributes_template",
    },
    "image": {"platform", "unique_id", "name", "image_topic", "content_type"},
}  # fmt: skip
"""The documented options that are used, by platform."""


@pytest.fixture
def config(tmp_path: Path) -> DeviceConfig:
    return device(tmp_path, 1, tmp_path, tmp_path)


def rendered(template: str, payload: bytes) -> str:
    """What Home Assistant makes of a payload; it renders in such a sandbox."""
    environment = ImmutableSandboxedEnvironment()
    return environment.from_string(template).render(value_json=json.loads(payload))


def of_topic(traffic: Traffic, pattern: str) -> list[bytes]:
    """Payloads on the topics that a subscription hears."""
    heard = re.escape(pattern).replace(r"\\+", "[^/]+")
    return [p for topic, ps in traffic.topics.items() if re.fullmatch(heard, topic) for p in ps]


def test_the_message_has_the_documented_form(config: DeviceConfig) -> None:
    message = discovery(config, "1")
    assert set(message) == DOCUMENTED[""]
    assert set(message["device"]) == DOCUMENTED["device"]
    assert message["origin"]["name"]
    for component in message["components"].values():
        assert set(component) <= DOCUMENTED[component["platform"]]
        assert component["unique_id"]
        assert component["name"]
    ids = [component["unique_id"] for component in message["components"].values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", ["device", "press 7", "käse.1", "a" * 64])
def test_the_topic_is_one_that_home_assistant_takes(config: DeviceConfig, name: str) -> None:
    import msgspec

    named = msgspec.structs.replace(config.device, id=name)
    topic = discovery_topic(msgspec.structs.replace(config, device=named))
    assert re.fullmatch(r"homeassistant/device/[a-zA-Z0-9_-]+/[a-zA-Z0-9_-]+/config", topic)
    assert (f"/{name}/config" in topic) == (re.fullmatch(r"[\w-]+", name, re.ASCII) is not None)


def test_every_template_makes_sense_of_what_the_device_says(
    config: DeviceConfig, traffic: Traffic
) -> None:
    message = discovery(config, "1")
    said: dict[str, set[str]] = {}
    for name, component in message["components"].items():
        topic = component.get("state_topic") or component.get("image_topic", message["state_topic"])
        payloads = of_topic(traffic, topic)
        if component["platform"] == "image":
            assert name.startswith("s1/") or all(p.startswith(b"\xff\xd8") for p in payloads)
            continue
        said[name] = {rendered(component["value_template"], payload) for payload in payloads}
        for payload in payloads if "json_attributes_template" in component else ():
            attributes = json.loads(rendered(component["json_attributes_template"], payload))
            assert len(attributes) >= 2
    assert said["state"] <= {"online", "degraded", "offline"}
    assert "offline" in said["state"]
    assert said["s/camera"] <= {"ON", "OFF"}
    assert "ON" in said["s/camera"]  # the frozen picture
    assert {"6"} <= {
        str(sum(int(max(said[f"s/{v}"], key=int)) for v in ("accept", "review", "invalid")))
    }
    assert said["s/alarm frozen"] == {"ON", "OFF"}
    assert said["s/alarm drift"] == set()
    assert "unlike the references" in said["s/event"]
    assert said["s1/camera"] == {"None"}  # a stream that the device does not have: unknown
    assert max(len(word) for words in said.values() for word in words) <= 255


def test_availability_follows_the_state(config: DeviceConfig, traffic: Traffic) -> None:
    (availability,) = discovery(config, "1")["availability"]
    said = [
        rendered(availability["value_template"], p) for p in traffic.topics[availability["topic"]]
    ]
    assert said[0] == "online"
    assert said[-1] == "offline"


def test_topics_are_of_the_interface(config: DeviceConfig) -> None:
    message = discovery(config, "1")
    for component in (message, *message["components"].values()):
        for key, value in component.items():
            if key.endswith("topic"):
                assert channel_of(value.replace("+", "x"))


def test_a_name_with_quotes_stays_a_name(config: DeviceConfig, traffic: Traffic) -> None:
    import msgspec

    name = """ev'il" }} {% stream"""
    table = msgspec.structs.replace(config.stream[0], name=name)
    message = discovery(msgspec.structs.replace(config, stream=(table,)), "1")
    state: dict[str, Any] = json.loads(traffic.payloads("state")[-1])
    state["streams"][0]["name"] = name
    template = message["components"][f"{name}/camera state"]["value_template"]
    assert rendered(template, json.dumps(state).encode()) == state["streams"][0]["state"]


def test_the_command_publishes_and_removes(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "x.guard").touch()
    file = tmp_path / "device.toml"
    file.write_text(
        "[device]\nid = 'press-7'\n[[stream]]\nname = 's'\nsource = '0'\nbundle = 'x.guard'\n"
        f"[mqtt]\nhost = '127.0.0.1'\nport = {broker.port}\n"
    )
    topic = "homeassistant/device/site_line/press-7/config"
    assert main(["home-assistant", str(file)]) == 0
    printed, _, text = capsys.readouterr().out.partition("\n")
    assert printed == topic
    assert main(["home-assistant", str(file), "--publish"]) == 0
    with Listener(broker.port, topic) as late:
        ((_, payload, retained),) = late.wait(bool)
        assert retained
        assert json.loads(payload) == json.loads(text)
        assert json.loads(payload)["device"]["sw_version"] == __version__
        assert main(["home-assistant", str(file), "--remove"]) == 0
        late.wait(lambda messages: messages[-1][1] == b"")
    with Listener(broker.port, topic, "end") as later:
        later.publish("end", b"")
        assert later.wait(bool)[0][0] == "end"


def test_the_command_says_who_is_not_there(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "x.guard").touch()
    file = tmp_path / "device.toml"
    file.write_text(
        "[device]\nid = 'd'\n[[stream]]\nname = 's'\nsource = '0'\nbundle = 'x.guard'\n"
        "[mqtt]\nhost = '127.0.0.1'\nport = 1\n"
    )
    assert main(["home-assistant", str(file), "--publish"]) == 6
    assert "127.0.0.1:1" in capsys.readouterr().err
