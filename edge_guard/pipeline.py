"""Frame → Result: the order of things, and nothing else. No I/O, no threads.

    input gate → preprocess → model → guards → thresholds

An invalid frame skips the model. Whatever cannot be scored goes to a person, never through.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from edge_guard.backends.geometry import covered
from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess, decode_image
from edge_guard.bundle import Bundle
from edge_guard.confidence import ConfidenceMeter
from edge_guard.decision import Decision, Scored, located
from edge_guard.detection.detector import Detector, frame_confidence
from edge_guard.detection.sameness import lost_boxes
from edge_guard.drift.model import read_model
from edge_guard.errors import BundleError, EdgeGuardError
from edge_guard.explain import Explainer
from edge_guard.gate.gate import (
    MEASURES,
    MIN_SIDE_PX,
    Findings,
    InputGate,
    Measurement,
    Meter,
    gate_arrays,
    named,
)
from edge_guard.heat import region
from edge_guard.manifest import Golden, answer_in_words
from edge_guard.scoring import build_scorer
from edge_guard.tightening import Tightened, own_limits
from edge_guard.trials import frozen_trouble, spoilt
from edge_guard.types import Frame, Heat, Image, Outputs, Reason, Result, Timing, Verdict
from edge_guard.view import View, unlike

MAX_SIDE_PX = 32768
"""Longest side that the kernels measure."""
GOLDEN_TOLERANCE = 1e-3
"""Largest difference of a golden frame's squashed scores between calibration and device."""


class Pipeline:
    """One stream's guard. Not for two threads at once.

    Parameters
    ----------
    bundle : Bundle
    threads : int
        Threads of the model's runtime.
    live : bool
        Frames come from a camera or video: watch for a frozen picture.
    view : View, optional
        What of the camera's picture frames show, where the self-test shall compare it.

    Raises
    ------
    BundleError
        The bundle was made for another runtime, or its golden frames score differently here.
    """

    def __init__(
        self, bundle: Bundle, *, threads: int = 1, live: bool = True, view: View | None = None
    ) -> None:
        manifest = bundle.manifest
        self.bundle_id = bundle.id
        self.model_id = manifest.provenance.model_sha256
        self.manifest = manifest
        self._bundle = bundle
        self._backend = open_backend(
            bundle.model, manifest.plan, kind=manifest.model_kind, threads=threads
        )
        self._preprocess = Preprocess(manifest.card.input, self._backend.input)
        self._meter = Meter()
        self._live = live
        self._view = view
        self._gate = self._new_gate()
        self.own_limits = own_limits(manifest)
        self.tightened = Tightened()
        self._decide = partial(Decision, manifest, bundle.arrays, self._gate)
        self._decision = self._decide()
        self._rehearsed: Decision | None = (
            None  # beside the other, which may be tightened meanwhile
        )
        self._explainer = Explainer(manifest, bundle.arrays, bundle.pictures)
        self._confidence = (
            ConfidenceMeter(
                manifest.confidence, manifest.plan, manifest.guards.views, bundle.arrays
            )
            if manifest.confidence and not manifest.detection
            else None
        )
        self._detector = (
            Detector(manifest.detection, manifest.plan, manifest.labels, manifest.card.input.resize)
            if manifest.detection
            else None
        )
        self._scorer = build_scorer(manifest.plan, manifest.guards, bundle.arrays)
        self._values = np.zeros(self._scorer.n_scores + 3)
        self._indices = np.zeros(self._scorer.n_indices, np.int32)
        self._seen: Measurement | None = None
        self.accuracy = manifest.accuracy
        self.drift = read_model(manifest.drift, bundle.arrays, bundle.id)
        self._check_runtime()
        for golden in manifest.golden:
            if trouble := self._golden_trouble(golden):
                raise BundleError(
                    f"bundle {self.bundle_id}: {trouble}",
                    "calibrate on this kind of device, with its runtime version",
                )

    @property
    def statistics(self) -> dict[str, float]:
        """Image statistics of the last frame, by name; empty before the first."""
        return named(self._seen.statistics) if self._seen else {}

    @property
    def seen(self) -> Measurement | None:
        """What the gate measured in the last frame; None where it was no picture."""
        return self._seen

    @property
    def view_trouble(self) -> str:
        """How frames show another part of the picture than the references did; "" where not."""
        if self._view is None:
            return ""
        height, width = self.golden_image().shape[:2]
        return unlike(self.manifest.view, self._view, (width, height))

    def tighten(self, limits: Tightened) -> None:
        """Judge by stricter limits from the next frame on; callable from any thread.

        Raises
        ------
        GuaranteeError
            They are looser than the bundle's; nothing changes.
        """
        limits.check(self.own_limits)
        self._decision = self._decide(limits)
        self.tightened = limits

    def close(self) -> None:
        """Release the model."""
        self._backend.close()

    def inspect(self, frame: Frame) -> Result:
        """Return the guard's word on a frame; never raises for what a frame or model does."""
        started = time.perf_counter()
        self._seen = None  # whatever happens, not the last frame's
        try:
            problem = _unusable(frame.image)
            if problem:
                return Result(Verdict.INVALID, reasons=(problem,))
            seen = self._seen = self._meter.measure(frame.image)
            found = self._gate.check(frame.image, seen, frame.monotonic_ns)
            gated = time.perf_counter()
            if found.invalid:
                timing = Timing(gate=(gated - started) * 1e6)
                return Result(Verdict.INVALID, reasons=found.invalid, timing_us=timing)
            return self._judge(frame.image, seen, found, started, gated)
        except EdgeGuardError as error:
            return Result(Verdict.REVIEW, reasons=(Reason("model", str(error), None),))
        except Exception as error:  # fail-safe: whatever breaks, a person looks
            words = f"the frame could not be scored: {type(error).__name__}: {error}"
            return Result(Verdict.REVIEW, reasons=(Reason("score", words, None),))

    def trials(self) -> Iterator[str]:
        """Try the guard on golden and deliberately spoilt frames, one a step.

        Yields what is wrong, empty when nothing is. Frames may be inspected between two steps:
        they do not notice.

        Raises
        ------
        EdgeGuardError
            The model failed.
        """
        for golden in self.manifest.golden:
            yield self._golden_trouble(golden)
        for trial in spoilt(self.golden_image()):
            if trial.name in self.manifest.trials:
                yield trial.trouble(self.rehearse(trial.image))
        if self._live:
            yield self._frozen_trouble()
        if self.view_trouble:
            yield self.view_trouble

    def golden_image(self) -> Image:
        """Return the first golden frame."""
        return decode_image(self._bundle.pictures[self.manifest.golden[0].entry])

    def rehearse(self, image: Image) -> Result:
        """Inspect an image as the first frame of a stream of its own."""
        return self._rehearse(image, self._new_gate())

    def score(self, image: Image) -> Scored:
        """Return the raw numbers of an image, whatever the gate says of it.

        Raises
        ------
        ModelError, SourceError
            The model failed, or the image cannot be measured.
        """
        seen = self._meter.measure(image)
        self._preprocess(image, self._backend.tensor)
        return self._score(self._backend.run(), seen, image.shape[:2])

    def _new_gate(self) -> InputGate:
        return InputGate(self.manifest.gate, gate_arrays(self._bundle.arrays), live=self._live)

    def _rehearse(self, image: Image, gate: InputGate) -> Result:
        """Inspect an image as a frame, leaving the stream's own gate and review budget alone."""
        live, self._gate = self._gate, gate
        self._rehearsed = self._decide(self.tightened)
        try:
            return self.inspect(Frame("self-test", 0, image))
        finally:
            self._gate, self._rehearsed = live, None

    def _frozen_trouble(self) -> str:
        """Show one picture to a gate for so long that it must call it frozen."""
        gate = self._new_gate()
        image = self.golden_image()
        seen = self._meter.measure(image)
        for _ in range(self.manifest.gate.repeats.frozen_after + 1):
            gate.check(image, seen)
        return frozen_trouble(self._rehearse(image, gate))

    def _judge(
        self, image: Image, seen: Measurement, found: Findings, started: float, gated: float
    ) -> Result:
        self._preprocess(image, self._backend.tensor)
        prepared = time.perf_counter()
        outputs = self._backend.run()
        ran = time.perf_counter()
        scored = self._score(outputs, seen, image.shape[:2])
        reasons = (self._rehearsed or self._decision).reasons(image, seen, found, scored)
        heat = self._heat(image) if reasons else None
        place = region(heat) if heat else None
        if heat and place:
            reasons = located(reasons, float(heat.cells.max()), place)
        if reasons:
            reasons = self._explainer.attributed(reasons, seen.statistics, self._indices)
        done = time.perf_counter()
        index = scored.label_index
        return Result(
            verdict=Verdict.REVIEW if reasons else Verdict.ACCEPT,
            label=scored.answer if index is None else self.label(index),
            label_index=index,
            confidence=scored.confidence,
            p_value=scored.p_value if math.isfinite(scored.fused) else None,
            scores=self._named_scores(scored),
            reasons=reasons,
            timing_us=Timing(
                gate=(gated - started) * 1e6,
                preprocess=(prepared - gated) * 1e6,
                model=(ran - prepared) * 1e6,
                guards=(done - ran) * 1e6,
            ),
            heat=heat,
            nearest=self._explainer.nearest(self._indices) if reasons else (),
            detections=scored.detections,
        )

    def label(self, index: int) -> str:
        """Return a class in words."""
        return answer_in_words(self.manifest.labels, index)

    def _score(self, outputs: Outputs, seen: Measurement, frame: tuple[int, int]) -> Scored:
        self._scorer.score(
            outputs.logits, outputs.taps, seen.statistics, self._values, self._indices
        )
        k = self._scorer.n_scores
        top = int(self._indices[0])
        confidence = float(self._values[k + 2])
        if self._confidence:
            confidence = self._confidence.measure(outputs, seen.statistics)
        scored = Scored(
            scores=self._values[:k].copy(),
            fused=float(self._values[k]),
            p_value=float(self._values[k + 1]),
            confidence=confidence if math.isfinite(confidence) else None,
            label_index=top if top >= 0 else None,
        )
        return scored if self._detector is None else self._detected(scored, outputs, frame)

    def _detected(self, scored: Scored, outputs: Outputs, frame: tuple[int, int]) -> Scored:
        """Return the same with a detector's boxes; not finite where they cannot be read."""
        assert self._detector is not None
        seen = self._detector.read(outputs, frame)
        if seen is None:
            return replace(scored, fused=math.nan, p_value=math.nan, detections=())
        spec = self.manifest.confidence
        confidence = frame_confidence(spec, seen) if spec else None
        return replace(scored, confidence=confidence, answer=seen.label, detections=seen.boxes)

    def _heat(self, image: Image) -> Heat | None:
        """Return where the last scored frame is unlike the references."""
        spec = self.manifest.guards.patches
        if spec is None:
            return None
        distances = np.zeros(spec.height * spec.width, np.float32)
        self._scorer.distances(distances)
        if not np.isfinite(distances).all():
            return None
        cells = (distances / np.float32(spec.limit)).reshape(spec.height, spec.width)
        target = self._backend.input
        mode = self.manifest.card.input.resize
        area = covered(mode, image.shape[:2], target.height, target.width)
        return Heat(cells, area, *image.shape[:2])

    def _named_scores(self, scored: Scored) -> dict[str, float]:
        named_scores = dict(zip(self.manifest.guards.scores, scored.scores.tolist(), strict=True))
        named_scores["fused"] = scored.fused
        return named_scores

    def _check_runtime(self) -> None:
        made, here = self.manifest.runtime, self._backend.runtime
        if (made.backend, made.kernels) != (here.backend, here.kernels):
            raise BundleError(
                f"bundle {self.bundle_id} was calibrated on {made.backend} "
                f"({made.kernels} kernels), "
                f"this device runs {here.backend} ({here.kernels} kernels)",
                "calibrate on this kind of device",
            )
        if self.manifest.measures != MEASURES:
            raise BundleError(
                f"bundle {self.bundle_id} was calibrated by another version of edge-guard "
                f"({self.manifest.provenance.version}), which measured pictures differently",
                "calibrate again",
            )

    def _golden_trouble(self, golden: Golden) -> str:
        """Return what is wrong with the numbers of a golden frame, empty when nothing is."""
        scored = self.score(decode_image(self._bundle.pictures[golden.entry]))
        spread = self._bundle.arrays["fusion.spread"]
        here = scored.scores / spread
        there = np.array(golden.scores) / spread
        difference = float(np.abs(here - there).max() / max(1.0, float(np.abs(there).max())))
        if difference <= GOLDEN_TOLERANCE:
            spec = self.manifest.detection
            if spec is None or golden.boxes is None:
                return ""
            return lost_boxes(golden, scored.detections or (), spec.threshold)
        return (
            f"{golden.entry} scores differently on this device "
            f"(relative difference {difference:.2g})"
        )


def _unusable(image: Image) -> Reason | None:
    """Return why an array is no picture at all, or None."""
    if (
        image.dtype != np.uint8
        or image.ndim not in (2, 3)
        or (image.ndim == 3 and image.shape[2] != 3)
    ):
        words = f"not a picture: {image.dtype} array of shape {image.shape}"
        return Reason("gate.format", words, None)
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        words = f"the picture is only {width}×{height} px"
        return Reason("gate.format", words, float(min(height, width)), (MIN_SIDE_PX, None))
    if max(height, width) > MAX_SIDE_PX:
        words = f"the picture is {width}×{height} px large"
        return Reason("gate.format", words, float(max(height, width)), (None, MAX_SIDE_PX))
    return None
