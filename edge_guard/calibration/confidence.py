"""Calibrated confidence: the temperature, maps from a ranking score to a probability, reliability.

By the number of labelled references: a temperature; from 300 Platt's line and the beta map; from
1,000 isotonic steps. A richer map is taken only where it has the smaller out-of-fold likelihood
loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.confidence import IDENTITY, LIMIT, to_confidence
from edge_guard.guards.logits import log_softmax
from edge_guard.types import Array, Doubles

Knots = tuple[tuple[float, float], ...]

MIN_LABELLED = 30
MIN_ERRORS = 3
RICH, RICHEST = 300, 1000
"""Labelled references from which Platt and beta, and isotonic maps, may be tried."""

_FOLDS = 5
_BINS = 15
_GRID = 33
_LEAST_SLOPE = 1e-3
"""Of a map, so that it never ties what the ranking tells apart."""
_GAIN = 1e-3
"""Likelihood loss that a richer map must save per reference."""


def fit_temperature(logits: Array, truth: npt.NDArray[np.intp]) -> float | None:
    """Return T = argmin over ln T of the negative log-likelihood, or None when labels cannot say.

    One class only or too few errors would drive T towards 0; too few labels towards noise.

    Parameters
    ----------
    logits : Array
        (N, C).
    truth : array of int
        (N,) class indices.

    References
    ----------
    Guo et al. 2017, "On calibration of modern neural networks", §4.2.
    """
    from scipy.optimize import minimize_scalar

    errors = int((logits.argmax(1) != truth).sum())
    if len(truth) < MIN_LABELLED or errors < MIN_ERRORS or len(np.unique(truth)) < 2:
        return None
    rows = np.arange(len(truth))

    def nll(log_t: float) -> float:
        return -float(log_softmax(logits, float(np.exp(log_t)))[rows, truth].mean())

    return float(np.exp(minimize_scalar(nll, bounds=(-3.0, 4.0), method="bounded").x))


@dataclass(frozen=True, slots=True)
class Reliability:
    """How far confidences are from what happens.

    Attributes
    ----------
    nll, brier : float
        Mean −ln of the probability given to what happened, and mean squared error.
    ece : float
        √ max(0, Σ_b n_b/n ((accuracy_b − confidence_b)² − accuracy_b (1 − accuracy_b)/(n_b − 1)))
        over 15 bins of equal count: debiased (Kumar et al. 2019, "Verified uncertainty
        calibration", §5).
    """

    nll: float
    brier: float
    ece: float


def reliability(confidence: Doubles, correct: npt.NDArray[np.bool_]) -> Reliability:
    """Return the reliability figures of (N,) confidences that the answer is right."""
    p = np.clip(confidence, 1e-12, 1 - 1e-12)
    y = correct.astype(np.float64)
    excess = 0.0
    for part in np.array_split(np.argsort(p, kind="stable"), min(_BINS, max(1, len(p) // 2))):
        accuracy = float(y[part].mean())
        chance = accuracy * (1 - accuracy) / max(len(part) - 1, 1)
        excess += len(part) / len(p) * ((accuracy - float(p[part].mean())) ** 2 - chance)
    loss = -np.where(correct, np.log(p), np.log1p(-p))
    return Reliability(
        float(loss.mean()), float(((p - y) ** 2).mean()), float(np.sqrt(max(0.0, excess)))
    )


@dataclass(frozen=True, slots=True)
class FittedMap:
    """A map from a ranking score to ln of the odds, and its out-of-fold reliability."""

    method: str
    knots: Knots
    held: Reliability


def fit_map(x: Doubles, correct: npt.NDArray[np.bool_], *, odds: bool, tempered: bool) -> FittedMap:
    """Return the best map for this many references.

    Parameters
    ----------
    x : Doubles
        (N,) ranking scores.
    correct : array of bool
        (N,); both values must occur.
    odds : bool
        x is a ln of odds, to which a temperature applies.
    tempered : bool
        That temperature is in x already.
    """
    methods = ["temperature"] if odds else []
    if len(x) >= RICH or not odds:
        methods += ["platt", "beta"] if odds else ["platt"]
    if len(x) >= RICHEST:
        methods.append("isotonic")
    fitters = {
        "temperature": (lambda *_: IDENTITY) if tempered else _slope,
        "platt": _platt,
        "beta": _beta,
        "isotonic": _isotonic,
    }
    fold = np.random.default_rng(len(x)).permutation(len(x)) % _FOLDS
    held = {}
    for method in methods:
        out = np.zeros(len(x))
        for k in range(_FOLDS):
            knots = fitters[method](x[fold != k], correct[fold != k])
            out[fold == k] = to_confidence(x[fold == k], knots)
        held[method] = reliability(out, correct)
    best = methods[0]
    for method in methods[1:]:
        if held[method].nll < held[best].nll - _GAIN:
            best = method
    return FittedMap(best, fitters[best](x, correct), held[best])


def _slope(x: Doubles, correct: npt.NDArray[np.bool_]) -> Knots:
    """One temperature on the odds."""
    return _line(_logistic(x[:, None], correct, intercept=False))


def _platt(x: Doubles, correct: npt.NDArray[np.bool_]) -> Knots:
    """Platt 1999: y = a·x + b."""
    center, spread = float(x.mean()), max(float(x.std()), 1e-9)
    b, a = _logistic(((x - center) / spread)[:, None], correct)
    slope = max(float(a), _LEAST_SLOPE) / spread
    return _ascending(np.linspace(*_ends(x), _GRID), lambda at: b + slope * (at - center))


def _beta(x: Doubles, correct: npt.NDArray[np.bool_]) -> Knots:
    """Kull et al. 2017, "Beta calibration": y = a·ln p − b·ln(1 − p) + c, a and b ≥ 0."""
    c, a, b = _logistic(_beta_terms(x), correct)
    return _ascending(
        np.linspace(*_ends(x), _GRID), lambda at: _beta_terms(at) @ np.array([a, b]) + c
    )


def _beta_terms(x: Doubles) -> Doubles:
    return np.stack([-np.logaddexp(0.0, -x), np.logaddexp(0.0, x)], axis=1)


def _isotonic(x: Doubles, correct: npt.NDArray[np.bool_]) -> Knots:
    """Pool adjacent violators (Zadrozny & Elkan 2002); blocks are joined at their centres."""
    order = np.argsort(x, kind="stable")
    blocks: list[list[float]] = []
    for at, value in zip(x[order], correct[order], strict=True):
        blocks.append([float(at), float(value), 1.0])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][2] >= blocks[-1][1] * blocks[-2][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    sums = np.array(blocks)
    smooth = (sums[:, 1] + 0.5) / (sums[:, 2] + 1.0)  # no block is certain
    middle, odds = sums[:, 0] / sums[:, 2], np.log(smooth / (1.0 - smooth))
    at = np.unique([*middle, *_ends(x)])
    return _ascending(at, lambda at: np.interp(at, middle, odds))


def _logistic(terms: Doubles, correct: npt.NDArray[np.bool_], *, intercept: bool = True) -> Doubles:
    """Return the most likely coefficients, the intercept first; slopes are not negative."""
    from scipy.optimize import minimize

    z = np.concatenate([np.ones((len(terms), 1)), terms], axis=1) if intercept else terms
    sign = np.where(correct, 1.0, -1.0)

    def loss(w: Doubles) -> tuple[float, Doubles]:
        margin = sign * (z @ w)
        slope = -sign / (1.0 + np.exp(np.clip(margin, -500, 500)))
        return float(np.logaddexp(0.0, -margin).mean()), z.T @ slope / len(z)

    bounds = [(None, None)] * intercept + [(0.0, None)] * terms.shape[1]
    start = np.append(np.zeros(int(intercept)), np.ones(terms.shape[1]))
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


def _line(slope: Doubles) -> Knots:
    a = max(float(slope[0]), _LEAST_SLOPE)
    return ((-LIMIT, -LIMIT * a), (LIMIT, LIMIT * a))


def _ends(x: Doubles) -> tuple[float, float]:
    """Return the range of a map: a little more than what was seen."""
    room = max(0.5 * float(np.ptp(x)), 1e-6)
    return float(x.min()) - room, float(x.max()) + room


def _ascending(at: Doubles, odds: object) -> Knots:
    """Return knots, each at least a little higher than the one before."""
    values = np.clip(odds(at), -LIMIT, LIMIT)  # type: ignore[operator]
    tilt = _LEAST_SLOPE * (at - at[0]) / max(float(at[-1] - at[0]), 1e-9)
    rising = np.maximum.accumulate(values) + tilt
    return tuple(zip(at.tolist(), rising.tolist(), strict=True))
