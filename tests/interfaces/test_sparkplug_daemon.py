"""A daemon with ``[sparkplug]``: what a host hears, and that no trouble there disturbs the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from brokers import Listener, Mosquitto, free_port
from capturing import running
from devices import Counter, describe, open_outbox, wait_until
from payloads import decode, value_of
from pretend import ACCEPTED, FLAGGED, FROZEN, device, write_pictures

from edge_guard.config import DeviceConfig, MqttTable, SparkplugTable
from edge_guard.publish.sparkplug import node as node_module
from edge_guard.publish.sparkplug.node import EdgeNode
from edge_guard.publish.sparkplug.payload import DataType, Metric, Value, encode_payload
from edge_guard.publish.sparkplug.session import REBIRTH


def with_sparkplug(tmp_path: Path, port: int, **settings: Any) -> tuple[DeviceConfig, Path]:
    folder = write_pictures(tmp_path / "in", ACCEPTED, FLAGGED)
    config = device(tmp_path, port, folder, watch=True)
    return msgspec.structs.replace(config, sparkplug=SparkplugTable(**settings)), folder


class Tags:
    """What a host knows: the newest value of each metric of a device, by alias."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def of(self, device: str) -> dict[str, Any]:
        names: dict[int, str] = {}
        values: dict[str, Any] = {}
        for topic, payload, _ in list(self.listener.messages):
            if topic.endswith(f"/device/{device}"):
                for metric in decode(payload).metrics:
                    if metric.name:
                        names[metric.alias] = metric.name
                    values[names[metric.alias]] = value_of(metric)
        return values


def test_a_host_sees_verdicts_and_alarms_of_each_camera(broker: Mosquitto, tmp_path: Path) -> None:
    config, folder = with_sparkplug(tmp_path, broker.port, group="plant")
    with Listener(broker.port, "spBv1.0/#") as host, Counter(broker.port):
        tags = Tags(host)
        with running(config):
            wait_until(lambda: tags.of("s").get("Verdicts/accept") == 1)
            wait_until(lambda: tags.of("s").get("Verdicts/review") == 1)
            assert tags.of("s")["Alarms/frozen/Active"] is False
            assert tags.of("s")["Bundle"] == "pretender"
            write_pictures(folder, FROZEN)
            wait_until(lambda: tags.of("s").get("Alarms/frozen/Active") is True)
            wait_until(lambda: tags.of("s")["Camera/State"] == "frozen")
        host.wait(lambda messages: messages[-1][0] == "spBv1.0/plant/NDEATH/device")


def test_trouble_with_sparkplug_disturbs_nobody_and_passes(
    broker: Mosquitto, tmp_path: Path, monkeypatch: Any, caplog: Any
) -> None:
    calls: list[object] = []
    read = node_module.read

    def fail(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) <= 3:
            raise RuntimeError("a bug in Sparkplug")
        return read(*arguments)

    monkeypatch.setattr(node_module, "read", fail)
    config, folder = with_sparkplug(tmp_path, broker.port, group="plant")
    with Counter(broker.port) as collector, Listener(broker.port, "spBv1.0/#") as host:
        with running(config) as daemon:
            write_pictures(folder, FLAGGED)
            wait_until(lambda: "a bug in Sparkplug" in caplog.text)
            wait_until(lambda: daemon.verdicts()["review"] == 2)
            host.wait(lambda messages: any("/DBIRTH/" in topic for topic, _, _ in messages))
            boot = daemon.outbox.spool.boot_id
        produced, pending = daemon.final_counts
        collector.wait_for(boot, produced)
    assert produced
    assert pending == 0


def test_a_flood_of_rebirth_requests_makes_few_births(broker: Mosquitto, tmp_path: Path) -> None:
    config, _ = with_sparkplug(tmp_path, broker.port, group="plant")
    metric = Metric(Value(DataType.BOOLEAN, True), 1, name=REBIRTH, with_type=True)
    request = encode_payload([metric], 1, None)
    with Listener(broker.port, "spBv1.0/#") as host, Counter(broker.port), running(config):
        host.wait(lambda messages: any("/NBIRTH/" in topic for topic, _, _ in messages))
        for _ in range(500):
            host.publish("spBv1.0/plant/NCMD/device", request)
        wait_until(lambda: sum("/NCMD/" in topic for topic, _, _ in host.messages) == 500)
        births = [topic for topic, _, _ in host.messages if "/NBIRTH/" in topic]
        assert len(births) < 20


def test_a_broker_that_comes_late_is_found(tmp_path: Path) -> None:
    port = free_port()
    table = SparkplugTable(group="plant")
    outbox = open_outbox(tmp_path)
    node = EdgeNode(
        MqttTable(host="127.0.0.1", port=port), table, "device", lambda: describe(outbox), list,
        read_seconds=0.05, reconnect_seconds=(0.05, 0.1),
    )  # fmt: skip
    node.start()
    wait_until(lambda: "cannot be reached" in node.cause)
    with Mosquitto(tmp_path, port=port), Listener(port, "spBv1.0/#") as host:
        host.wait(lambda messages: any("/NBIRTH/" in topic for topic, _, _ in messages))
        wait_until(lambda: node.cause == "")
        birth = next(p for topic, p, _ in host.messages if "/NBIRTH/" in topic)
        assert value_of(decode(birth).metrics[0]) == 0
        node.stop()


def test_a_host_that_never_comes_keeps_nothing_back(broker: Mosquitto, tmp_path: Path) -> None:
    config, _ = with_sparkplug(tmp_path, broker.port, group="plant", primary_host="nobody")
    with Listener(broker.port, "spBv1.0/#") as host, Counter(broker.port) as collector:
        with running(config) as daemon:
            wait_until(lambda: daemon.verdicts().total() == 2)
            boot = daemon.outbox.spool.boot_id
        collector.wait_for(boot, daemon.final_counts[0])
        assert not [topic for topic, _, _ in host.messages if "BIRTH" in topic]
