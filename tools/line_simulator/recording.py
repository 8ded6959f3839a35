"""Images and video on disk, all through the camera's own chain: Motion-JPEG.

Each frame is coded by itself, as industrial cameras with USB or HTTP do, so that nothing of one
event leaks into its neighbours and a frozen stream decodes to identical images. References must
have the same history as the footage, or a guard learns the difference between the two codecs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from line_simulator import defects
from line_simulator.shift import FRAMES_PER_SECOND, part_image
from line_simulator.station import HEIGHT, WIDTH, Station

Image = npt.NDArray[np.uint8]


def write_video(path: Path, images: Iterable[Image]) -> None:
    """Write ``images`` as Motion-JPEG AVI.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    fourcc = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, fourcc, FRAMES_PER_SECOND, (WIDTH, HEIGHT))
    if not writer.isOpened():
        raise OSError(f"{path} cannot be written: check the folder and its permissions")
    for image in images:
        writer.write(image)
    writer.release()


def read_video(path: Path) -> Iterator[Image]:
    """Yield the decoded images of a video."""
    capture = cv2.VideoCapture(str(path))
    while True:
        there, image = capture.read()
        if not there:
            break
        yield np.asarray(image, np.uint8)
    capture.release()


def recorded(images: Iterable[Image]) -> Iterator[Image]:
    """Yield ``images`` as they come back from the camera's chain."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chain.avi"
        write_video(path, images)
        yield from read_video(path)


def parts(label: str, count: int, seed: int) -> Iterator[Image]:
    """Yield ``count`` frames of parts of one class, before the camera's chain."""
    station = Station()
    kind = defects.LABELS.index(label)
    for number in range(count):
        yield part_image(station, label, np.random.default_rng([seed, kind, number]))


def write_folders(root: Path, counts: dict[str, int], seed: int) -> None:
    """Write one folder of PNG images a label below ``root``."""
    for label, count in counts.items():
        folder = root / label
        folder.mkdir(parents=True, exist_ok=True)
        for number, image in enumerate(recorded(parts(label, count, seed))):
            cv2.imwrite(str(folder / f"{label}_{seed}_{number:05d}.png"), image)
