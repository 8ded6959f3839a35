"""The libraries that edge-guard is compared with; which are here, and how to get the others."""

from __future__ import annotations

import importlib
from types import ModuleType

NEEDED = {
    "faiss": "faiss-cpu",
    "torch": "torch",
    "sklearn": "scikit-learn",
    "pytorch_ood": "pytorch-ood",
    "anomalib": "anomalib",
}


def peer(name: str) -> ModuleType | None:
    """Return a peer on one thread, None where it is not installed."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        return None
    if name == "faiss":
        module.omp_set_num_threads(1)
    if name == "torch":
        module.set_num_threads(1)
    return module


def missing() -> list[str]:
    """Return a line for each peer that is not here."""
    return [
        f"bench: {name} is not installed and left out; to compare: pip install {package}"
        for name, package in NEEDED.items()
        if peer(name) is None
    ]
