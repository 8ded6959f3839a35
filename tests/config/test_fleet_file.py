"""Fleet files: what overrides what, where each value comes from, and all problems at once."""

from __future__ import annotations

import json
import re
import tomllib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from edge_guard.cli.main import main
from edge_guard.config import load_device_config
from edge_guard.config.fleet import Fleet
from edge_guard.config.writing import toml_text
from edge_guard.errors import ConfigError

FLEET = """
[defaults.mqtt]
host = "broker.plant"
username = "{device}"
password_file = "/etc/edge-guard/password"

[defaults.stream]
audit_per_hour = 2
summary_seconds = 60

[defaults.calibrate]
model = "parts.onnx"
false_flag_rate = 0.01

[site.north.mqtt]
host = "broker.north"

[line.press-3.stream]
audit_per_hour = 4

[line.press-3.calibrate]
false_flag_rate = 0.005

[product.bracket]
bundle = "bundles/{line}-bracket.guard"
parts = ["BR-*"]

[product.bracket.calibrate]
reference = "references/{line}/{product}"

[product.flange]
bundle = "bundles/{line}-flange.guard"
parts = ["FL-*", "FM-*"]

[line.press-4.product.flange]
parts = ["FX-*"]

[[device]]
id = "cell-3"
site = "north"
line = "press-3"
[[device.stream]]
name = "top"
source = "rtsp://10.0.3.1/1"
products = ["bracket", "flange"]

[[device]]
id = "cell-4"
site = "north"
line = "press-4"
[[device.stream]]
name = "top"
source = "rtsp://10.0.4.1/1"
products = ["flange"]
audit_per_hour = 9
[device.spool]
max_bytes = 5000000
"""


@pytest.fixture
def write(tmp_path: Path):
    for name in ("press-3-bracket", "press-3-flange", "press-4-flange"):
        path = tmp_path / "bundles" / f"{name}.guard"
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    (tmp_path / "parts.onnx").touch()
    (tmp_path / "references/press-3/bracket").mkdir(parents=True)

    def write(text: str) -> Path:
        path = tmp_path / "fleet.toml"
        path.write_text(text)
        return path

    return write


def rendered(path: Path, device: str) -> dict:
    return tomllib.loads(Fleet(path).device(device).toml())


def problems(path: Path) -> list[tuple[str, int | None, str]]:
    found = Fleet(path).problems()
    return [(one.device, one.problem.line, one.problem.key) for one in found]


def test_the_nearest_word_on_each_key_holds(write):
    names = '[defaults.stream]\npart_name = "{part}_*"'  # that is no name of a device
    path = write(FLEET.replace("[defaults.stream]", names))
    assert problems(path) == []
    assert rendered(path, "cell-3")["stream"][0]["part_name"] == "{part}_*"
    three, four = rendered(path, "cell-3"), rendered(path, "cell-4")
    assert three["mqtt"] == {
        "host": "broker.north",
        "username": "cell-3",
        "password_file": "/etc/edge-guard/password",
    }
    assert three["stream"][0]["audit_per_hour"] == 4  # the line's
    assert four["stream"][0]["audit_per_hour"] == 9  # the stream's own
    assert four["stream"][0]["summary_seconds"] == 60  # the defaults'
    assert three["stream"][0]["product"] == [
        {"name": "bracket", "bundle": "bundles/press-3-bracket.guard", "parts": ["BR-*"]},
        {"name": "flange", "bundle": "bundles/press-3-flange.guard", "parts": ["FL-*", "FM-*"]},
    ]
    (flange,) = four["stream"][0]["product"]
    assert (flange["bundle"], flange["parts"]) == ("bundles/press-4-flange.guard", ["FX-*"])
    assert (four["spool"], "spool" in three) == ({"max_bytes": 5000000}, False)
    wanted = Fleet(path).device("cell-3").calibrations()
    assert wanted["top", "bracket"] == {
        "model": "parts.onnx",
        "false_flag_rate": 0.005,
        "reference": "references/press-3/bracket",
    }
    assert Fleet(path).device("cell-4").calibrations()["top", "flange"]["false_flag_rate"] == 0.01


def test_each_value_says_where_it_comes_from_and_what_it_overrides(write, capsys):
    path = write(FLEET)
    assert main(["config", "render", str(path), "--device", "cell-3"]) == 0
    text = capsys.readouterr().out
    assert (
        'host = "broker.north"  # [site.north.mqtt] line 16; '
        'not "broker.plant" of [defaults.mqtt] line 3\n'
    ) in text
    own = FLEET.splitlines().index('name = "top"') + 1
    assert "audit_per_hour = 4  # [line.press-3.stream] line 19; not 2 of [defaults.str" in text
    assert f'name = "top"  # [[device.stream]] line {own}\n' in text
    assert text.index("[device]") < text.index("[[stream]]") < text.index("[mqtt]")
    assert main(["config", "render", str(path), "--device", "cell-4"]) == 0
    said = capsys.readouterr().out
    own = FLEET.splitlines().index("audit_per_hour = 9") + 1
    assert f"_hour = 9  # [[device.stream]] line {own}; not 2 of [defaults.stream] line 8" in said
    own = FLEET.splitlines().index('parts = ["FX-*"]') + 1
    assert f'["FX-*"]  # [line.press-4.product.flange] line {own}; not ["FL-*", "FM-*"]' in said


def test_a_device_with_problems_is_not_printed_but_the_others_are(write, capsys):
    path = write(FLEET.replace("max_bytes = 5000000", 'max_bytes = "much"'))
    render = ["config", "render", str(path), "--device"]
    assert main([*render, "cell-4"]) == ConfigError.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert "spool.max_bytes" in said.err
    assert main([*render, "cell-3"]) == 0
    assert "[device]" in capsys.readouterr().out
    write(FLEET + "[default]\nx = 1\n")  # what is wrong with the file may concern each
    assert main([*render, "cell-3"]) == ConfigError.exit_code


def test_what_is_rendered_is_a_whole_folder_for_the_device(write, tmp_path, capsys):
    path = write(FLEET)
    out = tmp_path / "out"
    (tmp_path / "line.pub").write_text("key")
    path.write_text(FLEET + '[defaults.device]\ntrusted_keys = ["line.pub"]\n')
    assert main(["config", "render", str(path), "-o", str(out), "--json"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["device"] for one in told] == ["cell-3", "cell-4"]
    home = out / "cell-4"
    assert (home / "bundles/press-4-flange.guard").read_text() == "press-4-flange"
    assert not (home / "bundles/press-3-flange.guard").exists()
    (home / "password").touch()
    text = (home / "device.toml").read_text().replace("/etc/edge-guard/password", "password")
    (home / "device.toml").write_text(text)
    config = load_device_config(home / "device.toml")
    assert config.stream[0].product[0].bundle == str(home / "bundles/press-4-flange.guard")
    assert config.device.trusted_keys == (str(home / "line.pub"),)


COMMON = [
    ('summary_seconds = "x"', "stream.0.summary_seconds"),
    ('hots = "broker.north"', "mqtt.hots"),
]


def test_all_problems_of_all_devices_are_found_in_one_run(write, capsys):
    text = FLEET.replace('products = ["flange"]', 'products = ["flanje"]\nthread = 2')
    text = text.replace("summary_seconds = 60", 'summary_seconds = "x"')
    text = text.replace('host = "broker.north"', 'hots = "broker.north"')
    text = text.replace("{line}-bracket", "{lime}-bracket")
    text += '[line.press-5.stream]\nthreads = 2\n[site.north.product.gear]\nparts = ["*"]\n'
    text += '[defualts.mqtt]\nport = 1\n[[device]]\nid = "cell-3"\n'
    path = write(text)
    found = [(device, text.splitlines()[line - 1], key) for device, line, key in problems(path)]
    twice = [("cell-3", *one) for one in COMMON] + [("cell-4", *one) for one in COMMON]
    assert sorted(found) == sorted(
        [
            *twice,
            ("cell-3", 'bundle = "bundles/{lime}-bracket.guard"', "stream.0.product.0.bundle"),
            ("cell-3", 'bundle = "bundles/{lime}-bracket.guard"', "stream.0.product.0.bundle"),
            ("cell-4", 'products = ["flanje"]', "device.1.stream.0.products"),
            ("cell-4", "[[device.stream]]", "stream.0.bundle"),
            ("cell-4", "thread = 2", "stream.0.thread"),
            ("", "[line.press-5.stream]", "line.press-5"),
            ("", "[site.north.product.gear]", "site.north.product.gear"),
            ("", "[defualts.mqtt]", "defualts"),
            ("", 'id = "cell-3"', "device.2.id"),
            ("cell-3", "[[device]]", "stream"),
        ]
    )
    assert main(["config", "check", str(path)]) == 2
    said = capsys.readouterr().out
    assert "fleet.toml:16: mqtt.hots: unknown key (did you mean 'host'?) [cell-3, cell-4]" in said
    assert "there is no [product.flanje] (did you mean 'flange'?) [cell-4]" in said
    assert "{lime} stands for nothing" in said
    assert "no device has line = 'press-5' (did you mean 'press-4'?)" in said


def test_a_line_of_one_name_at_two_sites_is_refused_and_absolute_files_are_the_devices(write):
    path = write(FLEET.replace('site = "north"\nline = "press-4"', 'line = "press-3"'))
    assert ("", 19, "line.press-3") in [
        (d, 19 if "press-3" in k else n, k) for d, n, k in problems(path)
    ]
    assert not [key for _, _, key in problems(path) if "password" in key]


@pytest.mark.parametrize(
    "broken",
    ["", "[[device]]\n", "device = 3\n", "defaults = 4\n[[device]]\nid = 3\n", "[line]\na = 3\n"],
)
def test_broken_files_are_refused_with_words(write, broken, capsys):
    path = write(broken)
    assert main(["config", "render", str(path), "-o", str(path.parent / "out")]) == 2
    assert "fleet.toml" in capsys.readouterr().err


def test_an_unknown_device_is_named_with_the_nearest(write, capsys):
    assert main(["config", "render", str(write(FLEET)), "--device", "cel-4"]) == 2
    assert "did you mean cell-4?" in capsys.readouterr().err


def test_written_toml_reads_as_it_was():
    odd = 'a "quoted"\\ \n\x7f\t\u2028 ü{}'
    data = {
        "device": {"id": odd, "keys": [odd, ""], "n": -1.5, "yes": True},
        "stream": [{"name": "a", "product": [{"x y": 1}, {"z": {"in.ner": []}}]}, {"empty": {}}],
    }
    remark = odd.replace("\n", " ").replace("\x7f", "")
    assert tomllib.loads(toml_text(data, lambda key: remark)) == data


def test_whatever_stands_in_a_fleet_file_is_told_or_refused_in_words(write):
    """Every value of the file in turn becomes something else; nothing but words may come of it."""
    odd = [5, "x", True, [], {}, [5], [{}], {"a": {"b": 1}}]
    whole = tomllib.loads(FLEET)
    tried = 0
    for number, key in enumerate(ways(whole)):
        for value in (odd[number % 8], odd[(number + 3) % 8]):
            data = deepcopy(whole)
            node = data
            for name in key[:-1]:
                node = node[name]
            node[key[-1]] = value
            path = write(toml_text(data, lambda key: ""))
            try:
                fleet = Fleet(path)
                fleet.problems()
                for device in fleet.devices:
                    tomllib.loads(device.toml())
                    device.calibrations()
            except ConfigError:
                pass
            tried += 1
    assert tried > 90


def ways(data: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to every value in the data."""
    found = []
    for name, value in data.items() if isinstance(data, dict) else enumerate(data):
        found.append((*at, name))
        if isinstance(value, dict | list):
            found += ways(value, (*at, name))
    return found


def test_the_example_of_the_documentation_is_right(tmp_path):
    text = (Path(__file__).resolve().parents[2] / "docs/thirty-lines.md").read_text("utf-8")
    fleet, excerpt = re.findall(r"```toml title=\"[^\n]*\n(.*?)```", text, re.DOTALL)
    path = tmp_path / "fleet.toml"
    path.write_text(fleet)
    reasons = {one.problem.reason for one in Fleet(path).problems()}
    assert {reason.rpartition(str(tmp_path))[0] for reason in reasons} == {
        "there is no file ",
        "there is nothing at ",
    }
    rendered = Fleet(path).device("press-4-top").toml()
    assert all(line in rendered.splitlines() for line in excerpt.splitlines())
    (said,) = re.findall(r"```text\n(.*)\n```", text)
    path.write_text(fleet.replace('host = "broker.north"', 'hots = "broker.north"'))
    sentences = [one.problem.sentence("fleet.toml") for one in Fleet(path).problems()]
    assert sentences.count(said.partition(" [")[0]) == 2


def test_arrays_of_tables_are_replaced_whole_and_keep_their_places(write):
    own = '[[device.alarm]]\nname = "frozen"\nout_of_service = true\n'
    alarms = '[[defaults.alarm]]\nname = "flagged"\n[[defaults.alarm]]\nname = "drift"\n'
    path = write(FLEET + own + alarms)
    assert problems(path) == []
    assert rendered(path, "cell-4")["alarm"] == [{"name": "frozen", "out_of_service": True}]
    assert [one["name"] for one in rendered(path, "cell-3")["alarm"]] == ["flagged", "drift"]
    lines = path.read_text().splitlines()
    text = Fleet(path).device("cell-3").toml()
    line = lines.index('name = "drift"') + 1
    assert f'name = "drift"  # [[defaults.alarm]] line {line}\n' in text
    path.write_text(path.read_text().replace("out_of_service", "out_of_servce"))
    found = [(d, lines[n - 1][:4], k) for d, n, k in problems(path)]
    assert found == [("cell-4", "out_", "alarm.0.out_of_servce")]


def test_what_all_streams_of_a_layer_are_told_holds_or_is_refused(write):
    own = 'name = "top"\nsource = "rtsp://10.0.4.1/1"\nproducts = ["flange"]'
    text = FLEET.replace(own, 'source = "rtsp://10.0.4.1/1"')
    layer = '[line.press-4.stream]\nproducts = ["flange"]\nname = "top-of-{line}"\n'
    path = write(text + layer)
    assert problems(path) == []
    (stream,) = Fleet(path).device("cell-4").streams()
    assert stream["name"] == "top-of-press-4"
    assert [one["name"] for one in stream["product"]] == ["flange"]
    assert list(Fleet(path).device("cell-4").calibrations()) == [("top-of-press-4", "flange")]
    path = write(FLEET + "[site.north.stream.calibrate]\nframes = 5\n[defaults.stream.calibrate]\n")
    reasons = {one.problem.key: one.problem.reason for one in Fleet(path).problems()}
    assert reasons == {
        "defaults.stream.calibrate": "unknown key: write [defaults.calibrate]",
        "site.north.stream.calibrate": "unknown key: write [site.north.calibrate]",
    }


@pytest.mark.parametrize("value", ['"flange"', '[["flange"]]', "[{}]", "{}", "7"])
def test_products_that_are_no_list_of_names_are_a_problem(write, value):
    own = 'products = ["flange"]\naudit'
    path = write(FLEET.replace(own, own.replace('["flange"]', value)))
    assert ("cell-4", "device.1.stream.0.products") in [(d, k) for d, _, k in problems(path)]


@pytest.mark.parametrize("more", ["[[device.stream]]\n", "stream = [5]\n", 'foo = ["x"]\n'])
def test_a_stream_that_says_nothing_is_a_problem_and_no_crash(write, more, capsys):
    path = write(f'[[device]]\nid = "d"\n{more}')
    assert main(["config", "check", str(path)]) == 2
    assert "stream" in capsys.readouterr().out
    Fleet(path).device("d").toml()


def test_secrets_stay_for_their_owner_alone(write, tmp_path):
    text = FLEET.replace("/etc/edge-guard/password", "secret/password")
    path = write(
        text + '[defaults.mqtt.tls]\nca_file = "ca"\ncertificate_file = "c"\nkey_file = "k"\n'
    )
    (tmp_path / "secret").mkdir()
    for name in ("secret/password", "ca", "c", "k"):
        (tmp_path / name).write_text(name)
        (tmp_path / name).chmod(0o600 if name in ("secret/password", "k") else 0o644)
    home = tmp_path / "out/cell-4"
    home.mkdir(parents=True)
    (home / "k").touch(mode=0o644)
    assert main(["config", "render", str(path), "-o", str(tmp_path / "out")]) == 0
    modes = {name: (home / name).stat().st_mode & 0o777 for name in ("secret/password", "ca", "k")}
    assert modes == {"secret/password": 0o600, "ca": 0o644, "k": 0o600}
    assert (home / "k").read_text() == "k"
