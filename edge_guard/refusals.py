"""Why a broker lets nobody in: what TLS and MQTT say, as a problem and its remedy."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

KEEPALIVE_SHARE = 0.75
"""Of the configured keep-alive, what a connection is given. A silent peer is noticed when a ping
was not answered for that long again: after 1.5 configured keep-alives."""
UNSUPPORTED_VERSION = frozenset({0x84, 0x01})
TAKEN_OVER = 0x8E
PACKET_TOO_LARGE = 0x95


class _Client(Protocol):
    def enable_logger(self, logger: logging.Logger) -> None: ...


class _Ear(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.ERROR)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        self._tell(record.getMessage())


def hear_errors(client: _Client, tell: Callable[[str], None]) -> None:
    """Have a client of paho tell its errors; by ``on_log`` it would put every packet into words.

    Parameters
    ----------
    client : paho.mqtt.client.Client
    tell : callable
        Gets each error's words, in the client's thread.
    """
    logger = logging.Logger("paho", logging.ERROR)  # of its own: nobody else hears or changes it
    logger.addHandler(_Ear(tell))
    client.enable_logger(logger)


class Trouble(NamedTuple):
    """What is wrong, and what to do."""

    problem: str
    remedy: str


_TLS = (
    ("certificate has expired", "the broker's certificate has expired",
     "renew it; where it is valid, set this machine's clock"),
    ("certificate is not yet valid", "the broker's certificate is not valid yet",
     "set this machine's clock"),
    ("hostname mismatch", "the broker's certificate is for another host",
     "set [mqtt] host to a name in the certificate, or have this name put into it"),
    ("ip address mismatch", "the broker's certificate is for another address",
     "set [mqtt] host to a name in the certificate, or have this address put into it"),
    ("certificate verify failed", "the broker's certificate is not from the authority in ca_file",
     "set [mqtt.tls] ca_file to the certificate of the plant's authority"),
    ("alert certificate required", "the broker wants this client's certificate",
     "set [mqtt.tls] certificate_file and key_file"),
    ("alert unknown ca", "the broker does not know the authority of this client's certificate",
     "set [mqtt.tls] certificate_file to one that the plant's authority has signed"),
    ("alert certificate expired", "this client's certificate has expired",
     "renew [mqtt.tls] certificate_file"),
    ("alert certificate revoked", "this client's certificate has been revoked",
     "renew [mqtt.tls] certificate_file"),
    ("alert bad certificate", "the broker refuses this client's certificate",
     "check [mqtt.tls] certificate_file and key_file"),
    ("alert handshake failure", "the broker and this client have no kind of TLS in common",
     "check [mqtt.tls] certificate_file, and which versions of TLS the broker allows"),
    ("wrong version number", "what answers there does not speak TLS",
     "check [mqtt] port; 8883 is usual with TLS"),
)  # fmt: skip

_CONNECT = {
    0x85: Trouble("it refuses this client id", "choose another id, of letters and digits"),
    0x86: Trouble(
        "bad user name or password", "check [mqtt] username and password_file, and the broker's"
    ),
    0x87: Trouble(
        "not authorized", "check [mqtt] username and password_file, and the broker's access rules"
    ),
    0x88: Trouble("the server is unavailable", "look at the broker's log"),
    0x89: Trouble("the server is busy", "look at the broker's log"),
    0x8A: Trouble("this client is banned", "ask who runs the broker"),
    0x9F: Trouble("too many connections at once", "raise the broker's connection rate"),
}


def tls_trouble(said: str) -> Trouble | None:
    """Return what an error of TLS means; None: nothing in particular."""
    lower = said.lower().replace("_", " ")
    for pattern, problem, remedy in _TLS:
        if pattern in lower:
            return Trouble(problem, remedy)
    return None


def connect_trouble(reason: int, said: str) -> Trouble:
    """Return what a refused CONNECT means.

    Parameters
    ----------
    reason : int
        Reason code of MQTT 5, or its like where MQTT 3.1.1 has another.
    said : str
        What the library calls it.
    """
    fallback = Trouble(said, "check [mqtt] port, tls, version, username, password_file")
    known = _CONNECT.get(reason, fallback)
    return known._replace(problem=f"{said}: {known.problem}") if known != fallback else known


def words(error: Exception) -> str:
    """Return what the system calls an error, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
