"""Single detectors by independent libraries, on the very features and logits of the model.

MSP, energy, GEN, 1-NN, Mahalanobis and ViM as pytorch-ood computes them; MDS++ (Mahalanobis on
L2-normalised features with Ledoit-Wolf shrinkage), which it lacks, with scikit-learn. All of them
get the penultimate features and logits of the same model and the same references. Higher = more
anomalous.
"""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
import numpy.typing as npt

from edge_guard.types import Doubles, Floats
from guard_quality.guarded import Features

_FEW_CLASSES = 100
"""GEN sums over the top M = 100 of more classes, as its paper does."""

_PER_CLASS = 15
"""Fewer references a class, and detectors with class means use one mean for all."""

INSTALL = "pip install torch torchvision pytorch-ood scikit-learn (builds for the CPU are enough)"


def available() -> bool:
    """Return whether the peers' libraries are installed."""
    return all(importlib.util.find_spec(name) for name in ("pytorch_ood", "sklearn"))


class Peers:
    """Single detectors fitted to references.

    Parameters
    ----------
    references : Features
        Of the N reference images.
    head : tuple of Floats
        Weight (C, D) and bias (C,) of the model's last layer, for ViM.
    """

    def __init__(self, references: Features, head: tuple[Floats, Floats]) -> None:
        import torch
        from pytorch_ood.detector import KNN, Mahalanobis, ViM

        torch.set_num_threads(1)
        n, d = references.features.shape
        features = torch.from_numpy(references.features)
        classes = _classes(references.logits)
        known = torch.from_numpy(classes.astype(np.int64))
        self._knn = KNN(None, k=1).fit_features(features, known)
        self._mahalanobis = Mahalanobis(None).fit_features(features, known)
        weight, bias = (torch.from_numpy(part) for part in head)
        self._vim = ViM(None, min(512, d // 2, n // 2), weight, bias).fit_features(features, known)
        self._mds = _MdsPlusPlus(references.features, classes)

    def scores(self, seen: Features) -> dict[str, Doubles]:
        """Return each detector's (N,) scores."""
        import torch
        from pytorch_ood.detector import GEN, EnergyBased, MaxSoftmax

        logits, features = torch.from_numpy(seen.logits), torch.from_numpy(seen.features)
        top = _FEW_CLASSES if logits.shape[1] > _FEW_CLASSES else None
        found = {
            "msp": MaxSoftmax.score(logits),
            "energy": EnergyBased.score(logits),
            "gen": GEN.score(logits, gamma=0.1, M=top),
            "1-nn": self._knn.predict_features(features),
            "mahalanobis": self._mahalanobis.predict_features(features),
            "vim": self._vim.predict_features(features),
        }
        scores = {name: np.asarray(score, np.float64) for name, score in found.items()}
        return scores | {"mds++": self._mds.scores(seen.features)}


class _MdsPlusPlus:
    """Smallest Mahalanobis distance to class means of L2-normalised features (Müller 2025)."""

    def __init__(self, features: Floats, classes: npt.NDArray[np.intp]) -> None:
        from sklearn.covariance import LedoitWolf

        x = _normalized(features)
        self._means = np.stack([x[classes == c].mean(0) for c in range(classes.max() + 1)])
        fitted = LedoitWolf(assume_centered=True).fit(x - self._means[classes])
        self._precision = fitted.precision_

    def scores(self, features: Floats) -> Doubles:
        x = _normalized(features)
        squared = []
        for mean in self._means:
            z = x - mean
            squared.append(np.einsum("nd,nd->n", z @ self._precision, z))
        return np.asarray(np.min(squared, axis=0))


def linear_head(seen: Features) -> tuple[Floats, Floats]:
    """Return weight and bias of the layer that maps features to logits, by least squares.

    The last layer of all models here is linear, so its own weights come out, up to quantization,
    wherever the images span the feature space.
    """
    ones = np.ones((len(seen.features), 1), np.float32)
    solution, *_ = np.linalg.lstsq(np.hstack([seen.features, ones]), seen.logits, rcond=1e-6)
    return np.ascontiguousarray(solution[:-1].T), np.ascontiguousarray(solution[-1])


def head_error(seen: Features, head: tuple[Floats, Floats]) -> float:
    """Return the share of the logits' variance that the linear head does not explain."""
    rest = seen.logits - (seen.features @ head[0].T + head[1])
    return float(rest.var(0).sum() / seen.logits.var(0).sum())


def _classes(logits: Floats) -> npt.NDArray[np.intp]:
    """Return the predicted class of each reference, numbered without gaps; zeros where too few."""
    _, dense, counts = np.unique(logits.argmax(1), return_inverse=True, return_counts=True)
    return dense if counts.min() >= _PER_CLASS else np.zeros_like(dense)


def _normalized(features: Floats) -> Doubles:
    x = features.astype(np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nan_to_num(x / np.linalg.norm(x, axis=1, keepdims=True))
