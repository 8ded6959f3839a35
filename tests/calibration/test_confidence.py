"""Temperature and the selective certificate, by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from edge_guard.calibration.confidence import fit_temperature
from edge_guard.calibration.selective import certify
from edge_guard.errors import GuaranteeError


def _draw(rng: np.random.Generator, n: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Return logits whose softmax at temperature ``scale`` is the truth's own distribution."""
    honest = rng.normal(size=(n, 5)) * 3.0
    p = softmax(honest, axis=1)
    truth = (p.cumsum(1) > rng.random((n, 1))).argmax(1)
    return honest * scale, truth


def test_temperature_undoes_overconfidence() -> None:
    logits, truth = _draw(np.random.default_rng(0), 4000, 2.5)
    assert fit_temperature(logits, truth) == pytest.approx(2.5, rel=0.08)


def test_labels_that_cannot_say_give_no_temperature() -> None:
    logits, _ = _draw(np.random.default_rng(1), 200, 1.0)
    assert fit_temperature(logits, logits.argmax(1)) is None
    assert fit_temperature(logits[:20], np.zeros(20, int)) is None


def test_the_certificate_is_broken_in_at_most_five_percent() -> None:
    rng = np.random.default_rng(2)
    broken = certified = 0
    redraws = 300
    for _ in range(redraws):
        confidence = 1.0 - 0.5 * rng.random(1000) ** 2
        correct = rng.random(1000) < confidence
        try:
            held = certify(confidence, correct, 0.05)
        except GuaranteeError:
            continue
        certified += 1
        # the true error above λ when 1 − confidence = u², u uniform: mean of u²/2 below the cut
        cut = (2 * (1 - held.min_confidence)) ** 0.5
        broken += 0.5 * cut**2 / 3 > 0.05
    assert certified > redraws / 2
    assert broken / redraws <= 0.05 + 2 * (0.05 * 0.95 / redraws) ** 0.5


def test_what_cannot_be_certified_says_what_is_needed() -> None:
    rng = np.random.default_rng(3)
    confidence = rng.random(200) * 0.5 + 0.5
    with pytest.raises(GuaranteeError, match=r"more labelled images are needed|retrain"):
        certify(confidence, rng.random(200) < confidence, 0.01)
