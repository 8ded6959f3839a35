"""Training and test images: simulated frames through the camera's chain, at the model's size."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from line_simulator import defects, recording

from demo_model.layers import HEIGHT, WIDTH

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]

_RESIZES = (cv2.INTER_AREA, cv2.INTER_LINEAR)
"""Both, so that the model does not depend on how its user resizes."""


def images(per_label: int, seed: int) -> tuple[Images, Labels]:
    """Return (N, 96, 128, 3) RGB uint8 images and their (N,) labels, ``per_label`` of each."""
    found, labels = [], []
    for index, label in enumerate(defects.LABELS):
        frames = recording.recorded(recording.parts(label, per_label, seed))
        for number, frame in enumerate(frames):
            small = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=_RESIZES[number % 2])
            found.append(small[..., ::-1])
            labels.append(index)
    return np.array(found, np.uint8), np.array(labels, np.int64)
