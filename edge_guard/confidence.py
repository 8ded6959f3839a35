"""From a model's outputs to the calibrated probability that its answer is right.

    x = msp     ln p − ln(1 − p), p the largest softmax(l / T)
        gen     −Σ p^γ (1 − p)^γ                                  (Liu et al. 2023)
        pnorm   max l / ‖l‖₂, l centred                           (Cattelan & Silva 2023)
        probe   mean of msp and ln q − ln(1 − q), q of the same answer under softmax(a·l + W z + b)
    confidence = σ(y(x)), y piecewise linear through the bundle's knots, strictly ascending

The map never changes the order of x, so a threshold on the confidence is one on x.
"""

from __future__ import annotations

import numpy as np

from edge_guard.backends.spec import TapPlan, TensorSpec
from edge_guard.guards.logits import log_softmax, logit_scores
from edge_guard.manifest import ConfidenceSpec, ViewSpec
from edge_guard.scoring import embedder
from edge_guard.types import Array, Doubles, Floats, Outputs

LIMIT = 40.0
"""ln of the odds beyond which confidences are equal."""
IDENTITY = ((-LIMIT, -LIMIT), (LIMIT, LIMIT))


def real_logits(stored: Array, spec: TensorSpec, *, probabilities: bool) -> Floats:
    """Return the logits of a stored tensor, flat float32; of probabilities, their logarithm."""
    flat = stored.reshape(-1).astype(np.float32)
    real = (flat - np.float32(spec.zero_point)) * np.float32(spec.scale)
    return np.asarray(np.log(np.maximum(real, 1e-12))) if probabilities else real


def own_odds(log_p: Doubles, answers: Array) -> Doubles:
    """Return ln of the odds of each row's answer, (N,), stable for p near 1."""
    rows = np.arange(len(log_p))
    own = log_p[rows, answers]
    others = log_p.copy()
    others[rows, answers] = -np.inf
    with np.errstate(divide="ignore"):
        against = np.log(np.exp(others).sum(1))
    return np.asarray(np.clip(own - against, -LIMIT, LIMIT))


def ranking_scores(ranking: str, logits: Array, temperature: float = 1.0) -> Doubles:
    """Return x of ``msp``, ``gen`` or ``pnorm``, (N,); higher = more likely right."""
    if ranking == "msp":
        return own_odds(log_softmax(logits, temperature), np.asarray(logits).argmax(1))
    if ranking == "gen":
        return -logit_scores(logits)[:, 0]
    centered = np.asarray(logits, np.float64) - np.mean(logits, 1, np.float64, keepdims=True)
    norm = np.sqrt((centered * centered).sum(1))
    return np.asarray(centered.max(1) / np.maximum(norm, 1e-12))


def probe_scores(
    logits: Array, features: Array, gain: float, weight: Array, bias: Array
) -> Doubles:
    """Return x of ``probe``, (N,), from logits (N, C) and pooled taps (N, D)."""
    refined = gain * np.asarray(logits, np.float64) + features @ weight + bias
    second = own_odds(log_softmax(refined), np.asarray(logits).argmax(1))
    return (ranking_scores("msp", logits) + second) / 2.0


def to_confidence(x: Array, knots: tuple[tuple[float, float], ...]) -> Doubles:
    """Return σ(y(x))."""
    at, odds = np.array(knots).T
    return np.asarray(1.0 / (1.0 + np.exp(-np.interp(x, at, odds))))


class ConfidenceMeter:
    """One bundle's confidence. Not for two threads at once.

    Parameters
    ----------
    spec : ConfidenceSpec
    plan : TapPlan
    views : tuple of ViewSpec
        The bundle's views; a probe reads those of taps.
    arrays : dict of str to Array
        The bundle's arrays.
    """

    def __init__(
        self,
        spec: ConfidenceSpec,
        plan: TapPlan,
        views: tuple[ViewSpec, ...],
        arrays: dict[str, Array],
    ) -> None:
        self._spec, self._plan = spec, plan
        self._probe = None
        if spec.ranking == "probe":
            tapped = tuple(view for view in views if view.source >= 0)
            self._embedder = embedder(plan, tapped)
            self._features = np.zeros(sum(self._embedder.embedding_sizes), np.float32)
            self._probe = arrays["probe.weight"], arrays["probe.bias"]

    def measure(self, outputs: Outputs, statistics: Floats) -> float:
        """Return the confidence of a frame; NaN where an output is not finite."""
        if outputs.logits is None or self._plan.logits is None:
            return float("nan")
        logits = real_logits(
            outputs.logits, self._plan.logits, probabilities=self._plan.probabilities
        )[None]
        if not np.isfinite(logits).all():
            return float("nan")
        if self._probe is None:
            x = ranking_scores(self._spec.ranking, logits, self._spec.temperature)
        else:
            self._embedder.embed(outputs.taps, statistics, self._features)
            x = probe_scores(logits, self._features[None], self._spec.gain, *self._probe)
        return float(to_confidence(x, self._spec.knots)[0])
