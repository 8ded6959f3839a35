"""Notices a hung model, and keeps systemd's watchdog quiet while all is well."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable

from edge_guard.inspection import Inspection
from edge_guard.intake import Intake

log = logging.getLogger(__name__)

_PERIOD_SECONDS = 0.2


def notify(message: str) -> None:
    """Tell the service manager something (sd_notify); nothing happens where there is none.

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


class Watchdog:
    """A thread that watches the inspection thread.

    When a model does not answer within its stream's ``model_timeout_seconds``, the frame and all
    that wait behind it are reported for review, an alarm is raised, and ``on_hang`` is called: a
    thread inside a hung library cannot be ended, so the process has to be.

    Parameters
    ----------
    inspection : Inspection
    intake : Intake
    on_hang : callable
        Called in this thread once everything is on the disk; must not return.
    patience_seconds : float
        systemd is kept quiet while the inspection thread has been seen within this time.
    """

    def __init__(
        self,
        inspection: Inspection,
        intake: Intake,
        on_hang: Callable[[str], None],
        patience_seconds: float,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._inspection = inspection
        self._intake = intake
        self._on_hang = on_hang
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)

    def start(self) -> None:
        """Start watching."""
        self._thread.start()

    def stop(self) -> None:
        """Stop watching; returns when the thread has ended."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_PERIOD_SECONDS):
            turn = self._inspection.overdue()
            if turn is None:
                if time.monotonic() - self._inspection.alive_at < self._patience_seconds:
                    notify("WATCHDOG=1")
                continue
            seconds = time.monotonic() - turn.since
            cause = f"the model of stream {turn.stream.name} hangs since {seconds:.0f} s"
            log.critical("%s: its frames go to a person, and the process ends", cause)
            turn.stream.hung(seconds)
            self._inspection.fail_safe([turn.item, *self._intake.drain()])
            self._inspection.close_windows()
            self._on_hang(cause)
            return
