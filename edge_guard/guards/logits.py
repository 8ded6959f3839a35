"""Scores of the logits: GEN, energy and MSP; higher = more anomalous.

With p = softmax(logits / T):

    GEN    = Σ over the M largest p of p^γ (1 − p)^γ,  γ = 0.1
             (Liu et al. 2023, "GEN: Pushing the limits of softmax-based OOD detection", eq. 3)
    energy = −T · ln Σ exp(logits / T)
             (Liu et al. 2020, "Energy-based out-of-distribution detection", eq. 4)
    MSP    = 1 − max p
             (Hendrycks & Gimpel 2017, "A baseline for detecting misclassified and OOD examples")
"""

from __future__ import annotations

import numpy as np

from edge_guard.types import Array, Doubles

GAMMA = 0.1
TOP = 100
NAMES = ("gen", "energy", "msp")


def log_softmax(logits: Array, temperature: float = 1.0) -> Doubles:
    """Return ln softmax(logits / T) of each row, shape (N, C)."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(1, keepdims=True)
    return np.asarray(scaled - np.log(np.exp(scaled).sum(1, keepdims=True)))


def logit_scores(logits: Array, temperature: float = 1.0) -> Doubles:
    """Return GEN, energy and MSP of each row.

    Parameters
    ----------
    logits : Array
        (N, C) pre-softmax values.
    temperature : float
        T > 0.

    Returns
    -------
    Doubles
        (N, 3).
    """
    log_p = log_softmax(logits, temperature)
    p = np.exp(log_p)
    top = np.sort(p, axis=1)[:, -TOP:]
    gen = (top**GAMMA * np.maximum(1.0 - top, 0.0) ** GAMMA).sum(1)
    peak = np.asarray(logits, np.float64).max(1)
    energy = -(peak - temperature * log_p.max(1))
    return np.stack([gen, energy, 1.0 - p.max(1)], axis=1)
