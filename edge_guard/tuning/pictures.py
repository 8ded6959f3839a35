"""What a picture costs before the model sees it, and what a smaller one would cost."""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from edge_guard.backends.layout import array_shape
from edge_guard.backends.preprocess import Preprocess, decode_image, encode_jpeg, thumbnail
from edge_guard.backends.spec import TensorSpec
from edge_guard.backends.timing import QUANTILE
from edge_guard.bundle import Bundle
from edge_guard.card import InputCard
from edge_guard.gate.gate import MIN_SIDE_PX, Meter
from edge_guard.types import Image

_SHRINKS = (1, 2, 4)
_ROUNDS = 25


class PictureCost(NamedTuple):
    """What one size of picture costs.

    Attributes
    ----------
    width, height : int
        px.
    decode_us : float
        Where it comes as a JPEG, as network cameras and most USB cameras send it.
    measure_us : float
        Measuring it for the gate, and making the model's input of it.
    """

    width: int
    height: int
    decode_us: float
    measure_us: float


def time_pictures(bundle: Bundle) -> list[PictureCost]:
    """Return the cost of the references' size, and of sizes that the model could still do with.

    A smaller size is listed where the model's input is no larger than it.

    Parameters
    ----------
    bundle : Bundle
        Its first golden frame is the picture.
    """
    manifest = bundle.manifest
    image = decode_image(bundle.pictures[manifest.golden[0].entry])
    target = manifest.plan.input
    costs = []
    for shrink in _SHRINKS:
        small = image if shrink == 1 else thumbnail(image, max(image.shape[:2]) // shrink)
        height, width = small.shape[:2]
        if shrink > 1 and (
            height < target.height or width < target.width or min(height, width) < MIN_SIDE_PX
        ):
            break
        costs.append(PictureCost(width, height, *_cost(small, manifest.card.input, target)))
    return costs


def _cost(image: Image, card: InputCard, target: TensorSpec) -> tuple[float, float]:
    data, meter, preprocess = encode_jpeg(image), Meter(), Preprocess(card, target)
    tensor = np.zeros(array_shape(target), target.dtype)
    times = np.zeros((_ROUNDS, 2))
    for row in times:
        began = time.perf_counter()
        shown = decode_image(data)
        decoded = time.perf_counter()
        meter.measure(shown)
        preprocess(shown, tensor)
        row[:] = decoded - began, time.perf_counter() - decoded
    decode, measure = np.quantile(times, QUANTILE, axis=0) * 1e6
    return float(decode), float(measure)
