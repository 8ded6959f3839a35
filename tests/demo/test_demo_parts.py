"""The demo's parts: its files, its little plant, its broker, its processes, its judgement."""

from __future__ import annotations

import socket
import stat
import time
from pathlib import Path
from threading import Event as Flag

import paho.mqtt.client as mqtt
import pytest

import edge_guard
from edge_guard.config import load_collector_config, load_device_config
from edge_guard.demo import assets as demo_assets
from edge_guard.demo.assets import Assets, Script, ScriptedEvent, assets
from edge_guard.demo.children import Child, Children
from edge_guard.demo.judgement import Scripted, judge
from edge_guard.demo.world import HOST, build
from edge_guard.errors import BundleError, ConfigError, LinkError
from edge_guard.publish.messages import Event
from edge_guard.types import Reason, Timing, Verdict

SCRIPT = Script(1, 100, 10.0, (ScriptedEvent("cap", 10, 19, ("fused", "gate.occlusion")),))


@pytest.fixture
def files(tmp_path: Path) -> Assets:
    """Files that a configuration may name."""
    bundle, footage = tmp_path / "x.guard", tmp_path / "footage.avi"
    bundle.touch()
    footage.touch()
    return Assets(bundle, footage, SCRIPT)


def flagged(frame: int, guard: str) -> Event:
    return Event(
        device="d",
        boot_id="b",
        wall_time="2026-01-01T00:00:00Z",
        monotonic_ns=0,
        clock_synchronised=True,
        event_id=f"b-{frame}",
        sequence=frame,
        stream="line-camera",
        frame_sequence=frame,
        captured_wall_time="2026-01-01T00:00:00Z",
        source="footage.avi",
        verdict=Verdict.REVIEW,
        label=None,
        confidence=None,
        p_value=None,
        scores={},
        reasons=(Reason(guard, "why", 1.0),),
        timing_us=Timing(),
        bundle="x",
        image=None,
    )


def test_caught_when_a_right_reason_leads_most_often() -> None:
    guards = {11: "confidence", 12: "fused", 15: "gate.occlusion", 13: "gate.occlusion"}
    events = [flagged(frame, guard) for frame, guard in guards.items()]
    assert judge(SCRIPT, events, 100) == [Scripted("cap", True, "gate.occlusion", 2)]


def test_wrong_reason_is_not_caught_and_is_named() -> None:
    events = [flagged(12, "gate.focus"), flagged(13, "gate.focus"), flagged(14, "fused")]
    assert judge(SCRIPT, events, 100) == [Scripted("cap", False, "gate.focus", 4)]


def test_flags_before_and_after_the_event_do_not_count() -> None:
    assert judge(SCRIPT, [flagged(9, "fused"), flagged(20, "fused")], 100) == [
        Scripted("cap", False, None, None)
    ]


def test_an_event_that_was_not_played_to_its_end_is_left_out() -> None:
    assert judge(SCRIPT, [flagged(12, "fused")], 19) == []
    assert len(judge(SCRIPT, [flagged(12, "fused")], 20)) == 1


def test_shipped_files_are_found() -> None:
    found = assets()
    assert found.bundle.is_file()
    assert found.footage.is_file()
    assert found.script.frames == 600
    assert [event.name for event in found.script.events][-2:] == ["frozen_stream", "dead_stream"]


@pytest.mark.parametrize("content", [None, b"{", b"{}", b'{"schema_version": "x"}'])
def test_missing_or_damaged_script_is_named(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo_assets, "_FOLDERS", (tmp_path,))
    for name in ("demo_line.guard", "footage.avi"):
        (tmp_path / name).touch()
    if content is not None:
        (tmp_path / "events.json").write_bytes(content)
    with pytest.raises(BundleError, match=r"events\.json is (missing|damaged).*: install"):
        assets()


def test_configurations_are_valid_and_their_secrets_private(tmp_path: Path, files: Assets) -> None:
    world = build(tmp_path, files, None)
    device, collector = load_device_config(world.device), load_collector_config(world.collector)
    assert device.mqtt.port == collector.mqtt.port == world.broker_port
    assert device.stream[0].loop
    assert device.stream[0].frames_per_second == 10
    assert collector.web.port == world.page_port
    assert collector.web.host == HOST
    for secret in (tmp_path / "password", world.credentials):
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_folder_with_quotes_and_braces_makes_valid_configurations(
    tmp_path: Path, files: Assets
) -> None:
    folder = tmp_path / 'a "b" {c} \\d é'
    folder.mkdir()
    world = build(folder, files, None)
    assert load_device_config(world.device).spool.path == str(world.spool)


def test_taken_port_is_refused(tmp_path: Path, files: Assets) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1"):
            build(tmp_path, files, port)


def connect(port: int, user: str, password: str) -> mqtt.ReasonCode:
    """Return the broker's answer to a connection."""
    answered, answers = Flag(), []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(user, password)

    def on_connect(_c: object, _u: object, _f: object, code: mqtt.ReasonCode, _p: object) -> None:
        answers.append(code)
        answered.set()

    client.on_connect = on_connect
    client.connect(HOST, port)
    client.loop_start()
    assert answered.wait(10)
    client.disconnect()
    client.loop_stop()
    return answers[0]


def test_broker_lets_in_its_own_credentials_only(tmp_path: Path, files: Assets) -> None:
    world = build(tmp_path, files, None)
    user, password = world.credentials.read_text().strip().split(":")
    with Children(tmp_path) as children:
        broker = children.start(
            "broker", "-m", "edge_guard.demo.broker", str(world.broker_port), str(world.credentials)
        )
        broker.wait_for_port(world.broker_port, 30)
        assert not connect(world.broker_port, user, password).is_failure
        assert connect(world.broker_port, user, password + "x").is_failure
        assert connect(world.broker_port, "", "").is_failure


def test_child_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    child = Child("broker", ["-c", "print('no such thing'); raise SystemExit(3)"], tmp_path / "log")
    with pytest.raises(LinkError, match="broker ended with code 3: its last words: no such thing"):
        child.wait_for_port(1, 30)


def test_a_child_runs_the_installed_package_whatever_lies_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoy = tmp_path / "edge_guard"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise SystemExit('the folder was imported')")
    monkeypatch.chdir(tmp_path)
    words = "import edge_guard, sys; sys.exit(edge_guard.__file__)"
    child = Child("witness", ["-c", words], tmp_path / "witness.log")
    with pytest.raises(LinkError) as caught:
        child.wait_for_port(1, 20.0)
    assert str(Path(edge_guard.__file__).parent) in str(caught.value)


def test_children_stop_in_reverse_order_even_after_an_error(tmp_path: Path) -> None:
    program = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        "    pathlib.Path(sys.argv[1]).write_text(str(time.monotonic_ns()))\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end)\n"
        "pathlib.Path(sys.argv[1] + '.up').touch()\n"
        "time.sleep(60)\n"
    )
    marks = [tmp_path / name for name in ("first", "second")]
    with pytest.raises(ZeroDivisionError), Children(tmp_path) as children:
        for mark in marks:
            children.start(mark.name, "-c", program, str(mark))
            deadline = time.monotonic() + 30
            while not Path(f"{mark}.up").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
        raise ZeroDivisionError
    assert int(marks[1].read_text()) < int(marks[0].read_text())
