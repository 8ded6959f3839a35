"""Weights of the contrast: references against pseudo-outliers."""

from __future__ import annotations

import numpy as np

from edge_guard.calibration.logistic import separate
from edge_guard.guards.contrast import Contrast, with_magnitudes
from edge_guard.types import Array


def fit_contrast(references: Array, outliers: Array, kinds: Array) -> Contrast:
    """Return the contrast of embeddings.

    Parameters
    ----------
    references, outliers : Array
        (N, D) and (M, D) finite embeddings.
    kinds : array of str
        (M,), kind of each outlier; kinds weigh the same however many pictures they have.
    """
    inside, outside = with_magnitudes(references), with_magnitudes(outliers)
    return Contrast(separate(inside, outside, kinds, np.zeros(inside.shape[1])))
