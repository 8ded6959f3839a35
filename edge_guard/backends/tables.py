"""What each of a pixel's 256 values becomes in the model's input.

tensor = (pixel − mean) / std, and for integer inputs
q = clamp(round_half_even(tensor / scale) + zero_point). Both are one table a channel, so no frame
costs floating-point arithmetic.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from edge_guard.backends.spec import TensorSpec
from edge_guard.card import InputCard
from edge_guard.errors import CardError
from edge_guard.types import Array

_PIXELS = np.arange(256, dtype=np.float64)
_LEVELS = np.arange(256, dtype=np.uint8)


def pixel_tables(card: InputCard, spec: TensorSpec) -> Array:
    """Return the stored value of each pixel value, (channels, 256) of the tensor's dtype.

    Raises
    ------
    CardError
        ``mean`` or ``std`` do not fit the channels, are not finite, or ``std`` is zero.
    """
    scaled = (_PIXELS - _per_channel(card, spec, "mean")) / _per_channel(card, spec, "std")
    if spec.dtype == "float32":
        return scaled.astype(np.float32)
    limits = np.iinfo(spec.dtype)
    stored = np.rint(scaled / spec.scale) + spec.zero_point
    return cast(Array, np.clip(stored, limits.min, limits.max).astype(spec.dtype))


def _per_channel(card: InputCard, spec: TensorSpec, key: str) -> Array:
    """A card's mean or std as one column, one row a channel."""
    values = np.asarray(getattr(card, key), np.float64)
    if len(values) not in (1, spec.channels):
        raise CardError(
            f"model card: [input] {key} has {len(values)} values, the model takes {spec.channels} "
            f"channel{'s' if spec.channels > 1 else ''}",
            f"give 1 or {spec.channels} values",
        )
    if not np.all(np.isfinite(values)) or (key == "std" and not np.all(values)):
        raise CardError(
            f"model card: [input] {key} = {values.tolist()}", "give finite values, std not zero"
        )
    return np.broadcast_to(values, spec.channels)[:, None]


def xor_constant(tables: Array) -> np.uint8 | None:
    """Return k where every table maps pixel p to p ^ k, else None.

    k = 0 is raw uint8, k = 128 is pixel − 128 in int8: the two usual ones, and far cheaper.
    """
    if tables.dtype == np.float32:
        return None
    stored = tables.view(np.uint8)
    constant = cast(np.uint8, stored[0, 0])
    return constant if np.all(stored == (_LEVELS ^ constant)) else None
