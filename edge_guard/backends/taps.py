"""Chooses the inner tensors that guards read; writes a copy of the model that gives them out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edge_guard.backends import onnx_graph, tflite_graph
from edge_guard.backends.candidates import (
    MAX_MAP_CHANNELS,
    MIN_MAP_SIDE,
    Head,
    find_head,
    map_candidates,
    shortlist,
)
from edge_guard.backends.check import check_card
from edge_guard.backends.failures import model_errors
from edge_guard.backends.graph import Graph
from edge_guard.backends.open import open_backend, read_model
from edge_guard.backends.spec import Backend, Kind, TapPlan, TensorSpec
from edge_guard.backends.timing import agree, run_times_us
from edge_guard.card import Card
from edge_guard.errors import CardError, ModelError

COST_SHARE = 0.05
"""Taps may cost this share of the model's time …"""
COST_FLOOR_US = 30.0
"""… or this much, whichever is more."""
_TIMING_SECONDS = 3.0
_CHECKING_SECONDS = 1.5
_SECOND_LOOKS = 3
"""A map is dropped only when it is too dear each time: the machine may be busy for a moment."""
_NOISE_US, _NOISE_SHARE = 3.0, 0.025
"""Differences below these, in µs and as a share of the model's time, never decide."""
_NO_SLOWER = 1.02
_US_PER_VALUE = 5e-5
"""What guards spend on pooling one value of a map."""
_US_PER_CHANNEL = 0.3
"""What guards spend on one channel's three pooled values: basis and bank are read every frame."""


@dataclass(frozen=True, slots=True)
class TappedModel:
    """A model that gives out what guards read.

    Attributes
    ----------
    model : bytes
        The tapped copy.
    kind : Kind
    plan : TapPlan
    model_us, tap_us : float
        Time of one run of the untapped model, and what the tapped copy takes beyond it (negative
        where it is faster), on this device.
    notes : tuple of str
        What people should know about the copy.
    """

    model: bytes
    kind: Kind
    plan: TapPlan
    model_us: float
    tap_us: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """The untapped model."""

    name: str
    model: bytes
    graph: Graph
    head: Head
    card: Card
    threads: int

    def tapped(self, taps: Iterable[TensorSpec]) -> tuple[bytes, TapPlan]:
        """The copy with these taps, and its plan."""
        main = self.graph.tensors[self.graph.main]
        logits, probabilities = _logits(self.graph, self.head, self.card)
        plan = TapPlan(
            input=self.graph.input,
            main=main,
            logits=logits,
            probabilities=probabilities,
            taps=tuple(taps),
            answers=self.graph.answers if self.card.output.task == "detect" else (),
        )
        wanted = {spec.name: spec for spec in ([logits] if logits else []) + list(plan.taps)}
        wanted.pop(main.name, None)
        if self.graph.kind == "onnx":
            return onnx_graph.add_outputs(self.model, list(wanted.values()), self.name), plan
        return tflite_graph.add_outputs(self.model, list(wanted)), plan

    def opened(self, taps: Iterable[TensorSpec]) -> Backend:
        """The copy with these taps, ready to run."""
        model, plan = self.tapped(taps)
        return open_backend(model, plan, kind=self.graph.kind, threads=self.threads, name=self.name)


def tap_model(path: Path, card: Card, *, threads: int = 1) -> TappedModel:
    """Return a copy of the model that also gives out logits, feature maps and features.

    With ``auto`` in the card, candidates at several depths are timed here, in the runtime that
    will run them, and the cheap ones are taken: one map of each third of the network and the
    penultimate vector, for at most 5 % of the model's time or 30 µs.

    Parameters
    ----------
    path : Path
        ONNX or TFLite file.
    card : Card
    threads : int
        Threads the device will use.

    Raises
    ------
    ModelError
        The model cannot be read or run.
    CardError
        The card names a tensor that the model has not, or contradicts the model.
    """
    model, kind = read_model(path)
    name = str(path)
    untapped = open_backend(model, kind=kind, threads=threads, name=name)
    model, notes = _fastest_form(model, kind, untapped, name)
    graph = read_graph(model, untapped, name)
    head = find_head(graph)
    check_card(card, graph, head, untapped, name)
    source = _Source(name, model, graph, head, card, threads)
    maps = _named(source, card.taps.maps, "maps")
    features = _named(source, card.taps.features, "features")
    budget = _Budget(
        maps=_choose_maps(source) if maps is None else maps,
        features=_choose_features(source) if features is None else features,
        droppable=maps is None,
    )
    taps, model_us, tap_us = _afford(source, untapped, budget)
    untapped.close()
    tapped, plan = source.tapped(taps)
    return TappedModel(tapped, kind, plan, model_us, tap_us, notes)


def _fastest_form(
    model: bytes, kind: Kind, untapped: Backend, name: str
) -> tuple[bytes, tuple[str, ...]]:
    """The model with uint8 instead of int8 activations where that is no slower here."""
    unsigned = onnx_graph.unsigned_activations(model, name) if kind == "onnx" else None
    if unsigned is None:
        return model, ()
    try:
        other = open_backend(unsigned, kind=kind, name=name)
    except ModelError:  # an operator between quantize and dequantize insists on int8
        return model, ()
    if not agree(untapped, other):
        return model, ()
    times = run_times_us({"int8": untapped, "uint8": other}, _CHECKING_SECONDS)
    other.close()
    if times["uint8"] > times["int8"] * _NO_SLOWER:
        return model, ()
    said = (
        "the bundle's copy stores int8 activations as uint8 (the same numbers), which this "
        f"runtime computes in {times['uint8'] / times['int8']:.2f} of the time"
    )
    return unsigned, (said,)


def read_graph(model: bytes, loaded: Backend, name: str) -> Graph:
    """Return the network in a model, given the backend that has loaded it."""
    with model_errors(name, "the network cannot be read", "export or copy the model again"):
        if loaded.runtime.backend == "onnxruntime":
            return onnx_graph.read_graph(model, loaded.input, name)
        return tflite_graph.read_graph(model, loaded.given, name)


def _logits(graph: Graph, head: Head, card: Card) -> tuple[TensorSpec | None, bool]:
    """The plan's logits, and whether they are probabilities."""
    if card.output.task != "classify":
        return None, False
    main = graph.tensors[graph.main]
    if head.logits is None:
        return main, True
    if graph.aliases.get(main.name) == head.logits.name:
        return main, False
    return head.logits, head.ends_in is None and card.output.activation != "logits"


def _named(source: _Source, wanted: str | tuple[str, ...], key: str) -> list[TensorSpec] | None:
    """The tensors a card names; None for ``auto``."""
    if wanted == "auto":
        return None
    names = [wanted] if isinstance(wanted, str) else list(wanted)
    return [_tensor(source, name, key) for name in names]


def _tensor(source: _Source, name: str, key: str) -> TensorSpec:
    graph = source.graph
    spec = graph.tensors.get(graph.aliases.get(name, name)) or graph.tensors.get(name)
    if spec is None:
        known = [*graph.tensors, *graph.aliases]
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.4) or sorted(known)[:3]
        raise CardError(
            f"{source.name}: the card's [taps] {key} names {name!r}, which the model has not",
            f"nearest: {', '.join(near)}",
        )
    is_map = spec.height * spec.width > 1
    if is_map != (key == "maps"):
        raise CardError(
            f"{source.name}: the card's [taps] {key} names {name!r}, which is "
            f"{'a map' if is_map else 'a vector'}",
            f"name it under {'maps' if is_map else 'features'}",
        )
    return spec


def _choose_maps(source: _Source) -> list[TensorSpec]:
    """One map of each third of the network; an anomaly model's own beside them."""
    main = source.graph.tensors[source.graph.main]
    own = [main] if source.card.output.task == "anomaly" and _is_map(main) else []
    candidates = shortlist(map_candidates(source.graph))
    costs = _costs(source, [candidate.spec for candidate in candidates])
    return [
        _cheapest([c.spec for c in candidates if c.band == band], costs)
        for band in sorted({candidate.band for candidate in candidates})
    ] + own


def _is_map(spec: TensorSpec) -> bool:
    """Large enough for guards, which average maps over blocks."""
    return min(spec.height, spec.width) >= MIN_MAP_SIDE and spec.channels <= MAX_MAP_CHANNELS


def _choose_features(source: _Source) -> list[TensorSpec]:
    """The penultimate vector, in its cheapest form; none where the network has none.

    An embedder's output is that vector. An anomaly model's is what it says of the frame: read like
    one, its unusual scores are unusual features.
    """
    main = source.graph.tensors[source.graph.main]
    if source.card.output.task in ("embed", "anomaly") and main.height * main.width == 1:
        return [main]
    forms = list(source.head.features)
    return [_cheapest(forms, _costs(source, forms))] if forms else []


@dataclass(frozen=True, slots=True)
class _Costs:
    """What giving out each tensor alone adds to a run, and how far that can be trusted, in µs."""

    added: dict[str, float]
    noise: float


def _cheapest(members: list[TensorSpec], costs: _Costs) -> TensorSpec:
    """Of those that cost next to nothing more than the best, the easiest to read; the deepest."""
    near = max(0.0, min(costs.added[spec.name] for spec in members)) + costs.noise
    fine = [spec for spec in reversed(members) if costs.added[spec.name] <= near]
    return min(fine, key=_reading_us)


def _reading_us(spec: TensorSpec) -> float:
    """What guards spend on a tap."""
    return spec.size * _US_PER_VALUE + spec.channels * _US_PER_CHANNEL


def _costs(source: _Source, specs: list[TensorSpec]) -> _Costs:
    """Time each tap alone beside two copies without: how much those two differ is the noise."""
    backends = {name: source.opened([]) for name in ("", "again")}
    backends |= {spec.name: source.opened([spec]) for spec in specs}
    times = run_times_us(backends, _TIMING_SECONDS)
    for backend in backends.values():
        backend.close()
    without = min(times[""], times["again"])
    noise = max(_NOISE_US, _NOISE_SHARE * without, 2 * abs(times[""] - times["again"]))
    return _Costs({spec.name: times[spec.name] - without for spec in specs}, noise)


@dataclass(frozen=True, slots=True)
class _Budget:
    """Taps to afford; maps that nobody named may be dropped."""

    maps: list[TensorSpec]
    features: list[TensorSpec]
    droppable: bool


def _afford(
    source: _Source, untapped: Backend, budget: _Budget
) -> tuple[list[TensorSpec], float, float]:
    """The taps that fit the budget together, the model's time and theirs; the largest map goes."""
    maps = list(budget.maps)
    while True:
        taps = [*maps, *budget.features]
        backend = source.opened(taps)
        for _ in range(_SECOND_LOOKS):
            times = run_times_us({"untapped": untapped, "tapped": backend}, _CHECKING_SECONDS)
            cost = times["tapped"] - times["untapped"]
            if cost <= max(COST_SHARE * times["untapped"], COST_FLOOR_US):
                budget = replace(budget, droppable=False)
                break
        backend.close()
        if not budget.droppable or len(maps) < 2:
            return taps, times["untapped"], cost
        maps.remove(max(maps, key=lambda spec: spec.size))
