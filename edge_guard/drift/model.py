"""The monitors' part of a bundle: specification and arrays, and what is built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from edge_guard.drift.causes import Causes
from edge_guard.drift.channels import IMAGE, Scene
from edge_guard.drift.looks import measured_cells
from edge_guard.drift.spec import ChannelSpec, DriftSpec
from edge_guard.types import Array, Doubles

PREFIX = "drift."


@dataclass(frozen=True, slots=True)
class DriftModel:
    """What the monitors of one stream know.

    Attributes
    ----------
    spec : DriftSpec
    scene : Scene
    edges, gaps : Array
        (K, E), (K, E + 1) of `edge_guard.drift.edetector`.
    statistics : Array
        (S,) means of the kernel's image statistics over the references.
    cells : Array
        (128,) means of `edge_guard.drift.looks.cell_values`.
    spread : Array
        (128,) of `edge_guard.drift.looks.cell_spread`.
    whitener : Array
        (D, D) of `edge_guard.drift.causes`.
    signatures : Array
        (M, D).
    bundle : str
        Id of the bundle.
    """

    spec: DriftSpec
    scene: Scene
    edges: Array
    gaps: Array
    statistics: Array
    cells: Array
    spread: Array
    whitener: Array
    signatures: Array
    bundle: str = ""

    @property
    def image_channels(self) -> tuple[ChannelSpec, ...]:
        """The channels that the picture alone gives; they come first."""
        return tuple(c for c in self.spec.channels if c.name in IMAGE)

    def measured(self) -> Doubles:
        """Return the references' cells (128,) as they are measured, grey levels."""
        return measured_cells(self.cells)

    def causes(self) -> Causes:
        """Return what names causes."""
        scales = np.array([c.sd for c in self.image_channels])
        return Causes(self.spec.signatures, self.signatures, self.whitener, scales)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays by their bundle names."""
        own = {name: getattr(self, name) for name in _OWN}
        scene = {name: getattr(self.scene, name) for name in _SCENE}
        named = {**own, **{f"scene_{name}": value for name, value in scene.items()}}
        return {PREFIX + name: np.asarray(value) for name, value in named.items()}


_OWN = ("edges", "gaps", "statistics", "cells", "spread", "whitener", "signatures")
_SCENE = ("cells", "weights", "picture", "registration")


def read_model(
    spec: DriftSpec | None, arrays: Mapping[str, Array], bundle: str
) -> DriftModel | None:
    """Return the monitors of a bundle; None where it has none.

    Parameters
    ----------
    spec : DriftSpec or None
        Of the manifest.
    arrays : mapping of str to Array
        The bundle's.
    bundle : str
        Its id.
    """
    if spec is None:
        return None
    scene = Scene(**{name: arrays[f"{PREFIX}scene_{name}"] for name in _SCENE})
    own = {name: arrays[PREFIX + name] for name in _OWN}
    return DriftModel(spec=spec, scene=scene, bundle=bundle, **own)
