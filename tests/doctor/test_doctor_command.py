"""``edge-guard doctor``: what it prints, and with which exit code it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from brokers import free_port

from edge_guard.cli.main import main

MODELS = Path(__file__).resolve().parents[2] / "models"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "device.toml"
    (tmp_path / "password").write_text("x")
    (tmp_path / "password").chmod(0o644)
    path.write_text(
        '[device]\nid = "d"\n'
        f'[[stream]]\nname = "s"\nsource = "{MODELS / "footage.avi"}"\n'
        f'bundle = "{MODELS / "demo_line.guard"}"\n'
        f'[mqtt]\nport = {free_port()}\nusername = "d"\npassword_file = "password"\n'
    )
    return path


def test_one_line_a_finding_with_its_remedy(config, broker, capsys):
    text = config.read_text()
    config.write_text(
        text.replace(text.split("port = ")[1].split("\n")[0], f"{broker.port}\nreceipts = false")
    )
    assert main(["doctor", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("ok       configuration")
    opened = next(i for i, line in enumerate(lines) if "password_file" in line)
    assert lines[opened].startswith("warning  permissions")
    assert lines[opened + 1].strip().startswith("→ chmod 600")
    assert lines[-1].endswith("0 problem")
    assert main(["doctor", str(config), "--fix"]) == 0
    assert "– put right" in capsys.readouterr().out
    assert (config.parent / "password").stat().st_mode & 0o777 == 0o600
    assert (config.parent / "spool").is_dir()


def test_the_first_problem_decides_the_exit_code(config, capsys):
    assert main(["doctor", str(config), "--json"]) == 6
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {r["type"] for r in records[:-1]} == {"finding"}
    problems = [r for r in records if r.get("level") == "problem"]
    assert [p["area"] for p in problems] == ["broker"]
    assert problems[0]["remedy"]
    assert records[-1]["exit_code"] == 6
    counts = [records[-1][level] for level in ("ok", "warning", "problem")]
    assert sum(counts) == len(records) - 1
    config.write_text(config.read_text().replace("footage.avi", "nothing.avi"))
    assert main(["doctor", str(config), "--json"]) == 5, "the camera comes before the broker"


def test_a_configuration_with_problems_is_all_that_is_told(config, capsys):
    config.write_text(config.read_text() + 'publish = "al"\n[spol]\n')
    assert main(["doctor", str(config), "--json"]) == 2
    *found, _ = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {f["area"] for f in found} == {"configuration"}
    assert len(found) == 2
    assert any("spool" in f["message"] for f in found)


def test_no_configuration_at_all(tmp_path, capsys):
    assert main(["doctor", str(tmp_path / "none.toml")]) == 2
    assert "none.toml" in capsys.readouterr().err
