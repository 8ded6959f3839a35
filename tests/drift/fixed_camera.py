"""A camera over one scene without a model: pictures, and monitors fitted to them."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.drift_fit import fit_drift
from edge_guard.calibration.references import Observations, Reference
from edge_guard.drift.channels import sample
from edge_guard.drift.incident import Report
from edge_guard.drift.model import DriftModel
from edge_guard.drift.monitor import Monitor
from edge_guard.gate.gate import Meter
from edge_guard.guards.logits import logit_scores
from edge_guard.types import Frame, Image, Result, Verdict

SIDE = 96
_ROWS, _COLUMNS = np.indices((SIDE, SIDE))


def picture(rng: np.random.Generator, light: float = 0.0, product: str = "round") -> Image:
    """A textured part on a belt, lit with a standard deviation of half a level."""
    scene = 90.0 + 30.0 * np.sin(_COLUMNS / 5.0) * np.cos(_ROWS / 7.0)
    reach = np.maximum if product == "square" else np.hypot
    scene += 50.0 * (reach(np.abs(_ROWS - 45), np.abs(_COLUMNS - 50)) < 25)
    lit = scene + light + rng.normal(0, 0.5) + rng.normal(0, 2.0, scene.shape)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def pictures(n: int, seed: int) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [picture(rng) for _ in range(n)]


def fitted(
    images: list[Image],
    seed: int = 0,
    labels: list[str] | None = None,
    answers: tuple[str, ...] = (),
    flag_rate: float = 0.0,
) -> DriftModel:
    meter, n = Meter(), len(images)
    statistics, cells = [], []
    for image in images:
        seen = meter.measure(image)
        statistics.append(seen.statistics.copy())
        cells.append(seen.cells.copy())
    observations = Observations(
        names=[str(i) for i in range(n)],
        labels=labels or [""] * n,
        statistics=np.array(statistics),
        cells=np.array(cells)[:, 0],
        reduced=np.zeros((n, 1, 1), np.float32),
        shapes=[image.shape for image in images],
        hashes=list(range(n)),
        embeddings=[],
        logits=np.random.default_rng(seed).normal(0, 6, (n, 3)).astype(np.float32),
        unreadable=[],
        textures=np.array(cells)[:, 1],
        sampled=np.array([sample(image) for image in images]),
    )
    references = [Reference(str(i), "", lambda x=x: x) for i, x in enumerate(images)]
    fused = np.random.default_rng(seed).normal(size=n)
    return fit_drift(
        observations,
        fused,
        references,
        fixed=True,
        seed=seed,
        flag_rate=flag_rate,
        answers=answers,
    )


class Camera:
    """Plays pictures to a monitor, ten a second."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.sequence = 0
        self._meter = Meter()
        self._rng = np.random.default_rng(5)

    def play(self, images: list[Image]) -> list[tuple[int, Report]]:
        """What the monitor said, with the number of the frame."""
        said = []
        for image in images:
            report = self.show(image)
            if report:
                said.append((self.sequence - 1, report))
        return said

    def show(
        self, image: Image, sequence: int | None = None, at_ns: int | None = None
    ) -> Report | None:
        number = self.sequence if sequence is None else sequence
        self.sequence = number + 1
        now = (number + 1) * 100_000_000 if at_ns is None else at_ns
        seen = self._meter.measure(image)
        frame = Frame("s", number, image, wall_ns=1_700_000_000_000_000_000 + now, monotonic_ns=now)
        return self.monitor.update(frame, judged(self._rng), seen.statistics, seen.cells)


def judged(rng: np.random.Generator, p: float | None = None, gen: float | None = None) -> Result:
    """What a model and its guards say of a frame like the references."""
    usual = logit_scores(rng.normal(0, 6, (1, 3)))[0, 0]
    p_value = float(rng.uniform(0.001, 1.0)) if p is None else p
    return Result(
        Verdict.ACCEPT, p_value=p_value, scores={"gen": float(usual if gen is None else gen)}
    )
