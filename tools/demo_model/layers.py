"""The trained network as plain layers, batch norm folded: what both writers read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

HEIGHT, WIDTH = 96, 128
MEAN = (110.0, 110.0, 110.0)
STD = (60.0, 60.0, 60.0)
"""tensor = (RGB pixel − MEAN) / STD, as in the model card."""
INPUT = "image"


@dataclass(frozen=True)
class Layer:
    """One step of the network; its output tensor carries its name.

    Attributes
    ----------
    weight : Floats or None
        conv (O, I, k, k), depthwise (C, 1, k, k), dense (O, I); float32.
    stride : int
        Padding is TensorFlow's SAME: with stride 2 and even sizes, one row below and right.
    """

    kind: Literal["conv", "depthwise", "add", "mean", "dense"]
    name: str
    inputs: tuple[str, ...]
    weight: Floats | None = None
    bias: Floats | None = None
    stride: int = 1
    relu: bool = False
