"""Opens and reads cameras, network streams and video files through OpenCV, within time limits."""

from __future__ import annotations

import os
import socket
import time
from math import isnan, nan
from pathlib import Path
from urllib.parse import urlsplit

import cv2

from edge_guard.errors import SourceError
from edge_guard.sources.address import masked
from edge_guard.sources.contract import NoFrameError
from edge_guard.types import Exposure, Image

TIMEOUT_S = 5
"""Longest opening, and longest wait for one frame, of a camera or network stream."""

_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}

# OpenCV reads these when the first capture is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT", str(TIMEOUT_S))
cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)


class Capture:
    """An opened ``cv2.VideoCapture``, for one thread.

    Parameters
    ----------
    handle : cv2.VideoCapture
        Opened.
    name : str
        Shown in messages.
    tells : bool
        A local camera: its driver tells exposure and gain, and silence from loss.
    """

    def __init__(self, handle: cv2.VideoCapture, name: str, *, tells: bool = False) -> None:
        self._handle = handle
        self._name = name
        self._tells = self._local = tells

    def grab(self) -> bool:
        """Take the next frame; False when there is none."""
        try:
            return bool(self._handle.grab())
        except cv2.error:
            return False

    def retrieve(self) -> Image | None:
        """Return the frame that was taken, uint8 (H, W, 3) BGR or (H, W); None: undecodable."""
        try:
            done: bool
            image: Image | None
            done, image = self._handle.retrieve()  # type: ignore[assignment]
        except cv2.error:
            return None
        if not done or image is None or image.size == 0:
            return None
        return image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image

    def read(self) -> Image | None:
        """Return the next frame of a live source; None: undecodable.

        Raises
        ------
        SourceError
            The connection is lost; `NoFrameError`: the driver has waited in vain.
        """
        began = time.monotonic()
        if not self.grab():
            waited = time.monotonic() - began > 0.9 * TIMEOUT_S  # what is unplugged fails at once
            words = f"{self._name} has stopped giving frames"
            raise NoFrameError(words) if waited and self._local else SourceError(words)
        return self.retrieve()

    def exposure(self) -> Exposure | None:
        """Return exposure time and gain in the driver's units; None where it tells neither."""
        if not self._tells:
            return None
        told = (self._handle.get(p) for p in (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_GAIN))
        exposure = Exposure(*(value if value >= 0.0 else nan for value in told))
        self._tells = not all(isnan(value) for value in exposure)
        return exposure if self._tells else None

    def frame_count(self) -> int:
        """Return how many frames a file says it has; 0 when it does not say."""
        return max(0, int(self._handle.get(cv2.CAP_PROP_FRAME_COUNT)))

    def close(self) -> None:
        """Release the device, connection or file."""
        self._handle.release()


def open_camera(address: str) -> Capture:
    """Return the opened camera.

    Parameters
    ----------
    address : str
        Index (``0`` is ``/dev/video0``) or device path.

    Raises
    ------
    SourceError
        It is not there, may not be used, or gives no video; names the cameras that are there.
    """
    device = Path(f"/dev/video{int(address)}" if address.isdigit() else address)
    if not device.exists():
        raise SourceError(f"camera {address} is not there ({device} does not exist)", _cameras())
    if not os.access(device, os.R_OK | os.W_OK):
        raise SourceError(
            f"camera {address}: no permission to use {device}", "add this user to the group 'video'"
        )
    handle = cv2.VideoCapture(str(device), cv2.CAP_V4L2)
    if not handle.isOpened():
        raise SourceError(
            f"camera {address}: {device} gives no video",
            f"close other programs that use it; {_cameras()}",
        )
    return Capture(handle, f"camera {address}", tells=True)


def open_url(address: str) -> Capture:
    """Return the opened network stream.

    Parameters
    ----------
    address : str
        rtsp://, rtsps://, http:// or https://, with user and password where needed.

    Raises
    ------
    SourceError
        No answer within ``TIMEOUT_S``, a refusal, or no video.
    """
    limits = [
        *(cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_S * 1000),
        *(cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_S * 1000),
    ]
    handle = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
    if not handle.isOpened():
        raise SourceError(f"{masked(address)} gives no video", _why_not(address))
    return Capture(handle, masked(address))


def open_file(path: Path) -> Capture:
    """Return the opened video file.

    Raises
    ------
    SourceError
        It is not a video.
    """
    not_a_video = SourceError(f"{path} is not a video that can be decoded", "give a video or image")
    if _is_text(path):  # FFmpeg would take text for a playlist and open whatever it names
        raise not_a_video
    handle = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    if not handle.isOpened():
        raise not_a_video
    return Capture(handle, str(path))


def _is_text(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(1024)
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}", "check its permissions"
        ) from error
    return not any(byte < 9 or 13 < byte < 32 for byte in head)


def _cameras() -> str:
    present = sorted(str(path) for path in Path("/dev").glob("video*"))
    if present:
        return f"cameras here: {', '.join(present)}"
    return "there is no /dev/video*: plug a camera in, or hand its device to the container"


def _why_not(address: str) -> str:
    """Say whether the peer can be reached at all; asked only after an opening failed."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme.lower()]
    except ValueError:
        return "the address cannot be parsed: check its host and port"
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except (OSError, UnicodeError) as error:
        return f"{host} port {port} cannot be reached ({error}): check address, power and network"
    return f"{host} port {port} answers: check the path, user and password"
