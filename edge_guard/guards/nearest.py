"""Distance to the nearest reference on L2-normalised features (1-NN).

Score, higher = more anomalous:  s(x) = min_i ‖x − r_i‖²  = 2 (1 − max_i cos(x, r_i)) for unit rows.

Reference: Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors", §3, with
k = 1, which is the strongest choice from few references.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge_guard.types import Array, Doubles


def nearest(x: Array, bank: Array) -> tuple[Doubles, npt.NDArray[np.intp]]:
    """Return the squared distance of each row to its nearest bank row, and which row that is.

    Parameters
    ----------
    x : Array
        (N, D) queries.
    bank : Array
        (B, D) references, B ≥ 1.

    Returns
    -------
    distances : Doubles
        (N,), non-negative.
    indices : array of int
        (N,), rows of ``bank``; the first of equals.
    """
    queries = np.asarray(x, np.float64)
    rows = np.asarray(bank, np.float64)
    squared = (queries**2).sum(1)[:, None] - 2.0 * queries @ rows.T + (rows**2).sum(1)
    indices = squared.argmin(1)
    exact = ((queries - rows[indices]) ** 2).sum(1)
    return exact, indices
