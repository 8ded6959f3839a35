"""Small pictures of the references for the bundle, so that flagged frames can be shown beside them.

They are bounded: each in bytes, and all together. What does not fit is left out, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_guard.backends.preprocess import encode_jpeg, thumbnail
from edge_guard.calibration.references import Reference, relative_name
from edge_guard.types import Image

MOST_BYTES = 3000
MOST_TOTAL_BYTES = 4 << 20

_SIZES = ((96, 85), (96, 65), (64, 70), (64, 45), (48, 40))
"""Longest side in px and JPEG quality, best first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a bundle shows of its references.

    Attributes
    ----------
    names : tuple of str
        One a reference: its file, with the folder of its label.
    pictures : dict of str to bytes
        Small JPEGs by bundle entry, ``references/00012.jpg`` for the reference in row 12.
    said : tuple of str
        What was left out, in words.
    """

    names: tuple[str, ...]
    pictures: dict[str, bytes]
    said: tuple[str, ...]


def show(references: Sequence[Reference]) -> Shown:
    """Return the names and small pictures of references, at least one."""
    most = min(MOST_BYTES, MOST_TOTAL_BYTES // len(references))
    pictures = {}
    for row, reference in enumerate(references):
        jpeg = small_jpeg(reference.load(), most)
        if jpeg is not None:
            pictures[f"references/{row:05d}.jpg"] = jpeg
    missing = len(references) - len(pictures)
    said = f"{missing} references have too much detail for small pictures in the bundle"
    names = tuple(relative_name(r.name, r.label) for r in references)
    return Shown(names, pictures, (said,) if missing else ())


def small_jpeg(image: Image, most: int) -> bytes | None:
    """Return the best small JPEG of at most ``most`` bytes; None where none fits."""
    for side, quality in _SIZES:
        jpeg = encode_jpeg(thumbnail(image, side), quality)
        if len(jpeg) <= most:
            return jpeg
    return None
