"""Which model inspects what, and which images are foreign to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from real_data import Pictures, images

from edge_guard.types import Image

PCB, CIFAR, PHOTOS = "deeppcb_patches_test", "cifar10_test", "imagenet_sample_a"
DOMAINS = {
    "pcb_simplecnn_int8_onnx": PCB,
    "pcb_simplecnn_int8_tflite": PCB,
    "pcb_simplecnn_fp32_onnx": PCB,
    "pcb_mobilenetv2_int8_onnx": PCB,
    "resnet8_cifar10_int8": CIFAR,
    "resnet8_cifar10_float": CIFAR,
    "cifar10_resnet_2b_onnx": CIFAR,
    "mobilenet_v2_coral_quant": PHOTOS,
}
"""Every classifier, with the images that it was made for."""

FOREIGN = {
    "fashion": "ood_fashion_mnist",
    "textures": "ood_textures_a",
    "elpv": "elpv_a",
    "pcb": PCB,
    "cifar10": CIFAR,
    "imagenet": PHOTOS,
}
"""Foreign sets by their short names; a model's own domain is left out."""

_LABEL_OFFSET = {PHOTOS: 1}
"""Where the model counts a background class that the data set does not."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One random split of a domain: references to calibrate on, and the rest to measure on."""

    references: Sequence[Image]
    reference_labels: npt.NDArray[np.int64]
    held_out: Sequence[Image]
    labels: npt.NDArray[np.int64]


def draw(domain: str, n: int, most: int, seed: int) -> Draw:
    """Return a split of a domain's distinct images.

    Parameters
    ----------
    domain : str
    n : int
        References; half of the images where there are not twice as many.
    most : int
        Held-out images kept.
    seed : int
    """
    pictures = images(domain)
    rows = np.random.default_rng(seed).permutation(distinct(pictures))
    n = min(n, len(rows) // 2)
    labels = pictures.labels + _LABEL_OFFSET.get(domain, 0)
    inside, rest = rows[:n], rows[n : n + most]
    return Draw(
        [pictures.images[i] for i in inside],
        labels[inside],
        [pictures.images[i] for i in rest],
        labels[rest],
    )


def distinct(pictures: Pictures) -> npt.NDArray[np.intp]:
    """Return the rows of a set without pixel-identical repetitions."""
    first: dict[bytes, int] = {}
    for row, image in enumerate(pictures.images):
        first.setdefault(image.tobytes(), row)
    return np.array(list(first.values()), np.intp)


def foreign(name: str, like: Sequence[Image], most: int, seed: int) -> list[Image]:
    """Return a foreign set as the line's camera would deliver it.

    Parameters
    ----------
    name : str
        A key of `FOREIGN`.
    like : sequence of Image
        The references, whose sizes and channels the foreign images take in turn.
    most : int
        Images kept.
    seed : int
    """
    pictures = images(FOREIGN[name])
    rows = np.random.default_rng([seed, 1]).permutation(distinct(pictures))[:most]
    return [deliver(pictures.images[r], like[i % len(like)].shape) for i, r in enumerate(rows)]


def deliver(image: Image, shape: tuple[int, ...]) -> Image:
    """Return an image that covers a frame of this shape: resized, cropped at the centre, in its
    channels; areas are averaged when it shrinks, interpolated when it grows.
    """
    height, width = shape[:2]
    scale = max(height / image.shape[0], width / image.shape[1])
    size = (
        max(width, round(image.shape[1] * scale)),
        max(height, round(image.shape[0] * scale)),
    )
    method = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_LINEAR
    covering = cv2.resize(image, size, interpolation=method)
    top, left = (size[1] - height) // 2, (size[0] - width) // 2
    cropped = covering[top : top + height, left : left + width]
    if len(shape) == 2 and cropped.ndim == 3:
        cropped = cv2.cvtColor(cropped, cv2.COLOR_BGR2GRAY)
    if len(shape) == 3 and cropped.ndim == 2:
        cropped = cv2.cvtColor(cropped, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(cropped)
