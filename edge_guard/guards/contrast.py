"""What tells references from pseudo-outliers: a linear score of an embedding and its magnitudes.

Score, higher = more anomalous:

    s(x) = Σ_i w_i x_i + v_i |x_i|

with w, v from a ridge logistic regression of references against pseudo-outliers
(`edge_guard.calibration.contrast`). Distances ask how far a frame is from the references; this asks
in which direction, and knows from the pseudo-outliers which directions matter: a surface without
parts, say, can have unremarkable statistics one by one. The magnitudes let it hear "too much or too
little" of a value.

References: Hendrycks et al. 2019, "Deep anomaly detection with outlier exposure", §3; with
outliers made from the references as in Li et al. 2021, "CutPaste".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.types import Array, Doubles

NAME = "contrast"


@dataclass(frozen=True, slots=True)
class Contrast:
    """A fitted contrast.

    Attributes
    ----------
    weight : Doubles
        (2D,): w, then v.
    """

    weight: Doubles

    def scores(self, x: Array) -> Doubles:
        """Return s of each row (N, D); NaN where a row holds NaN."""
        return np.asarray(with_magnitudes(x) @ self.weight)


def with_magnitudes(x: Array) -> Doubles:
    """Return rows (N, D) with their magnitudes beside them, (N, 2D)."""
    values = np.asarray(x, np.float64)
    return np.concatenate([values, np.abs(values)], axis=1)
