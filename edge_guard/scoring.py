"""From a bundle's guard specification and arrays to the kernel that scores a frame."""

from __future__ import annotations

import numpy as np

from edge_guard import _kernels
from edge_guard.backends.spec import TapPlan, TensorSpec
from edge_guard.gate.gate import STATISTICS
from edge_guard.guards import patch
from edge_guard.guards.fusion import Fusion
from edge_guard.guards.logits import GAMMA, TOP
from edge_guard.manifest import GuardSpec, PatchSpec, ViewSpec
from edge_guard.types import Array

N_STATISTICS = len(STATISTICS)


def tensor_layout(spec: TensorSpec) -> _kernels.Tensor:
    """Return the kernel's description of a backend buffer."""
    return _kernels.Tensor(
        spec.dtype,
        spec.height,
        spec.width,
        spec.channels,
        spec.channels_last,
        spec.scale,
        spec.zero_point,
    )


def score_names(
    views: tuple[ViewSpec, ...], *, classes: bool, patches: bool = False
) -> tuple[str, ...]:
    """Return the names of the kernel's scores in its order."""
    names = ["gen", "energy", "msp"] if classes else []
    for view in views:
        guards = {"mahalanobis": view.gaussian, "nearest": view.nearest, "contrast": view.contrast}
        names += [f"{view.name}.{guard}" for guard, present in guards.items() if present]
    return (*names, patch.NAME) if patches else tuple(names)


def embedder(
    plan: TapPlan,
    views: tuple[ViewSpec, ...],
    patches: PatchSpec | None = None,
    arrays: dict[str, Array] | None = None,
) -> _kernels.Scorer:
    """Return a scorer that only embeds: the views without guards on them, and the places."""
    bare = [_kernels.View(view.source, view.normalize) for view in views]
    return _scorer(plan, bare, 1.0, None, _patches(patches, arrays or {}))


def fusion_arrays(fusion: Fusion) -> dict[str, Array]:
    """Return a fusion's arrays by their bundle names."""
    arrays: dict[str, Array] = {
        "fusion.center": fusion.center,
        "fusion.spread": fusion.spread,
        "fusion.weight": fusion.weight,
        "fusion.tail": fusion.tail,
        "fusion.knee": fusion.knee,
    }
    return arrays if fusion.solo is None else arrays | {"fusion.solo": fusion.solo}


def build_scorer(plan: TapPlan, guards: GuardSpec, arrays: dict[str, Array]) -> _kernels.Scorer:
    """Return the kernel that scores frames as the bundle was calibrated."""
    views = [_view(view, arrays) for view in guards.views]
    fusion = _kernels.Fusion(
        arrays["fusion.center"],
        arrays["fusion.spread"],
        arrays["fusion.weight"],
        arrays["fusion.tail"],
        arrays["fusion.knee"],
        guards.top1,
        guards.top3,
        arrays["fusion.calibration"],
        arrays.get("fusion.solo"),
    )
    return _scorer(plan, views, guards.temperature, fusion, _patches(guards.patches, arrays))


def _view(view: ViewSpec, arrays: dict[str, Array]) -> _kernels.View:
    """Statistics that a view gives no weight are not read: their columns are all zero."""
    columns = None
    scale = arrays.get(f"{view.name}.scale")
    if view.source < 0 and not view.normalize and scale is not None and scale.any():
        columns = np.flatnonzero(scale).astype(np.int32)

    def part(name: str) -> Array | None:
        found = arrays.get(f"{view.name}.{name}")
        if found is None or columns is None:
            return found
        each = np.r_[columns, columns + N_STATISTICS] if name == "contrast" else columns
        return np.ascontiguousarray(found[..., each])

    return _kernels.View(
        view.source,
        view.normalize,
        scale=part("scale"),
        means=part("means"),
        basis=part("basis"),
        gain=arrays.get(f"{view.name}.gain"),
        perp=view.perp,
        bank=part("bank"),
        center=part("center"),
        contrast=part("contrast"),
        columns=columns,
    )


def _patches(spec: PatchSpec | None, arrays: dict[str, Array]) -> _kernels.Patches | None:
    if spec is None:
        return None
    basis, offset = arrays["patches.basis"], arrays["patches.offset"]
    return _kernels.Patches(
        spec.tap,
        basis,
        offset,
        arrays.get("patches.bank"),
        spec.top,
        arrays.get("patches.gain"),
    )


def _scorer(
    plan: TapPlan,
    views: list[_kernels.View],
    temperature: float,
    fusion: _kernels.Fusion | None,
    patches: _kernels.Patches | None,
) -> _kernels.Scorer:
    return _kernels.Scorer(
        tensor_layout(plan.logits) if plan.logits else None,
        plan.probabilities,
        temperature,
        GAMMA,
        TOP,
        [tensor_layout(tap) for tap in plan.taps],
        N_STATISTICS,
        views,
        fusion,
        patches,
    )
