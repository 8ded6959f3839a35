"""Small images, videos and cameras to open sources on."""

from __future__ import annotations

import queue
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

from edge_guard.errors import SourceError

SIZE = (48, 64)


def picture(number: int) -> np.ndarray:
    """A uint8 BGR image whose mean gray level tells its number (0 to 24)."""
    image = np.full((*SIZE, 3), 10 * (number % 25) + 5, np.uint8)
    image[::8, ::8] = 128
    return image


def number_of(image: np.ndarray) -> int:
    return round((float(np.median(image)) - 5) / 10)


def encoded(number: int, suffix: str = ".png") -> bytes:
    done, data = cv2.imencode(suffix, picture(number))
    assert done
    return data.tobytes()


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE[::-1])
    assert writer.isOpened()
    for number in range(frames):
        writer.write(picture(number))
    writer.release()
    return path


def write_folder(folder: Path, frames: int) -> Path:
    folder.mkdir(exist_ok=True)
    for number in range(frames):
        (folder / f"part{number}.png").write_bytes(encoded(number))
    return folder


class MjpegCamera:
    """A network camera: serves multipart JPEG over HTTP until it is unplugged."""

    def __init__(self, port: int = 0) -> None:
        self._plugged = threading.Event()
        self._plugged.set()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                number = 0
                try:
                    while camera._plugged.is_set():
                        data = encoded(number % 20, ".jpg")
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}"
                        self.wfile.write(head.encode() + b"\r\n\r\n" + data + b"\r\n")
                        number += 1
                        threading.Event().wait(0.02)
                except OSError:
                    pass

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream.mjpg"

    def unplug(self) -> None:
        self._plugged.clear()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def __enter__(self) -> MjpegCamera:
        return self

    def __exit__(self, *_: object) -> None:
        if self._plugged.is_set():
            self.unplug()


class ScriptedCamera:
    """A camera that gives what a test hands it: an image, None, or an error to raise."""

    def __init__(self) -> None:
        self.script: queue.Queue[np.ndarray | Exception | None] = queue.Queue()
        self.connections = 0
        self.closed = 0
        self.refusals = 0

    def connect(self) -> ScriptedCamera:
        if self.refusals:
            self.refusals -= 1
            raise SourceError("camera 0 is not there", "plug it in")
        self.connections += 1
        return self

    def read(self) -> np.ndarray | None:
        try:
            item = self.script.get(timeout=0.05)
        except queue.Empty as error:
            raise SourceError("camera 0 has stopped giving frames") from error
        if isinstance(item, Exception):
            raise item
        return item

    def exposure(self) -> None:
        return None

    def close(self) -> None:
        self.closed += 1
