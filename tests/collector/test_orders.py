"""Commands: stored once, sent until answered, over the real interface and a real broker."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from reports import Reporter
from resender import wait_until
from running import Running
from sqlalchemy import text

from edge_guard.collector.commands import Commands, ConflictError, UnknownDeviceError
from edge_guard.collector.parse import RefusedError, parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.store import Store
from edge_guard.publish.messages import PREFIX, Acknowledge, Capture, Command, decode

BUNDLE = Path(__file__).parents[2] / "models" / "demo_line.guard"


class Wire:
    """Takes what is published, or refuses while there is no connection."""

    def __init__(self) -> None:
        self.sent: list[Command] = []
        self.connected = True

    def publish(self, topic: str, payload: bytes) -> bool:
        if self.connected:
            assert topic == f"{PREFIX}/plant/line-3/cam-1/command"
            self.sent.append(decode(payload, Command))
        return self.connected


def put(store: Store, *sent: tuple[str, bytes]) -> None:
    store.apply([message for one in sent if (message := parse(*one, PREFIX)) is not None])


def test_a_command_is_sent_until_it_is_answered(store: Store) -> None:
    device, wire = Reporter(), Wire()
    commands = Commands(store, PREFIX, wire.publish)
    with pytest.raises(UnknownDeviceError):
        commands.issue(1, "Ada", Capture(stream="top"))
    put(store, device.state())
    row = commands.issue(1, "Ada", Capture(stream="top"))
    wire.connected = False
    commands.send(0.0)
    wire.connected = True
    for moment in range(1, 40):
        commands.send(float(moment))
    # at once when there is a connection, then after 2, 4, 8, 16 s more
    assert len(wire.sent) == 5
    assert {one.id for one in wire.sent} == {row.command.id}
    assert row.outcome == "sent"
    put(store, Reporter("cam-2", boot="two").reply(row.command.id))  # no business of its
    commands.send(100.0)
    assert len(wire.sent) == 6
    put(store, device.reply(row.command.id, "here it is", event_id="b-1"))
    put(store, device.reply(row.command.id, "again"))
    commands.send(200.0)
    assert len(wire.sent) == 6
    (known,) = commands.newest(10)
    assert (known.outcome, known.reply.message) == ("done", "here it is")  # type: ignore[union-attr]


def test_devices_that_never_answer_hold_up_no_other(store: Store) -> None:
    sent: list[str] = []

    def publish(topic: str, payload: bytes) -> bool:
        sent.append(decode(payload, Command).id)
        return True

    commands = Commands(store, PREFIX, publish)
    put(store, Reporter().state(), Reporter("cam-2", boot="two").state())
    silent = [commands.issue(1, "Ada", Capture(stream="top"), f"c-{i}") for i in range(210)]
    commands.issue(2, "Ada", Capture(stream="top"), "other")
    commands.send(0.0)
    assert sent == [row.command.id for row in silent[:200]]
    commands.send(1.0)
    assert sent[200:] == [row.command.id for row in silent[200:]] + ["other"]


def test_a_command_that_nobody_answers_expires(store: Store) -> None:
    wire = Wire()
    commands = Commands(store, PREFIX, wire.publish)
    put(store, Reporter().state())
    row = commands.issue(1, "Ada", Capture(stream="top"), valid_s=0.001)
    wait_until(lambda: row.outcome == "expired")
    commands.send(0.0)
    assert wire.sent == []


def test_a_repeated_request_is_one_command(store: Store) -> None:
    commands = Commands(store, PREFIX, Wire().publish)
    put(store, Reporter().state())
    action = Acknowledge(stream="top", alarm="drift")
    first = commands.issue(1, "Ada", action, "mine")
    assert commands.issue(1, "Ada", action, "mine") == first
    with pytest.raises(ConflictError):
        commands.issue(1, "Bob", action, "mine")
    assert len(commands.newest(10)) == 1


def test_a_reply_is_counted_in_the_receipt_and_checked(store: Store) -> None:
    device = Reporter()
    message = parse(*device.reply("c-1"), PREFIX)
    assert message is not None
    applied = store.apply([message])
    assert applied.receipts[1][device.boot].contiguous == 1
    with pytest.raises(RefusedError, match="unsuitable name"):
        parse(*device.reply("x" * 65), PREFIX)


def test_a_database_without_commands_gets_them(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/old.sqlite"
    store = Store(url, PictureStore(tmp_path / "frames"))
    put(store, Reporter().state(), Reporter().event()[0])
    with store.writing() as connection:
        for table in ("commands", "replies"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("DROP INDEX events_by_incident"))
        connection.execute(text("ALTER TABLE events DROP COLUMN incident"))
        connection.execute(text("DELETE FROM migrations WHERE name = '0003-commands'"))
    store.close()
    store = Store(url, PictureStore(tmp_path / "frames"))
    commands = Commands(store, PREFIX, Wire().publish)
    assert commands.issue(1, "Ada", Capture(stream="top")).command.device == "cam-1"
    put(store, Reporter(boot="new").event(incident="i1")[0])
    store.close()


def post(collector: Running, path: str, body: Any, **headers: str) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/octet-stream" if path == "/api/bundles" else "application/json"
    request = urllib.request.Request(collector.url + path, data, {"Content-Type": kind} | headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_the_interface_takes_orders_and_devices_get_them(broker: Mosquitto, tmp_path: Path) -> None:
    device = Reporter()
    web = 'allowed_hosts = ["proxy.example"]\nsign_in = "off"\n'
    running = Running(tmp_path, broker.port, more=web)
    with running as collector, Listener(broker.port) as line:
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        line.publish(*device.state())
        wait_until(lambda: collector.get("/api/devices"))
        order = {
            "id": "o-1",
            "device_id": 1,
            "by": "Ada",
            "action": {"kind": "shelve", "stream": "top", "alarm": "drift", "seconds": 3600},
        }
        status, row = post(collector, "/api/commands", order)
        assert (status, row["outcome"]) == (200, "sent")
        assert post(collector, "/api/commands", order) == (200, row)
        wait_until(lambda: line.on("command"))
        assert decode(line.on("command")[0], Command).id == "o-1"
        line.publish(*device.reply("o-1"))
        wait_until(lambda: collector.get("/api/commands/o-1")["outcome"] == "done")
        assert [one["id"] for one in collector.get("/api/commands?device=1")] == ["o-1"]

        for wrong, expected in (
            (order | {"by": "Bob"}, 409),
            (order | {"id": "o-2", "device_id": 9}, 404),
            (order | {"id": "no spaces"}, 422),
            (order | {"sudo": True}, 422),
            (order | {"action": {"kind": "format", "stream": "top"}}, 422),
            (order | {"by": "a\nb"}, 422),
            ({**order, "valid_seconds": 1e9}, 422),
            (b"\xff", 422),
            (b"x" * 20_000, 413),
        ):
            assert post(collector, "/api/commands", wrong)[0] == expected, wrong
        foreign = post(collector, "/api/commands", order, Origin="http://elsewhere.example")
        assert foreign[0] == 403
        rebound = "elsewhere.example:80"
        for path in ("/api/commands", "/api/events/1/judgements", "/api/bundles"):
            for headers in (
                {"Host": rebound, "Origin": f"http://{rebound}"},
                {"Host": rebound},
                {"Host": "[::1"},
            ):
                assert post(collector, path, order, **headers)[0] == 421, (path, headers)
        for name in ("LOCALHOST", "[::1]:80", "10.0.0.9", "proxy.example", socket.gethostname()):
            assert post(collector, "/api/commands", order, Host=name)[0] == 200, name
        request = urllib.request.Request(collector.url + "/", headers={"Host": rebound})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request, timeout=10)

        content = BUNDLE.read_bytes()
        status, offered = post(collector, "/api/bundles", content)
        assert (status, offered["size_bytes"]) == (200, len(content))
        with urllib.request.urlopen(offered["url"], timeout=10) as answer:
            assert answer.read() == content
        assert post(collector, "/api/bundles", content[:-1])[0] == 422
        assert collector.get("/api/devices")[0]["device"] == "cam-1"
