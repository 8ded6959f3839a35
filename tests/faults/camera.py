"""A network camera that plays a real video, and misbehaves when it is told to."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np

FRAMES_PER_SECOND = 15
_HEAD = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"


class VideoCamera:
    """Serves a video as multipart JPEG over HTTP.

    Attributes
    ----------
    fault : str
        empty, ``freeze``, ``black``, ``garbage``, ``wrong size``, ``silence`` (it holds the
        connection and says nothing) or ``unplug`` (it resets it, and takes no other).
    """

    def __init__(self, video: Path, frames: range) -> None:
        self.fault = ""
        self._pictures = _pictures(video, frames)
        self._ending = threading.Event()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                camera._serve(self)

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_port}/video.mjpg"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        if self.fault == "unplug":
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        handler.end_headers()
        number = 0
        try:
            while not self._ending.is_set() and self.fault != "unplug":
                if self.fault != "silence":
                    data = self._picture(number)
                    handler.wfile.write(_HEAD.format(len(data)).encode() + data + b"\r\n")
                    number += self.fault != "freeze"
                time.sleep(1 / FRAMES_PER_SECOND)
            handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            return

    def _picture(self, number: int) -> bytes:
        picture = self._pictures[number % len(self._pictures)]
        if self.fault == "black":
            return _jpeg(np.random.default_rng(number).integers(0, 3, picture.shape, np.uint8))
        if self.fault == "garbage":
            data = bytearray(_jpeg(picture))
            data[len(data) // 3 :] = np.random.default_rng(number).bytes(len(data) // 2)
            return bytes(data)
        if self.fault == "wrong size":
            height, width = picture.shape[:2]
            return _jpeg(cv2.resize(picture, (width * 2, height // 2)))
        return _jpeg(picture)

    def __enter__(self) -> VideoCamera:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _pictures(video: Path, frames: range) -> list[np.ndarray]:
    capture = cv2.VideoCapture(str(video))
    pictures = []
    for number in range(frames.stop):
        there, picture = capture.read()
        if there and number in frames:
            pictures.append(picture)
    capture.release()
    return pictures


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
