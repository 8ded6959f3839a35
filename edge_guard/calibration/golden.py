"""Golden frames: a few references, what the finished kernel says of them, and spoilt copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from edge_guard.backends.preprocess import Preprocess, decode_image, encode_png
from edge_guard.backends.spec import Backend
from edge_guard.bundle import Bundle
from edge_guard.calibration.references import Reference
from edge_guard.gate.gate import Meter
from edge_guard.manifest import Golden, GuardSpec
from edge_guard.pipeline import Pipeline
from edge_guard.scoring import build_scorer
from edge_guard.trials import spoilt
from edge_guard.types import Array

FRAMES = 3


def golden_frames(
    references: Sequence[Reference],
    backend: Backend,
    preprocess: Preprocess,
    guards: GuardSpec,
    arrays: dict[str, Array],
) -> tuple[tuple[Golden, ...], dict[str, bytes]]:
    """Return golden frames evenly among the references, and their pictures by entry.

    Parameters
    ----------
    references : sequence of Reference
        All readable.
    backend, preprocess : Backend, Preprocess
    guards : GuardSpec
    arrays : dict of str to Array
        As they go into the bundle.
    """
    scorer = build_scorer(backend.plan, guards, arrays)
    values = np.zeros(scorer.n_scores + 3)
    indices = np.zeros(scorer.n_indices, np.int32)
    meter = Meter()
    golden, pictures = [], {}
    for i, row in enumerate(np.linspace(0, len(references) - 1, FRAMES).astype(int)):
        entry = f"golden/{i}.png"
        pictures[entry] = encode_png(references[row].load())
        image = decode_image(pictures[entry])
        measured = meter.measure(image)
        preprocess(image, backend.tensor)
        outputs = backend.run()
        scorer.score(outputs.logits, outputs.taps, measured.statistics, values, indices)
        scores = tuple(values[: scorer.n_scores].tolist())
        golden.append(Golden(entry, scores, float(values[scorer.n_scores])))
    return tuple(golden), pictures


def with_trials(bundle: Bundle) -> Bundle:
    """Return the bundle with what its finished guard says of golden and of spoilt pictures.

    That is a detector's boxes, and the names of the spoilt pictures that are not accepted: its
    self-test on the device. References that are themselves dark or blurred teach a guard to accept
    such pictures; what it lets pass now is no sign of trouble later.
    """
    pipeline = Pipeline(bundle, live=False)
    try:
        caught = tuple(
            trial.name
            for trial in spoilt(pipeline.golden_image())
            if not trial.trouble(pipeline.rehearse(trial.image))
        )
        golden = tuple(_with_boxes(golden, bundle, pipeline) for golden in bundle.manifest.golden)
    finally:
        pipeline.close()
    told = msgspec.structs.replace(bundle.manifest, trials=caught, golden=golden)
    return replace(bundle, manifest=told)


def _with_boxes(golden: Golden, bundle: Bundle, pipeline: Pipeline) -> Golden:
    found = pipeline.score(decode_image(bundle.pictures[golden.entry])).detections
    return msgspec.structs.replace(golden, boxes=found)
