"""From one fleet file to guarded lines: calibrated, signed, rendered, run, products changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from brokers import Mosquitto
from devices import Counter, wait_until
from tinymodel import parts, write_model

from edge_guard.cli.main import main
from edge_guard.config import load_device_config
from edge_guard.daemon import Daemon
from edge_guard.errors import BundleError

FLEET = """
[defaults.device]
trusted_keys = ["plant.pub"]
[defaults.mqtt]
host = "127.0.0.1"
port = {port}
[defaults.stream]
publish = "all"
source = "camera"
watch = true
summary_seconds = 1
[defaults.calibrate]
model = "tiny.onnx"
reference = "references/{{product}}"
[site.site.calibrate]
false_flag_rate = 0.05
[product.bracket]
bundle = "bundles/line-{{product}}.guard"
[product.flange]
bundle = "bundles/{{line}}-{{product}}.guard"
[product.cover]
bundle = "bundles/{{line}}-{{product}}.guard"
[[device]]
id = "device"
line = "line"
stream = [{{ name = "s", products = ["bracket", "flange"] }}]
[[device]]
id = "other"
line = "two"
stream = [{{ name = "s", products = ["{last}"] }}]
"""
CARD = '[input]\nmean = [0]\nstd = [255]\n[output]\nlabels = ["round", "square", "cross"]\n'
RUN = 25


def pictures(product: str, n: int, seed: int) -> list[np.ndarray]:
    return [255 - picture if product == "flange" else picture for picture in parts(n, seed)]


def write_pictures(folder: Path, images: list[np.ndarray], name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images):
        cv2.imwrite(str(folder / f".{name}-{number:03}.png"), image)
        (folder / f".{name}-{number:03}.png").rename(folder / f"{name}-{number:03}.png")


class Device:
    """``edge-guard run`` in a process of its own."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "edge_guard.cli.main", "run", "device.toml"],
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=(home / "log").open("ab"),
            env={**os.environ, "NOTIFY_SOCKET": "@nobody"},  # no parent that starts it again
        )

    def __enter__(self) -> Device:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)


class Line:
    """A belt that shows one product after the other to a device, and what was said of each."""

    def __init__(self, home: Path, collector: Counter) -> None:
        self._camera = home / "camera"
        self._collector = collector
        self._home = home
        self.shown: list[str] = []

    def change(self, product: str) -> None:
        assert main(["product", str(self._home / "device.toml"), product]) == 0

    def show(self, product: str) -> None:
        """Show some parts, and wait until all are judged."""
        name, images = f"{len(self.shown):04}", pictures(product, RUN, 7 + len(self.shown))
        write_pictures(self._camera, images, name)
        self.shown += [product] * RUN
        wait_until(lambda: len(self.results()) >= len(self.shown), 60)

    def clear(self) -> None:
        for path in self._camera.iterdir():
            path.unlink()

    def results(self) -> list[dict[str, Any]]:
        return [one for one in self._said() if "frame_sequence" in one and "event_id" not in one]

    def events(self) -> list[dict[str, Any]]:
        return [one for one in self._said() if "event_id" in one and "frame_sequence" in one]

    def summaries(self) -> list[dict[str, Any]]:
        return [one for one in self._said() if "window" in one]

    def _said(self) -> list[dict[str, Any]]:
        boots = list(self._collector.stored.values())
        return [message for boot in boots for _, message in sorted(boot.copy().items())]


@pytest.fixture
def site(tmp_path: Path, broker: Mosquitto) -> Path:
    write_model(tmp_path / "tiny.onnx")
    (tmp_path / "tiny.toml").write_text(CARD)
    for product, n in (("bracket", 50), ("flange", 50), ("cover", 3)):
        write_pictures(tmp_path / "references" / product, pictures(product, n, 1), "part")
    write_fleet(tmp_path, broker, cover=True)
    (tmp_path / "plant.pub").touch()
    return tmp_path


def write_fleet(folder: Path, broker: Mosquitto, *, cover: bool) -> None:
    text = FLEET.format(port=broker.port, last="cover" if cover else "bracket")
    if not cover:
        text = text.replace('[product.cover]\nbundle = "bundles/{line}-{product}.guard"\n', "")
    (folder / "fleet.toml").write_text(text)


def test_from_one_file_to_signed_lines_whose_products_change(
    site: Path,
    broker: Mosquitto,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(site)
    assert main(["calibrate-all", "fleet.toml", "--jobs", "2", "--json"]) == 4
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    made = {one["bundle"]: one for one in records if one["type"] == "made"}
    assert {name: one["exit_code"] for name, one in made.items()} == {
        "bundles/line-bracket.guard": 0,
        "bundles/line-flange.guard": 0,
        "bundles/two-cover.guard": 4,
    }
    assert "image" in made["bundles/two-cover.guard"]["said"]["problem"]
    assert records[-1] == {"type": "calibrations", "made": 2, "failed": 1}
    promised = [
        one["said"]["promise"]["requested"] for one in made.values() if "promise" in one["said"]
    ]
    assert promised == [0.05, 0.05]
    prepare(site, broker, capsys)
    change_products(site / "out" / "device", broker)


def prepare(site: Path, broker: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    """Sign and render; a device takes no bundle that is not signed."""
    write_fleet(site, broker, cover=False)
    assert main(["calibrate-all", "fleet.toml", "--missing"]) == 0
    (site / "plant.pub").unlink()
    assert main(["bundle", "keygen", "plant"]) == 0
    sign = ["bundle", "sign", "--key", "plant.key"]
    assert main([*sign, "bundles/line-bracket.guard"]) == 0
    assert main(["config", "check", "fleet.toml"]) == 0, capsys.readouterr().out
    home = site / "out" / "device"
    (home / "camera").mkdir(parents=True)
    assert main(["config", "render", "fleet.toml", "-o", "out"]) == 0
    assert not list((site / "out").glob("**/*.key"))
    with pytest.raises(BundleError, match=r"line-flange\.guard: bundle \S+ is not signed"):
        Daemon(load_device_config(home / "device.toml"))
    assert main([*sign, "bundles/line-flange.guard"]) == 0
    assert main(["config", "render", "fleet.toml", "-o", "out"]) == 0


def change_products(home: Path, broker: Mosquitto) -> None:
    """Products in turn, with a crash between: every frame once, judged as what it shows."""
    with Counter(broker.port) as collector:
        line = Line(home, collector)
        with Device(home) as device:
            for product in ("bracket", "flange", "bracket", "flange"):
                line.change(product)
                line.show(product)
            device.kill()
        line.clear()
        with Device(home) as device:
            line.show("flange")  # what was said before the crash holds
            line.change("bracket")
            line.show("bracket")
            assert device.stop() == 0, (home / "log").read_text()
        results, events, summaries = line.results(), line.events(), line.summaries()
        alarms = [json.loads(payload) for payload in collector.listener.on("alarm")]
    assert [one["product"] for one in results] == line.shown
    numbers = [one["frame_sequence"] for one in results]
    assert numbers == [*range(4 * RUN), *range(2 * RUN)]
    assert len({(one["product"], one["bundle"]) for one in results}) == 2
    flagged = [one["frame_sequence"] for one in results if one["verdict"] != "accept"]
    assert [one["frame_sequence"] for one in events] == flagged
    assert len(flagged) <= 0.2 * len(results), "judged as the other product, all would be"
    assert {one["product"] for one in events} <= {"bracket", "flange"}
    assert sum(one["frames"] for one in summaries) <= len(results)
    assert not [one["message"] for one in alarms if "begin anew" in one["message"]]
