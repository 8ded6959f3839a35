"""One feature vector a frame: nearest reference, Mahalanobis distance."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bench.features import Features
from bench.peers import peer
from bench.race import OURS, Race
from edge_guard import _kernels
from edge_guard.types import Array, Doubles

NEAREST = ((5000, 1280), (5000, 512), (300, 1280))
GAUSSIAN = 1280
REFERENCES = 3000
QUERIES = 40


def nearest_races() -> Iterator[Race]:
    """Yield exact nearest neighbour, on frames like the references and on foreign ones."""
    for rows, dim in NEAREST:
        features = Features(dim)
        bank = features.draw(rows)
        search = _ours(_kernels.View(-1, bank=bank), dim)
        rivals = _searches(bank)
        for kind in ("draw", "far", "isotropic"):
            queries = getattr(features, kind)(QUERIES)
            wrong = _differences(search, queries, bank)
            calls = {OURS: lambda i, s=search, q=queries: s(q[i % QUERIES])}
            for name, call in rivals.items():
                calls[name] = lambda i, c=call, q=queries: c(q[i % QUERIES])
            title = {"draw": "like the references"}.get(kind, kind)
            notes = {"neighbours_that_differ": wrong}
            yield Race(f"nearest {rows} x {dim}, {title}", calls, bank.nbytes, notes)


def gaussian_races() -> Iterator[Race]:
    """Yield the full Mahalanobis distance beside NumPy on whitening matrices."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(GAUSSIAN, GAUSSIAN)))[0].T
    gain = rng.lognormal(0, 2, GAUSSIAN)
    mean = rng.normal(size=GAUSSIAN)
    queries = rng.normal(size=(QUERIES, GAUSSIAN)).astype(np.float32)
    for rank in (GAUSSIAN, GAUSSIAN // 4):
        parts = [
            np.ascontiguousarray(v, np.float32) for v in (mean[None], basis[:rank], gain[:rank])
        ]
        means, rows, gains = parts
        ours = _ours(_kernels.View(-1, means=means, basis=rows, gain=gains, perp=1.0), GAUSSIAN)
        precise = np.where(np.arange(GAUSSIAN) < rank, gain.astype(np.float32), 1.0)
        whitening = np.sqrt(precise)[:, None] * _completed(rows, basis)
        calls: dict[str, Callable[[int], object]] = {
            OURS: lambda i, f=ours: f(queries[i % QUERIES])
        }
        for kind in (np.float64, np.float32):
            w, m = whitening.astype(kind), means[0].astype(kind)
            calls[f"numpy {np.dtype(kind)}"] = lambda i, w=w, m=m: np.square(
                w @ (queries[i % QUERIES].astype(w.dtype) - m)
            ).sum()
        errors = {
            f"error_of_{name.replace(' ', '_').replace('-', '_')}": max(
                abs(
                    _squared(call(i))
                    / np.square(whitening @ (queries[i].astype(np.float64) - means[0])).sum()
                    - 1
                )
                for i in range(5)
            )
            for name, call in calls.items()
        }
        name = "full" if rank == GAUSSIAN else f"rank {rank}"
        yield Race(f"mahalanobis {GAUSSIAN}, {name}", calls, rows.nbytes, errors)


def _squared(result: object) -> float:
    """Return the distance alone: ours says which mean, too."""
    return float(result[0] if isinstance(result, tuple) else result)  # type: ignore[arg-type]


def _completed(rows: Array, basis: Doubles) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the basis as the kernel has it, in float32, with the other directions added."""
    return np.concatenate([rows.astype(np.float64), basis[len(rows) :]])


def _ours(view: _kernels.View, dim: int) -> Callable[[Array], tuple[float, int]]:
    scorer = _kernels.Scorer(None, False, 1.0, 0.1, 1, [], dim, [view], None)
    values, indices = np.zeros(scorer.n_scores + 3), np.zeros(scorer.n_indices, np.int32)

    def score(x: Array) -> tuple[float, int]:
        scorer.score(None, (), x, values, indices)
        return float(values[0]), int(indices[1])

    return score


def _searches(bank: Array) -> dict[str, Callable[[Array], object]]:
    half = 0.5 * np.square(bank).sum(1)
    found: dict[str, Callable[[Array], object]] = {
        "numpy": lambda q: int((half - bank @ q).argmin())
    }
    if faiss := peer("faiss"):
        index = faiss.IndexFlatL2(bank.shape[1])
        index.add(bank)
        found["faiss"] = lambda q: index.search(q[None], 1)
    if torch := peer("torch"):
        tensor = torch.from_numpy(bank)
        found["torch"] = lambda q: torch.cdist(torch.from_numpy(q[None]), tensor).argmin()
    if peer("sklearn"):
        from sklearn.neighbors import NearestNeighbors

        brute = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank)
        found["scikit-learn"] = lambda q: brute.kneighbors(q[None])
    return found


def _differences(search: Callable[[Array], tuple[float, int]], queries: Array, bank: Array) -> int:
    """Return for how many queries the neighbour is not the float64 one."""
    rows = bank.astype(np.float64)
    return sum(search(q)[1] != int(np.square(q - rows).sum(1).argmin()) for q in queries)
