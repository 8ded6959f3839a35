"""A feature map a frame: each place's nearest in a bank of normal places."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from bench.features import Features
from bench.peers import peer
from bench.race import OURS, Race
from edge_guard import _kernels
from edge_guard.types import Array, Doubles

SIZES = ((14, 1000, 112), (14, 10000, 384), (28, 1000, 384), (28, 20000, 112))
"""Places a side, bank rows, dimensions."""
OWN = (14, 512, 96, 32)
"""What a bundle has: places a side, bank rows, channels of the map, dimensions."""
DESCRIBING = "edge-guard, describing only"
"""Its own averaging and projection, which the peers are spared."""
Stored = npt.NDArray[np.generic]


def races() -> Iterator[Race]:
    """Yield the search beside peers that get the descriptors for nothing, and a bundle's guard."""
    for side, rows, dim in SIZES:
        features = Features(dim)
        guard = _Guard(features.draw(side * side).reshape(side, side, dim), features.draw(rows))
        queries = guard.descriptors()
        guard.score()
        exact = np.sqrt(_nearest_squares(queries, guard.bank))
        error = float((np.abs(guard.distances() - exact) / exact).max())
        calls: dict[str, Callable[[int], object]] = {
            OURS: lambda _, g=guard: g.score(),
            DESCRIBING: lambda _, g=guard: g.descriptors(),
        }
        for name, call in _searches(guard.bank, queries).items():
            calls[name] = lambda _, c=call: c()
        notes = {"gop": 2e-9 * side * side * rows * dim, "largest_error": error}
        yield Race(f"map {side * side} x {rows} x {dim}", calls, guard.bank.nbytes, notes)
    yield _own()


def _own() -> Race:
    side, rows, channels, dim = OWN
    features = Features(channels)
    stored = np.round(features.draw(side * side) * 255).clip(0, 127).astype(np.int8)
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(channels, dim)))[0].T
    bank = np.ascontiguousarray(features.draw(rows) @ basis.T, np.float32)
    guard = _Guard(stored.reshape(side, side, channels), bank, basis)
    calls: dict[str, Callable[[int], object]] = {
        OURS: lambda _: guard.score(),
        DESCRIBING: lambda _: guard.descriptors(),
    }
    name = f"map guard {side}x{side}x{channels} int8, {rows} x {dim}"
    return Race(name, calls, stored.nbytes + bank.nbytes)


class _Guard:
    """The feature-map guard on one map (H, W, C); with an identity basis where none is given."""

    def __init__(self, stored: Stored, bank: Array, basis: Stored | None = None) -> None:
        self.bank, self._stored = bank, stored
        height, width, channels = stored.shape
        scale = 1.0 if stored.dtype == np.float32 else 1 / 255
        tensor = _kernels.Tensor(str(stored.dtype), height, width, channels, scale=scale)
        axes = np.ascontiguousarray(np.eye(channels) if basis is None else basis, np.float32)
        patches = _kernels.Patches(0, axes, np.zeros(len(axes), np.float32), bank, 10)
        self._scorer = _kernels.Scorer(None, False, 1.0, 0.1, 1, [tensor], 0, [], None, patches)
        self._outputs = np.zeros(4), np.zeros(2, np.int32)
        self._described = np.zeros((height * width, len(axes)), np.float32)

    def score(self) -> None:
        """Score the map."""
        self._scorer.score(None, (self._stored,), np.zeros(0, np.float32), *self._outputs)

    def descriptors(self) -> Array:
        """Return the map's descriptors (H·W, D)."""
        self._scorer.describe((self._stored,), self._described)
        return self._described

    def distances(self) -> Array:
        """Return the distances (H·W,) of the last score."""
        distances = np.zeros(len(self._described), np.float32)
        self._scorer.distances(distances)
        return distances


def _searches(bank: Array, queries: Array) -> dict[str, Callable[[], object]]:
    half = 0.5 * np.square(bank).sum(1)
    found: dict[str, Callable[[], object]] = {"numpy": lambda: (half - queries @ bank.T).argmin(1)}
    if faiss := peer("faiss"):
        index = faiss.IndexFlatL2(bank.shape[1])
        index.add(bank)
        found["faiss"] = lambda: index.search(queries, 1)
    if torch := peer("torch"):
        rows, places = torch.from_numpy(bank), torch.from_numpy(queries)
        found["torch"] = lambda: torch.cdist(places, rows).min(1)
    if peer("sklearn"):
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank)
        found["scikit-learn"] = lambda: brute.kneighbors(queries)
    return found


def _nearest_squares(queries: Array, bank: Array) -> Doubles:
    rows = bank.astype(np.float64)
    return np.array([np.square(q - rows).sum(1).min() for q in queries])
