"""A toy line whose features are Gaussian, for the real fitting code: independent or like video."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edge_guard.calibration.conformal import promise
from edge_guard.calibration.fit import fit_guards, raw_scores
from edge_guard.calibration.folds import correlation_length, make_folds, standardise
from edge_guard.calibration.references import Observations
from edge_guard.manifest import ViewSpec
from edge_guard.types import Doubles, Floats

SIZES = (24, 48)
"""Dimensions of the two views; the first also stands for the image statistics."""

CLASSES = 5
_FRESH = 4000
_OUTLIERS = 96
_VIEWS = tuple(
    ViewSpec(f"tap{i}", i, size, gaussian=True, nearest=True) for i, size in enumerate(SIZES)
)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What one calibration realises: its true false-flag rate, and the correlation length seen."""

    realised: float
    promised: float
    regime: str
    length: float


def calibrate(n: int, rate: float, rho: float, rng: np.random.Generator) -> Calibration:
    """Return what a calibration on n toy references realises on fresh toy images.

    Parameters
    ----------
    n : int
        References, neighbours correlated by rho.
    rate : float
        False-flag rate asked for.
    rho : float
        AR(1) coefficient of the features from frame to frame; 0 for independent images.
    rng : numpy.random.Generator

    Raises
    ------
    ReferencesError
        The references are worth too few independent ones.
    """
    seen = _observed(_walk(n, rho, rng))
    length = correlation_length(standardise(seen.statistics), np.array(seen.labels))
    promise(np.zeros(n), n / length, rate)
    folds = list(make_folds(n, length, rng))
    origins = rng.integers(n, size=_OUTLIERS)
    kinds = np.array(["shift", "stretch"])[np.arange(_OUTLIERS) % 2]
    outliers = _observed(_spoilt(seen.embeddings, origins, kinds, rng))
    fitted = fit_guards(_VIEWS, seen, outliers, origins, kinds, folds, 1.0, rng)
    held = promise(np.sort(fitted.references), n / length, rate)
    fresh = _observed(_walk(_FRESH, 0.0, rng))
    raw = raw_scores(fitted.views, fresh.embeddings, fresh.logits, 1.0)
    realised = float((fitted.fusion.fuse(raw) > held.score_limit).mean())
    return Calibration(realised, held.false_flag_rate, held.regime, length)


def _walk(n: int, rho: float, rng: np.random.Generator) -> Doubles:
    """Return (N, D) stationary AR(1) features of unit variance."""
    steps = rng.normal(size=(n, sum(SIZES)))
    steps[1:] *= np.sqrt(1.0 - rho * rho)
    for t in range(1, n if rho else 0):
        steps[t] += rho * steps[t - 1]
    return np.asarray(steps)


def _spoilt(
    embeddings: list[Floats], origins: np.ndarray, kinds: np.ndarray, rng: np.random.Generator
) -> Doubles:
    x = np.concatenate(embeddings, axis=1)[origins].astype(np.float64)
    moved = x + rng.normal(size=(1, x.shape[1]))
    return np.where((kinds == "shift")[:, None], moved, 1.8 * x)


def _observed(x: Doubles) -> Observations:
    """Return toy features as observations: logits are a fixed linear map of the first view."""
    first, second = (part.astype(np.float32) for part in np.split(x, [SIZES[0]], axis=1))
    head = np.random.default_rng(0).normal(size=(SIZES[0], CLASSES)) / np.sqrt(SIZES[0])
    n = len(x)
    return Observations(
        names=[str(i) for i in range(n)],
        labels=[""] * n,
        statistics=first,
        cells=np.zeros((n, 1, 1), np.float32),
        reduced=np.zeros((n, 1, 1), np.float32),
        shapes=[(1, 1)] * n,
        hashes=list(range(n)),
        embeddings=[first, second],
        logits=(3.0 * first @ head).astype(np.float32),
        unreadable=[],
    )
