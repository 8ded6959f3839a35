"""A network camera that does as it is told: real footage as MJPEG over HTTP, and its faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray


class Fault(StrEnum):
    """What can be wrong with a camera."""

    NONE = "none"
    FREEZE = "freeze"
    BLACK = "black"
    WRONG_SIZE = "wrong size"
    GARBAGE = "garbage"
    SILENT = "silent"
    UNPLUGGED = "unplugged"


class Camera:
    """Plays footage in a loop to whoever connects, on a free port of the loopback.

    Parameters
    ----------
    footage : Path
    frames_per_second : float
    """

    def __init__(self, footage: Path, frames_per_second: float) -> None:
        self.fault = Fault.NONE
        self._period = 1.0 / frames_per_second
        self._frames = _encoded(footage)
        self._black, self._small = _spoilt(self._frames[0])
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """Send frames until the peer goes or the camera is unplugged."""
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for part in camera.parts():
                        self.wfile.write(part)
                except OSError:
                    pass

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """What a device is given as its source."""
        return f"http://127.0.0.1:{self._server.server_port}/stream.mjpg"

    def parts(self) -> Iterator[bytes]:
        """Yield what goes over the wire, in time."""
        number, due = 0, time.monotonic()
        while self.fault != Fault.UNPLUGGED:
            due += self._period
            time.sleep(max(0.0, due - time.monotonic()))
            if self.fault != Fault.FREEZE:
                number = (number + 1) % len(self._frames)
            jpeg = self._frames[number]
            if self.fault == Fault.SILENT:
                continue
            if self.fault == Fault.BLACK:
                jpeg = self._black
            elif self.fault == Fault.WRONG_SIZE:
                jpeg = self._small
            elif self.fault == Fault.GARBAGE:
                jpeg = jpeg[: len(jpeg) // 3] + bytes(len(jpeg) // 3)
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            yield head.encode() + jpeg + b"\r\n"

    def close(self) -> None:
        """Stop playing."""
        self.fault = Fault.UNPLUGGED
        self._server.shutdown()
        self._server.server_close()


def _encoded(footage: Path) -> list[bytes]:
    capture = cv2.VideoCapture(str(footage))
    frames: list[bytes] = []
    while True:
        done, image = capture.read()
        if not done:
            return frames
        frames.append(_jpeg(np.asarray(image, np.uint8)))


def _spoilt(frame: bytes) -> tuple[bytes, bytes]:
    decoded = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(decoded, np.uint8)
    return _jpeg(np.zeros_like(image)), _jpeg(image[: image.shape[0] // 2, : image.shape[1] // 2])


def _jpeg(image: NDArray[np.uint8]) -> bytes:
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return data.tobytes()
