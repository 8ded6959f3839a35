"""Schemathesis against the real collector: every answer is as the OpenAPI document says.

``EDGE_GUARD_FUZZ_SECONDS=600`` looks longer, with its systematic and stateful phases too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from brokers import Listener, Mosquitto
from signed_in import SignedIn, fill

SECONDS = int(os.environ.get("EDGE_GUARD_FUZZ_SECONDS", "8"))
PHASES = "fuzzing" if SECONDS <= 8 else "coverage,fuzzing,stateful"
# What no schema can say: what is a bundle's file, that a rollout's stages grow.
CONFIG = f"""
hooks = "{Path(__file__).with_name("fuzz_hooks.py")}"
[[operations]]
include-operation-id = "upload"
checks.positive_data_acceptance.enabled = false
[[operations]]
include-operation-id = "start"
checks.positive_data_acceptance.enabled = false
"""


def test_schemathesis_finds_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "fuzz.toml").write_text(CONFIG)
    with SignedIn(tmp_path, broker.port) as collector, Listener(broker.port) as line:
        fill(collector, line)
        done = subprocess.run(
            [
                Path(sys.executable).with_name("st"),
                "--no-color",
                f"--config-file={tmp_path / 'fuzz.toml'}",
                "run",
                f"{collector.url}/api/openapi.json",
                f"--header=Authorization: Bearer {collector.tokens['admin']}",
                f"--max-time={SECONDS}",
                f"--phases={PHASES}",
                "--seed=7",
                "--max-examples=3",
                "--continue-on-failure",
                "--generation-database=none",
                "--suppress-health-check=all",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=SECONDS + 60,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert "Traceback" not in collector.log()
        assert collector.get("/api/health")["status"] == "ok"
