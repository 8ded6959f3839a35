"""Tells the service manager, systemd or our own supervisor, how the daemon is (sd_notify)."""

from __future__ import annotations

import logging
import os
import socket

log = logging.getLogger(__name__)

RESTART_CODE = 75
"""Exit code of a daemon that wants to be started again (``EX_TEMPFAIL`` of sysexits.h)."""


def notify(message: str) -> None:
    """Tell the service manager something; nothing happens where there is none.

    Parameters
    ----------
    message : str
        For example ``READY=1``.
    """
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    path = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(path)
            sender.sendall(message.encode())
    except OSError as error:
        log.warning("the service manager at %s does not listen: %s", address, error)
