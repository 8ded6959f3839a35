"""Every example of docs/api.md is run, in its order, against a collector with a little of all."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from brokers import Listener, Mosquitto
from signed_in import SignedIn, fill

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")


def test_the_examples_run(broker: Mosquitto, tmp_path: Path) -> None:
    lines = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    examples = [line for line in lines if line.startswith("curl ")]
    assert len(examples) >= 6
    with SignedIn(tmp_path, broker.port) as collector, Listener(broker.port) as line:
        fill(collector, line)
        (token,) = [one for one in lines if "token create" in one]
        made = subprocess.run(
            token.replace("edge-guard", f"{sys.executable} -m edge_guard.cli.main"),
            shell=True,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        environment = {"TOKEN": made.stdout.split()[-1], "PATH": "/usr/bin:/bin"}
        for example in examples:
            done = subprocess.run(
                example.replace("http://collector:8080", collector.url),
                shell=True,
                env=environment,
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            assert done.returncode == 0, (example, done.stderr)
            assert done.stdout.startswith(("{", "[")), example
        first = collector.get("/api/events/1/judgements")
        assert [(one["answer"], one["who"]) for one in first] == [("wrong", "mes")]
