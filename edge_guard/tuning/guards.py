"""Which guard costs what: a frame is scored again and again without one guard at a time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

import msgspec
import numpy as np

from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess, decode_image
from edge_guard.backends.timing import QUANTILE
from edge_guard.bundle import Bundle
from edge_guard.detection.detector import Detector
from edge_guard.gate.gate import Meter
from edge_guard.guards import patch
from edge_guard.manifest import GuardSpec, Manifest, ViewSpec
from edge_guard.scoring import build_scorer
from edge_guard.types import Array, Image, Outputs

PICTURE = "picture"
"""Name of all guards that read the statistics of the picture itself."""
_FEWEST_SCORES = 3
_MIN_ROUNDS, _MAX_ROUNDS, _WARM_UP = 10, 200, 2
_PER_ROW = ("fusion.center", "fusion.spread", "fusion.weight", "fusion.tail", "fusion.knee")
_HALF, _BOXES = "half", "boxes"


class GuardCosts(NamedTuple):
    """What scoring costs, µs a frame.

    Attributes
    ----------
    all_us : float
        With all guards.
    saved_us : dict of str to float
        What is saved without a guard, largest first. ``picture.nearest`` and so on stand for all
        guards of this kind on statistics of the picture.
    halved_us : float
        What is saved where banks of neighbours hold half as many references; 0 without banks.
    boxes_us : float
        Reading a detector's boxes; 0 for other models.
    """

    all_us: float
    saved_us: dict[str, float]
    halved_us: float
    boxes_us: float


def time_guards(bundle: Bundle, *, threads: int, seconds: float) -> GuardCosts:
    """Return what each guard costs, measured right after the model has run, as on a stream.

    Every round scores one frame with each set of guards once, in a new order; a saving is the
    median over rounds of the difference to all guards.

    Parameters
    ----------
    bundle : Bundle
    threads : int
        Threads of the model's runtime.
    seconds : float
        About so long in all, at least 10 rounds.
    """
    manifest = bundle.manifest
    variants = _variants(manifest.guards, bundle.arrays)
    scorers = {
        name: build_scorer(manifest.plan, spec, arrays) for name, (spec, arrays) in variants.items()
    }
    backend = open_backend(bundle.model, manifest.plan, kind=manifest.model_kind, threads=threads)
    try:
        image = decode_image(bundle.pictures[manifest.golden[0].entry])
        Preprocess(manifest.card.input, backend.input)(image, backend.tensor)
        statistics = Meter().measure(image).statistics.copy()
        read = _reader(manifest, image)
        times = {name: list[float]() for name in [*scorers, _BOXES]}
        order, shuffler = list(scorers.items()), random.Random(0)
        end, turn = 0.0, 0
        while turn < _MIN_ROUNDS or (turn < _MAX_ROUNDS and time.perf_counter() < end):
            shuffler.shuffle(order)
            for name, scorer in order:
                values = np.zeros(scorer.n_scores + 3)
                indices = np.zeros(scorer.n_indices, np.int32)
                outputs = backend.run()
                began = time.perf_counter()
                scorer.score(outputs.logits, outputs.taps, statistics, values, indices)
                times[name].append((time.perf_counter() - began) * 1e6)
            began = time.perf_counter()
            read(outputs)
            times[_BOXES].append((time.perf_counter() - began) * 1e6)
            turn += 1
            end = end or time.perf_counter() + seconds
    finally:
        backend.close()
    if manifest.detection is None:
        times[_BOXES] = []
    return _costs({name: np.array(taken[_WARM_UP:]) for name, taken in times.items()})


def _costs(times: dict[str, Array]) -> GuardCosts:
    whole, boxes = times.pop(""), times.pop(_BOXES)
    saved = {name: float(np.median(whole - taken)) for name, taken in times.items()}
    halved = saved.pop(_HALF, 0.0)
    ordered = dict(sorted(saved.items(), key=lambda item: -item[1]))
    return GuardCosts(
        float(np.quantile(whole, QUANTILE)),
        ordered,
        halved,
        float(np.median(boxes)) if boxes.size else 0.0,
    )


def _reader(manifest: Manifest, image: Image) -> Callable[[Outputs], object]:
    """Return what reads a detector's boxes out of outputs; for other models, what does nothing."""
    if manifest.detection is None:
        return lambda _: None
    mode = manifest.card.input.resize
    detector = Detector(manifest.detection, manifest.plan, manifest.labels, mode)
    return lambda outputs: detector.read(outputs, image.shape[:2])


def _variants(
    spec: GuardSpec, arrays: dict[str, Array]
) -> dict[str, tuple[GuardSpec, dict[str, Array]]]:
    """Return the guards as they are under "", without each group of scores, and halved."""
    groups: dict[str, list[str]] = {}
    on_pictures = {view.name for view in spec.views if view.source < 0}
    for name in spec.scores:
        view, _, kind = name.partition(".")
        if kind or name == patch.NAME:
            where = f"{PICTURE}.{kind}" if view in on_pictures else name
            groups.setdefault(where, []).append(name)
    made = {"": (spec, arrays)}
    for where, names in groups.items():
        if len(spec.scores) - len(names) >= _FEWEST_SCORES:
            made[where] = _without(spec, arrays, frozenset(names))
    banks = {
        name: half
        for name, bank in arrays.items()
        if name.endswith(".bank")
        for half in [np.ascontiguousarray(bank[::2])]
    }
    return made | ({_HALF: (spec, arrays | banks)} if banks else {})


def _without(
    spec: GuardSpec, arrays: dict[str, Array], dropped: frozenset[str]
) -> tuple[GuardSpec, dict[str, Array]]:
    """Return guards and arrays without some scores; the rest is left as it was fitted."""
    kept = np.array([name not in dropped for name in spec.scores])
    left = dict(arrays)
    for name in _PER_ROW:
        left[name] = arrays[name][kept]
    if patch.NAME in dropped:
        left.pop("fusion.solo", None)
    views = []
    for view in spec.views:
        thinner = _thinner(view, left, dropped)
        views += [thinner] if thinner.gaussian or thinner.nearest or thinner.contrast else []
    patches = None if patch.NAME in dropped else spec.patches
    return msgspec.structs.replace(spec, views=tuple(views), patches=patches), left


def _thinner(view: ViewSpec, arrays: dict[str, Array], dropped: frozenset[str]) -> ViewSpec:
    """Return a view without dropped guards, and take their arrays away."""
    parts = {
        "gaussian": ("mahalanobis", ("means", "basis", "gain")),
        "nearest": ("nearest", ("bank",)),
        "contrast": ("contrast", ("contrast",)),
    }
    flags = {}
    for field, (kind, names) in parts.items():
        flags[field] = getattr(view, field) and f"{view.name}.{kind}" not in dropped
        if not flags[field]:
            for name in names:
                arrays.pop(f"{view.name}.{name}", None)
    return msgspec.structs.replace(view, **flags)
