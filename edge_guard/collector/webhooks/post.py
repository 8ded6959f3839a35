"""One HTTP request to a webhook: bounded in time, following no redirect, reading no answer."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

TIMEOUT_S = 10.0
LONGEST_RETRY_AFTER_S = 3600.0
_LATER = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Reached:
    """What a receiver made of a notice.

    Attributes
    ----------
    taken : bool
    trouble : str
        Why it was not; empty where it was.
    alive : bool
        Whether the receiver works, so that it may take others.
    retry_after_s : float
        How long it wants to be left alone.
    """

    taken: bool
    trouble: str = ""
    alive: bool = True
    retry_after_s: float = 0.0


def post(url: str, body: bytes, headers: dict[str, str], timeout_s: float = TIMEOUT_S) -> Reached:
    """Return what became of a POST; it never raises for what the network or receiver does.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    body : bytes
    headers : dict
    timeout_s : float
        Of connecting, and again of everything after it.
    """
    try:
        connection = _connection(url, timeout_s)
        try:
            connection.connect()
            with _at_most(connection.sock, timeout_s):
                parts = urlsplit(url)
                place = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.sock.settimeout(2 * timeout_s)  # the bound is of the whole
                connection.request("POST", place, body, headers)
                answer = connection.getresponse()
                return _reached(answer.status, answer.headers.get("Retry-After", ""))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, http.client.InvalidURL):
            words = "no such path can be asked for"  # its own words quote the path, a secret
        return Reached(False, f"cannot be reached ({words})", alive=False)


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https":
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    return http.client.HTTPConnection(host, parts.port, timeout=timeout_s)


@contextmanager
def _at_most(connected: socket.socket, seconds: float) -> Iterator[None]:
    """End a connection whose other side is silent, or never comes to an end."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException):
        if not ended.is_set():
            raise
    finally:
        timer.cancel()
    if ended.is_set():
        raise TimeoutError(f"no answer in {seconds:g} s")


def _reached(status: int, retry_after: str) -> Reached:
    if 200 <= status < 300:
        return Reached(True)
    if 300 <= status < 400:
        return Reached(False, f"answered {status}: redirects are not followed")
    wait = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    alive = status < 500 and status not in _LATER
    return Reached(False, f"answered {status}", alive, min(wait, LONGEST_RETRY_AFTER_S))
