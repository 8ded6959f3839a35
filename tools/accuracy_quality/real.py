"""Real models on real labelled images: estimated against true accuracy of what is accepted."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from guard_quality.domains import distinct
from real_data import images, linked_model

from accuracy_quality.changes import CHANGES, changed
from edge_guard.backends.infer import load_card
from edge_guard.bundle import Bundle, read_bundle
from edge_guard.calibration.calibrate import calibrate
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.references import Reference
from edge_guard.calibration.settings import Settings
from edge_guard.drift.accuracy import Estimate, distrust, estimate, flags
from edge_guard.drift.summary import Window
from edge_guard.pipeline import Pipeline
from edge_guard.publish.messages import AccuracyBasis
from edge_guard.types import Frame, Verdict

MOST_UNSEEN = 600
"""Images that each change is tried on."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A model and the labelled images that it is for.

    Attributes
    ----------
    model, pictures : str
        Names in the real data.
    max_error : float or None
        Certificate asked for.
    """

    model: str
    pictures: str
    max_error: float | None = None

    @property
    def name(self) -> str:
        """In words."""
        asked = f", at most {self.max_error:.0%} wrong" if self.max_error else ""
        return f"{self.model}{asked}"


PCB = "deeppcb_patches_test"
SCENES = (
    Scene("pcb_simplecnn_int8_onnx", PCB),
    Scene("pcb_simplecnn_int8_onnx", PCB, 0.02),
    Scene("pcb_mobilenetv2_int8_onnx", PCB),
    Scene("pcb_mobilenetv2_int8_onnx", PCB, 0.02),
    Scene("resnet8_cifar10_int8", "cifar10_test"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One change of production.

    Attributes
    ----------
    change : str
    flagged : float
        Share of frames.
    accepted : int
    true : float
        Accuracy of the accepted; NaN of none.
    told : Estimate or None
        Whether it is shown or not; None of no accepted frames.
    hidden : str
        Why it is not shown; empty where it is.
    """

    change: str
    flagged: float
    accepted: int
    true: float
    told: Estimate | None
    hidden: str

    @property
    def error(self) -> float:
        """Estimate − truth; NaN without an estimate."""
        return self.told.accuracy - self.true if self.told else float("nan")

    @property
    def held(self) -> bool:
        """Whether the interval holds the truth."""
        return self.told is not None and self.told.low <= self.true <= self.told.high


def measured(scene: Scene, labelled: int, seed: int) -> tuple[AccuracyBasis | None, list[Row]]:
    """Return what calibration promises, and what came of it on images that it has not seen."""
    pictures = images(scene.pictures)
    rows = np.random.default_rng(seed).permutation(distinct(pictures))
    with tempfile.TemporaryDirectory() as folder:
        bundle = _calibrated(scene, rows[:labelled], Path(folder), seed)
    spec = bundle.manifest.accuracy
    if spec is None:
        return None, []
    pipeline = Pipeline(bundle, live=False)
    unseen = rows[labelled : labelled + MOST_UNSEEN]
    found = [_row(pipeline, name, scene, unseen, seed) for name in CHANGES]
    pipeline.close()
    return spec.basis, found


def _calibrated(scene: Scene, rows: np.ndarray, folder: Path, seed: int) -> Bundle:
    pictures = images(scene.pictures)
    file = linked_model(scene.model, folder)
    card, labels, _ = load_card(file, None)
    references = [
        Reference(str(i), labels[pictures.labels[i]], lambda i=i: pictures.images[i])  # type: ignore[misc]
        for i in rows
    ]
    settings = Settings(wishes=Wishes(max_error=scene.max_error), seed=seed)
    out = folder / "scene.guard"
    calibrate(file, references, out, card=card, labels=labels, settings=settings)
    return read_bundle(out)


def _row(pipeline: Pipeline, name: str, scene: Scene, rows: np.ndarray, seed: int) -> Row:
    pictures, rng = images(scene.pictures), np.random.default_rng([seed, len(name)])
    window, right, accepted = Window(pipeline.accuracy), 0, 0
    for row in rows:
        image = changed(name, pictures.images[row], rng)
        result = pipeline.inspect(Frame("s", 0, image))
        window.add(result, {})
        if result.verdict == Verdict.ACCEPT:
            accepted += 1
            right += result.label_index == pictures.labels[row]
    counted = window.accuracy()
    assert counted is not None
    flagged, frames = flags(window.verdicts, window.reasons)
    return Row(
        name,
        flagged / frames,
        accepted,
        right / accepted if accepted else float("nan"),
        estimate(counted.basis, counted.counts),
        distrust(counted.basis, sum(counted.counts), flagged, frames, ""),
    )
