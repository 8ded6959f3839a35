"""A linear probe beside the model's head: a second opinion on whether its answer is right.

    q = softmax(a·l + W z + b)    l logits, z standardised pooled taps

minimises  mean of −ln q_truth + λ/2·(‖W‖² + ‖b‖²/100)  on labelled references. The model's own
logits are the offset, so that few labels leave its order as it is and many may correct it; a layer
before the head still knows what the head has thrown away (Alain & Bengio 2016, "Understanding
intermediate layers using linear classifier probes"). Frames are ordered by the mean of both
opinions' log odds: few labels make an unsure probe, and the mean is seldom worse than the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_guard.confidence import probe_scores
from edge_guard.guards.logits import log_softmax
from edge_guard.types import Array, Doubles

_BIAS_PENALTY = 0.01
_ITERATIONS = 60
_SPREAD_FLOOR = 1e-6


@dataclass(frozen=True, slots=True)
class Probe:
    """What a fitted probe holds.

    Attributes
    ----------
    gain : float
        a.
    weight : Doubles
        (D, C), for taps as they are: standardisation is folded in.
    bias : Doubles
        (C,).
    """

    gain: float
    weight: Doubles
    bias: Doubles

    def scores(self, logits: Array, features: Array) -> Doubles:
        """Return both opinions' mean ln of the odds of the model's answer, (N,)."""
        return probe_scores(logits, features, self.gain, self.weight, self.bias)


def fit_probe(
    logits: Array, taps: Sequence[Array], truth: npt.NDArray[np.intp], penalty: float
) -> Probe:
    """Return the probe of labelled references.

    Parameters
    ----------
    logits : Array
        (N, C).
    taps : sequence of Array
        (N, D_v) each; every tap counts the same however wide it is.
    truth : array of int
        (N,) class indices.
    penalty : float
        λ.
    """
    center = np.concatenate([np.mean(t, 0, np.float64) for t in taps])
    scale = np.concatenate(
        [
            1.0 / (np.maximum(np.std(t, 0, np.float64), _SPREAD_FLOOR) * np.sqrt(t.shape[1]))
            for t in taps
        ]
    )
    z = (np.concatenate(taps, axis=1) - center) * scale
    axes = None
    if z.shape[1] > len(z):  # the penalised minimum lies in the span of the rows
        left, size, axes = np.linalg.svd(z, full_matrices=False)
        z = left * size
    gain, weight, bias = _minimise(np.asarray(logits, np.float64), z, truth, penalty)
    weight = (weight if axes is None else axes.T @ weight) * scale[:, None]
    return Probe(gain, weight, bias - center @ weight)


def _minimise(
    logits: Doubles, z: Doubles, truth: npt.NDArray[np.intp], penalty: float
) -> tuple[float, Doubles, Doubles]:
    from scipy.optimize import minimize

    n, classes = logits.shape
    width = z.shape[1]
    target = np.zeros((n, classes))
    target[np.arange(n), truth] = 1.0

    def loss(parameters: Doubles) -> tuple[float, Doubles]:
        weight = parameters[: width * classes].reshape(width, classes)
        bias, gain = parameters[width * classes : -1], parameters[-1]
        log_q = log_softmax(gain * logits + z @ weight + bias)
        slope = (np.exp(log_q) - target) / n
        size = float((weight**2).sum() + _BIAS_PENALTY * (bias**2).sum())
        value = -float((log_q * target).sum()) / n + penalty / 2 * size
        parts = (
            (z.T @ slope + penalty * weight).ravel(),
            slope.sum(0) + penalty * _BIAS_PENALTY * bias,
            [(slope * logits).sum()],
        )
        return value, np.concatenate(parts)

    start = np.append(np.zeros((width + 1) * classes), 1.0)
    options = {"maxiter": _ITERATIONS}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return (
        float(found[-1]),
        found[: width * classes].reshape(width, classes),
        found[width * classes : -1],
    )
