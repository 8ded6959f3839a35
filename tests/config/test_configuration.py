"""Configuration files: what is accepted, and what is said about the rest."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from edge_guard.cli.main import main
from edge_guard.config import (
    CollectorConfig,
    DeviceConfig,
    find_problems,
    load_collector_config,
    load_device_config,
)
from edge_guard.errors import ConfigError

DEVICE = """
[device]
id = "cell-7"

[[stream]]
name = "top"
source = "0"
bundle = "part.guard"
"""


@pytest.fixture
def write(tmp_path: Path):
    (tmp_path / "part.guard").touch()

    def write(text: str) -> Path:
        path = tmp_path / "device.toml"
        path.write_text(text)
        return path

    return write


def problems(path: Path) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.key) for problem in find_problems(path)]


def test_a_short_device_file_has_the_defaults(write):
    config = load_device_config(write(DEVICE))
    assert config.device.id == "cell-7"
    assert config.device.site == "site"
    assert config.stream[0].publish == "flagged"
    assert config.mqtt.port == 1883
    assert config.spool.max_bytes == 2_000_000_000


def test_an_empty_table_makes_a_collector(tmp_path):
    path = tmp_path / "collector.toml"
    path.write_text("[store]\n")
    config = load_collector_config(path)
    assert config.store.url == f"sqlite:///{tmp_path}/collector.sqlite"
    assert config.store.frames == f"{tmp_path}/frames"
    assert config.web.port == 8080


def test_relative_paths_start_at_the_file(write, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("x")
    (tmp_path / "ca.pem").write_text("x")
    tail = '[mqtt]\nusername = "u"\npassword_file = "secret"\ntls = { ca_file = "ca.pem" }\n'
    path = write(DEVICE.replace('"0"', '"parts/today"') + tail)
    monkeypatch.chdir(path.parent.parent)
    config = load_device_config(Path(path.parent.name) / path.name)
    assert config.stream[0].bundle == str(tmp_path / "part.guard")
    assert config.stream[0].source == str(tmp_path / "parts/today")
    assert config.mqtt.password_file == str(tmp_path / "secret")
    assert config.mqtt.tls is not None
    assert config.mqtt.tls.ca_file == str(tmp_path / "ca.pem")
    assert config.mqtt.tls.key_file is None
    assert config.spool.path == str(tmp_path / "spool")


@pytest.mark.parametrize("source", ["0", "12", "rtsp://u:p@camera/1", "/dev/video1", "/srv/parts"])
def test_cameras_addresses_and_absolute_paths_stay_as_they_are(write, source):
    config = load_device_config(write(DEVICE.replace('"0"', f'"{source}"')))
    assert config.stream[0].source == source


@pytest.mark.parametrize(
    "url", ["postgresql://u:p@db/edge", "sqlite:////srv/x.sqlite", "sqlite:///:memory:"]
)
def test_database_urls_that_name_no_relative_file_stay_as_they_are(tmp_path, url):
    path = tmp_path / "collector.toml"
    path.write_text(f'[store]\nurl = "{url}"\n')
    assert load_collector_config(path).store.url == url


def test_all_problems_are_found_at_once_with_their_lines(write):
    path = write(
        """
[device]
id = "cell/7"
sight = "here"

[[stream]]
name = "a"
source = '''
several
lines'''
bundle = "none.guard"
frames_per_second = nan

[[stream]]
name = "a"
source = 0
bundle = "part.guard"
threads = true
watch = true
loop = true

[mqtt]
hots = "x"
port = 70000
password_file = "part.guard"
tls = { ca_file = "no.pem", key_file = "part.guard" }
[spool]
max_bytes = 10
[sttore]
"""
    )
    assert problems(path) == [
        (3, "device.id"),
        (4, "device.sight"),
        (11, "stream.0.bundle"),
        (12, "stream.0.frames_per_second"),
        (15, "stream.1.name"),
        (16, "stream.1.source"),
        (18, "stream.1.threads"),
        (20, "stream.1.loop"),
        (23, "mqtt.hots"),
        (24, "mqtt.port"),
        (25, "mqtt.password_file"),
        (26, "mqtt.tls.ca_file"),
        (26, "mqtt.tls.key_file"),
        (28, "spool.max_bytes"),
        (29, "sttore"),
    ]


@pytest.mark.parametrize(
    ("wrong", "key", "nearest"),
    [
        ("[mqtt]\nhots = 'x'", "mqtt.hots", "host"),
        ("[mqtt]\nreciepts = true", "mqtt.reciepts", "receipts"),
        ("[mqtt.tsl]", "mqtt.tsl", "tls"),
        ("[spool]\nmaxbytes = 1", "spool.maxbytes", "max_bytes"),
        ("[spol]", "spol", "spool"),
        ("[spool]\nzzz = 1", "spool.zzz", None),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_known_one(write, wrong, key, nearest):
    (problem,) = find_problems(write(DEVICE + wrong))
    assert (problem.key, problem.reason, problem.nearest) == (key, "unknown key", nearest)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("port = 0", ">= 1"),
        ("port = '1883'", "expected int, got str"),
        ("host = ''", "length >= 1"),
        ("version = '6'", "invalid enum value"),
        ("prefix = 'a/#'", "cannot begin an MQTT topic"),
        ("prefix = '/a'", "cannot begin an MQTT topic"),
        ("prefix = ''", "cannot begin an MQTT topic"),
        ("tls = 'yes'", "expected a table, got 'yes'"),
        ("keepalive_seconds = 1", ">= 5"),
        ("password_file = 'none'", "there is no file"),
    ],
)
def test_a_wrong_value_says_what_is_expected(write, line, word):
    (problem,) = [
        p for p in find_problems(write(DEVICE + "[mqtt]\n" + line)) if "needs" not in p.reason
    ]
    assert word in problem.reason
    assert problem.line == 10


@pytest.mark.parametrize(
    "name", ["a/b", "a+", "#", "", "$SYS", "a\\u0000", "a\\n", "a\\tb", " a", "x" * 65]
)
def test_names_that_no_mqtt_topic_can_carry_are_refused(write, name):
    path = write(DEVICE.replace('"top"', f'"{name}"'))
    assert problems(path) == [(6, "stream.0.name")]


@pytest.mark.parametrize("name", ["top", "Kamera 3", "линия-2", "上", "x" * 64, "a.b_c-d"])
def test_names_of_people_are_accepted(write, name):
    assert load_device_config(write(DEVICE.replace('"top"', f'"{name}"'))).stream[0].name == name


def test_a_device_needs_a_stream_and_an_id(write):
    assert problems(write("[device]\n")) == [(None, "stream"), (1, "device.id")]
    reasons = [p.reason for p in find_problems(write("stream = []\n[device]\nid = 'x'\n"))]
    assert reasons == ["is empty: a device needs at least one [[stream]]"]


@pytest.mark.parametrize("text", ["stream = 3", "stream = [3]", "stream = {}", "device = 1"])
def test_a_value_where_a_table_belongs_is_a_problem_not_a_crash(write, text):
    assert find_problems(write(text))


def test_a_file_that_is_neither_is_said_to_be(write):
    (problem,) = find_problems(write("[mqtt]\n"))
    assert "neither" in problem.reason


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[device", "not TOML"),
        (b"id = \xff", ":1: not UTF-8"),
        (b"a = 1\na = 2", "not TOML"),
        (b"x = " + b"[" * 5000, "not TOML"),
        (b"#" * ((1 << 20) + 1), "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_toml_is_one_error(tmp_path, content, words):
    path = tmp_path / "device.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=words) as caught:
        load_device_config(path)
    assert str(path) in caught.value.problem
    assert caught.value.remedy


def test_a_missing_file_is_named(tmp_path, capsys):
    assert main(["config", "check", str(tmp_path / "none.toml")]) == 2
    error = capsys.readouterr().err
    assert str(tmp_path / "none.toml") in error
    assert error.count("\n") == 1
    assert main(["config", "check", str(tmp_path)]) == 2


def test_loading_names_the_first_problem_and_counts_the_rest(write):
    path = write(DEVICE + "[mqtt]\nhots = 'x'\nport = 0\n")
    with pytest.raises(ConfigError) as caught:
        load_device_config(path)
    assert str(caught.value) == (
        f"{path}:10: mqtt.hots: unknown key (did you mean 'host'?) (1 more): "
        f"'edge-guard config check {path}' lists all"
    )
    assert caught.value.exit_code == 2


def test_check_prints_lines_for_people(write, capsys):
    path = write(DEVICE + "[mqtt]\nhots = 'x'\n")
    assert main(["config", "check", str(path)]) == 2
    assert capsys.readouterr().out == (
        f"{path}:10: mqtt.hots: unknown key (did you mean 'host'?)\n"
    )
    assert main(["config", "check", str(write(DEVICE))]) == 0
    assert capsys.readouterr().out == f"{path}: no problem found\n"


def test_check_prints_json_for_machines(write, capsys):
    path = write(DEVICE + "[mqtt]\nhots = 'x'\n")
    assert main(["config", "check", str(path), "--json"]) == 2
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {
            "type": "problem",
            "line": 10,
            "key": "mqtt.hots",
            "reason": "unknown key",
            "nearest": "host",
        },
        {"type": "config", "problems": 1},
    ]


@pytest.mark.parametrize(
    ("kind", "table"), [("device", DeviceConfig), ("collector", CollectorConfig)]
)
def test_schema_is_the_structs_schema(kind, table, capsys):
    assert main(["config", "schema", kind]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(msgspec.json.schema(table)))


TRIGGERED = DEVICE + "[stream.trigger]\n"


@pytest.mark.parametrize(
    "lines",
    [
        'kind = "mqtt"\ntopic = "plant/line 3/triggers"\noffset_seconds = 0.4',
        'kind = "mqtt"\ntopic = "t"\ndeadline_seconds = 0.5',
        'kind = "hardware"',
        'kind = "hardware"\nmax_gap_seconds = 30',
    ],
)
def test_triggers_are_accepted(write, lines: str):
    assert find_problems(write(TRIGGERED + lines)) == []


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        ('kind = "mqtt"', "topic", "is missing: where are the triggers published?"),
        ('kind = "mqtt"\ntopic = "a/#"', "topic", "without + and #"),
        ('kind = "mqtt"\ntopic = "+/a"', "topic", "without + and #"),
        ('kind = "mqtt"\ntopic = ""', "topic", "cannot be a topic"),
        ('kind = "mqtt"\ntopic = "$SYS/x"', "topic", "cannot be a topic"),
        ('kind = "mqtt"\ntopic = "a\\n"', "topic", "cannot be a topic"),
        ('kind = "mqtt"\ntopic = "a"\nmax_gap_seconds = 3', "max_gap_seconds", "kind = 'mqtt'"),
        ('kind = "hardware"\ntopic = "a"', "topic", "does not fit kind = 'hardware'"),
        ('kind = "hardware"\ndeadline_seconds = 1', "deadline_seconds", "does not fit"),
        ('kind = "hardware"\noffset_seconds = 1', "offset_seconds", "does not fit"),
        ('kind = "foot"', "kind", "foot"),
    ],
)
def test_triggers_that_do_not_fit_are_named(write, lines: str, key: str, words: str):
    (problem,) = find_problems(write(TRIGGERED + lines))
    assert problem.key.endswith(f"trigger.{key}")
    assert words in problem.reason


def test_a_genicam_producer_is_a_path(write, tmp_path):
    config = load_device_config(write(DEVICE.replace('"0"', '"genicam:lib/maker.cti#SN 1"')))
    assert config.stream[0].source == f"genicam:{tmp_path}/lib/maker.cti#SN 1"
    config = load_device_config(write(DEVICE.replace('"0"', '"genicam:/opt/m.cti"')))
    assert config.stream[0].source == "genicam:/opt/m.cti"
