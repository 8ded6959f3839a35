"""The daemon with monitors over a folder of pictures: the alarm arrives through a real broker."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from brokers import Listener, Mosquitto
from fixed_camera import fitted, judged, pictures

from edge_guard.config import DeviceConfig, DeviceTable, MqttTable, SpoolTable, StreamTable
from edge_guard.daemon import Daemon
from edge_guard.drift.model import DriftModel
from edge_guard.gate.gate import Measurement, Meter, named
from edge_guard.publish.messages import PREFIX, Alarm, Summary, decode
from edge_guard.tightening import Tightened
from edge_guard.types import Frame, Result


class Inspector:
    """Measures frames as a pipeline does; its verdicts are drawn."""

    bundle_id = "drifting@1"
    accuracy = None
    own_limits = tightened = Tightened()

    def __init__(self, model: DriftModel) -> None:
        self.drift: DriftModel | None = model
        self.seen: Measurement | None = None
        self._meter, self._rng = Meter(), np.random.default_rng(0)

    @property
    def statistics(self) -> dict[str, float]:
        return named(self.seen.statistics) if self.seen else {}

    def inspect(self, frame: Frame) -> Result:
        self.seen = self._meter.measure(frame.image)
        return judged(self._rng)

    def trials(self) -> Iterator[str]:
        return iter(())

    def tighten(self, limits: Tightened) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_new_lamp_is_an_alarm_at_the_broker_and_its_state_is_kept(
    tmp_path: Path, broker: Mosquitto
) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, image in enumerate(pictures(60, 1)):
        shown = np.clip(image.astype(int) + 3 * (number >= 40), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number:03d}.png"), shown)
    config = DeviceConfig(
        device=DeviceTable(id="device", site="site", line="line"),
        stream=(StreamTable(name="s", source=str(folder), bundle="x.guard"),),
        mqtt=MqttTable(host="127.0.0.1", port=broker.port, receipts=False),
        spool=SpoolTable(path=str(tmp_path / "spool")),
    )
    model = fitted(pictures(150, 0))
    with Listener(broker.port, f"{PREFIX}/site/line/device/#") as listener:
        daemon = Daemon(config, open_inspector=lambda table, source: Inspector(model))
        thread = threading.Thread(target=daemon.run)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
        (alarm,) = [decode(p, Alarm) for p in listener.on("alarm/s/drift")][:1]
        (summary,) = [decode(p, Summary) for p in listener.on("summary/s")]
    assert (alarm.state, alarm.cause) == ("raised", "illumination")
    assert alarm.drift is not None and abs((alarm.drift.size or 0) - 3) < 1
    assert sum(summary.histograms["drift.light"]) == summary.frames == 60
    assert sum(summary.references["drift.light"]) == 150
    assert summary.statistics["drift.light"].maximum > 3
    assert daemon.streams["s"].snapshot().monitors == "a change lasts"
    assert (tmp_path / "spool" / "drift-s.npz").exists()
