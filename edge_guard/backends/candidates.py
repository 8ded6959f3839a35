"""Which tensors of a network are worth tapping: its head, and maps at several depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edge_guard.backends.graph import TRANSPARENT, Graph, Node
from edge_guard.backends.spec import TensorSpec

BANDS = ("early", "middle", "late")
MAX_MAP_VALUES = 1 << 19
"""Values of one map: pooling reads them all, every frame."""
MAX_MAP_CHANNELS = 512
"""Channels of one map: each gives three pooled values."""
MAX_FEATURES = 4096
"""Values of a feature vector."""
MIN_MAP_SIDE = 4
"""Guards average maps over 4 × 4 blocks."""
PER_BAND = 4
"""Candidates of one depth that are timed."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a network.

    Attributes
    ----------
    logits : TensorSpec or None
        Input of the final softmax or sigmoid, or the output itself.
    ends_in : {"softmax", "sigmoid"} or None
        Activation that the graph applies to the logits.
    classified : bool
        A dense layer or 1×1 convolution computes the logits.
    features : tuple of TensorSpec
        Forms of the penultimate vector, the nearest to the classifier first; may be empty.
    """

    logits: TensorSpec | None
    ends_in: Literal["softmax", "sigmoid"] | None
    classified: bool
    features: tuple[TensorSpec, ...]


@dataclass(frozen=True, slots=True)
class MapCandidate:
    """An activation map.

    Attributes
    ----------
    spec : TensorSpec
    depth : float
        Share of the network's convolutions up to it, above 0 and at most 1.
    whole : bool
        Everything later is computed from it alone: no skip connection passes it by.
    """

    spec: TensorSpec
    depth: float
    whole: bool

    @property
    def band(self) -> int:
        """Index into BANDS: the third of the network it lies in."""
        return min(int((self.depth - 1e-9) * len(BANDS)), len(BANDS) - 1)


def find_head(graph: Graph) -> Head:
    """Return the network's logits and the vector that its classifier reads."""
    last = graph.source(graph.main)
    ends_in: Literal["softmax", "sigmoid"] | None = None
    logits: TensorSpec | None = graph.tensors[graph.main]
    if last is not None and last.op in ("softmax", "sigmoid"):
        ends_in = "softmax" if last.op == "softmax" else "sigmoid"
        forms = _forms(graph, last.inputs[0])
        logits = forms[0] if forms else None
        last = graph.source(last.inputs[0])
    while last is not None and last.op in ("activation", "other") and len(last.inputs) == 1:
        last = graph.source(last.inputs[0])
    if last is None or not _classifies(graph, last):
        return Head(logits, ends_in, False, ())
    vectors = [
        spec
        for spec in _forms(graph, last.inputs[0])
        if spec.height * spec.width == 1 and spec.channels <= MAX_FEATURES
    ]
    return Head(logits, ends_in, True, tuple(vectors))


def _classifies(graph: Graph, node: Node) -> bool:
    """A dense layer, or a convolution of one position."""
    spec = graph.tensors.get(node.outputs[0])
    one_position = spec is None or spec.height * spec.width == 1
    return node.op == "dense" or (node.op == "conv" and one_position)


def _forms(graph: Graph, name: str) -> list[TensorSpec]:
    """The tensors that hold one activation's values, from ``name`` back through reshapes."""
    found: list[TensorSpec] = []
    while True:
        if name in graph.tensors:
            found.append(graph.tensors[name])
        node = graph.producers.get(name)
        if node is None or node.op not in TRANSPARENT or not node.inputs:
            return found
        name = node.inputs[0]


def map_candidates(graph: Graph) -> list[MapCandidate]:
    """Return the activation maps within the budget, shallow to deep.

    A map whose only reader is its own activation function is left out: runtimes fuse the two.
    """
    convolutions = [node for node in graph.nodes if node.op == "conv" and not _vector(graph, node)]
    total = max(1, len(convolutions))
    limit = max(MAX_MAP_VALUES, graph.input.size)
    whole = _passed_by_nothing(graph)
    seen, found = 0, []
    for node in graph.nodes:
        seen += node in convolutions
        spec = graph.tensors.get(node.outputs[0])
        if spec is None or node.op in ("softmax", "sigmoid") or spec.name == graph.main:
            continue
        small = min(spec.height, spec.width) < MIN_MAP_SIDE or spec.size > limit
        if small or spec.channels > MAX_MAP_CHANNELS or _fused(graph, spec.name):
            continue
        found.append(MapCandidate(spec, max(seen, 1) / total, spec.name in whole))
    return found


def _passed_by_nothing(graph: Graph) -> set[str]:
    """Activations that are, at some moment, all that the rest of the network still needs."""
    last_use = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    alive = {graph.input.name}
    found = set()
    for i, node in enumerate(graph.nodes):
        alive = {name for name in (*alive, *node.outputs) if last_use.get(name, -1) > i}
        if len(alive) == 1:
            found |= alive
    return found


def _vector(graph: Graph, node: Node) -> bool:
    spec = graph.tensors.get(node.outputs[0])
    return spec is not None and spec.height * spec.width == 1


def _fused(graph: Graph, name: str) -> bool:
    readers = graph.consumers.get(name, [])
    return len(readers) == 1 and readers[0].op == "activation"


def shortlist(candidates: list[MapCandidate]) -> list[MapCandidate]:
    """Return at most PER_BAND candidates of each third of the network, evenly spread in it.

    Where a third has maps that no skip connection passes by, only those.
    """
    chosen: list[MapCandidate] = []
    for band in range(len(BANDS)):
        members = [candidate for candidate in candidates if candidate.band == band]
        members = [member for member in members if member.whole] or members
        count = min(PER_BAND, len(members))
        step = len(members) / max(1, count)
        chosen += [members[int((i + 0.5) * step)] for i in range(count)]
    return chosen
