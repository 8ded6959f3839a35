"""What a summary carries so that the accuracy of accepted answers can be estimated from it."""

from __future__ import annotations

import msgspec


class AccuracyBasis(msgspec.Struct, frozen=True):
    """How counts become an estimate, as calibration found it (`edge_guard.drift.accuracy`).

    Attributes
    ----------
    method : str
        ``confidence``, ``bins`` or ``atc``: what ``values`` are.
    values : tuple of float
        The estimate is the mean of these, one a bin, weighed by the counts.
    reference : float
        Accuracy of the accepted references.
    labelled : int
        Accepted references with a label.
    bias, spread : float
        Mean of (estimate − truth) over changed references that were held out, and the half width
        of a 95 % interval for the next such difference.
    changes : int
        Changes of the references that these come from.
    promised : float
        The bundle's promised false-flag rate.
    """

    method: str
    values: tuple[float, ...]
    reference: float
    labelled: int
    bias: float
    spread: float
    changes: int
    promised: float


class AccuracyCounts(msgspec.Struct, frozen=True):
    """Accepted frames of a window by the bin of their confidence; counts add up exactly.

    Attributes
    ----------
    counts : tuple of int
        One for each of ``basis.values``.
    basis : AccuracyBasis
        The bundle's.
    """

    counts: tuple[int, ...]
    basis: AccuracyBasis
