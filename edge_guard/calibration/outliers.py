"""Pseudo-outliers: what could go wrong with the references' own scene, made from them.

They train the fusion's weights only. No real anomaly and no foreign data set is involved, and
thresholds never see them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from edge_guard.calibration.imagined import layout, light, surfaces
from edge_guard.calibration.imagined.resample import resize
from edge_guard.types import Array, Floats, Image

Maker = Callable[[Floats, Floats, np.random.Generator], Array]
"""(reference, another reference of the same shape, rng) → changed picture, float32 0 to 255."""

MAKERS: dict[str, Maker] = {
    "light": light.shifted_light,
    "contrast": light.contrast,
    "invert": light.invert,
    "color": light.color,
    "half dark": light.half_dark,
    "blur": light.blur,
    "noise": light.noise,
    "pixelate": light.pixelate,
    "cut-paste": layout.cut_paste,
    "scar": layout.scar,
    "speck": layout.speck,
    "shuffle": layout.shuffle,
    "zoom": layout.zoom,
    "tile": surfaces.tile,
    "quilt": surfaces.quilt,
    "rotate": layout.rotate,
    "mix": layout.mix,
    "phase scramble": surfaces.phase_scramble,
    "field": surfaces.field,
    "pattern": surfaces.pattern,
    "occlude": layout.occlude,
    "object": layout.foreign_object,
}

SMALL = ("cut-paste", "scar", "speck", "object")
"""Kinds that change one place and leave the rest of the picture alone."""


def pseudo_outliers(
    images: Callable[[int], Image], n: int, per_kind: int, rng: np.random.Generator
) -> Iterator[tuple[str, int, Image]]:
    """Yield changed references: kind, index of the reference it came from, image.

    A picture that the change leaves as it was (a blank part, blurred) is not yielded.

    Parameters
    ----------
    images : callable
        Index → reference image, uint8.
    n : int
        Number of references.
    per_kind : int
        Pictures tried of each kind.
    rng : numpy.random.Generator
    """
    for kind, make in MAKERS.items():
        for index in rng.choice(n, per_kind, replace=per_kind > n):
            image = images(int(index))
            partner = _like(images(int(rng.integers(n))), image)
            changed = make(image.astype(np.float32), partner, rng)
            result = np.clip(np.rint(changed), 0, 255).astype(np.uint8)
            if _visible(np.abs(result.astype(np.int16) - image)):
                yield kind, int(index), result


def _visible(change: Array) -> bool:
    """Return whether a change is there at all: a little everywhere, or much in one place."""
    return bool(change.mean() >= 1.0 or (change >= 16).mean() >= 0.003)


def _like(other: Image, image: Image) -> Floats:
    """Return another reference in the shape of this one."""
    if other.ndim != image.ndim:
        other = other.mean(2).astype(np.uint8) if image.ndim == 2 else np.stack([other] * 3, 2)
    return resize(other.astype(np.float32), image.shape[:2])
