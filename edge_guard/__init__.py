"""edge-guard keeps vision models honest on the production line.

Names are loaded on first use, so that ``edge-guard --help`` and a device import only what they run.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edge_guard.calibration.calibrate import calibrate as calibrate
    from edge_guard.guard import Guard as Guard
    from edge_guard.guard import load as load
    from edge_guard.types import Result as Result
    from edge_guard.types import Verdict as Verdict

__version__ = "0.1.0"
__all__ = ["Guard", "Result", "Verdict", "calibrate", "load"]

_HOMES = {
    "Guard": "edge_guard.guard",
    "load": "edge_guard.guard",
    "Result": "edge_guard.types",
    "Verdict": "edge_guard.types",
    "calibrate": "edge_guard.calibration.calibrate",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'edge_guard' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
