"""Keeps a daemon alive where no service manager does: a small parent process that waits.

The parent forks before anything large is imported. It listens to its child as systemd would
(sd_notify), ends it when it has gone silent, and starts it again when it was killed, asks for it
(``RESTART_CODE``), or fails after one of its kind has worked. It hands signals on and ends with its
child's exit code; when the parent itself is killed, the kernel ends the child.
"""

from __future__ import annotations

import ctypes
import logging
import os
import secrets
import select
import signal
import socket
import sys
import time

from edge_guard.notify import RESTART_CODE

log = logging.getLogger(__name__)

START_SECONDS = 300.0
"""A child that is not ready by then hangs."""
SILENT_SECONDS = 20.0
"""A ready child that says nothing for so long hangs as a whole; it speaks five times a second."""
STOP_SECONDS = 60.0
"""An orderly stop that takes longer hangs."""
LONGEST_PAUSE_SECONDS = 30.0
_SETTLED_SECONDS = 60.0
_HANDED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def supervise() -> None:
    """Return in a child process that is to do the work; the parent never returns.

    Raises
    ------
    SystemExit
        In the parent: the child has ended for good, with this exit code.
    """
    if sys.platform != "linux":
        return
    with _Supervisor() as supervisor:
        pause = 0.0
        while True:
            began = time.monotonic()
            if not supervisor.start():
                return
            code = supervisor.wait()
            # Once it has worked, what it was given is usable: only a stop ends it for good.
            crashed = code < 0 or code == RESTART_CODE or (code != 0 and supervisor.ever_ready)
            if supervisor.stopping or not crashed:
                raise SystemExit(128 - code if code < 0 else code)
            settled = time.monotonic() - began > _SETTLED_SECONDS
            pause = 0.0 if settled else min(2 * pause + 0.5, LONGEST_PAUSE_SECONDS)
            how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
            log.error("edge-guard ended %s; it starts again in %.1f s", how, pause)
            supervisor.rest(pause)


class _Supervisor:
    """The parent's side: the socket that the child speaks to, and the signals."""

    def __init__(self) -> None:
        self.stopping = False
        self.ever_ready = False
        self._child = 0
        self._limit = START_SECONDS
        self._stop_by: float | None = None
        self._address = f"edge-guard-{os.getpid()}-{secrets.token_hex(4)}"
        self._ear = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._ear.bind("\0" + self._address)
        self._ear.setblocking(False)
        self._woken, self._waker = socket.socketpair()  # select() returns when a signal comes
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def __enter__(self) -> _Supervisor:
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in _HANDED_ON:
            signal.signal(number, self._hand_on)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *error: object) -> None:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for end in (self._ear, self._woken, self._waker):
            end.close()
        if self.stopping and not error[0]:  # a signal that came right after the fork
            raise SystemExit(RESTART_CODE)

    def start(self) -> bool:
        """Fork; return False in the child."""
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        self._limit = START_SECONDS
        self._child = os.fork()
        if self._child:
            return True
        os.setpgid(0, 0)  # Ctrl-C reaches the parent only, which hands it on
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(128 + signal.SIGKILL)
        os.environ["NOTIFY_SOCKET"] = f"@{self._address}"
        return False

    def wait(self) -> int:
        """Return the child's exit code, negative: the signal that ended it."""
        heard = time.monotonic()
        while True:
            ready, _, _ = select.select([self._ear, self._woken], [], [], 1.0)
            if self._woken in ready:
                self._woken.recv(4096)
            if self._ear in ready:
                self._listen(self._ear.recv(4096))
                heard = time.monotonic()
            pid, status = os.waitpid(self._child, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            late = self._stop_by is not None and time.monotonic() > self._stop_by
            if late or time.monotonic() - heard > self._limit:
                log.critical("edge-guard does not %s and is ended", "stop" if late else "answer")
                os.kill(self._child, signal.SIGKILL)
                heard, self._stop_by = time.monotonic(), None

    def rest(self, seconds: float) -> None:
        """Wait before the next start; a signal to stop ends it all.

        Raises
        ------
        SystemExit
        """
        self._child = 0
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0 and not self.stopping:
            if select.select([self._woken], [], [], left)[0]:
                self._woken.recv(4096)
        if self.stopping:
            raise SystemExit(RESTART_CODE)

    def _listen(self, message: bytes) -> None:
        if b"STOPPING=1" in message:
            self._limit = STOP_SECONDS
        elif b"READY=1" in message:
            self._limit, self.ever_ready = SILENT_SECONDS, True
        elif b"RELOADING=1" in message:
            self._limit = START_SECONDS

    def _hand_on(self, number: int, _frame: object) -> None:
        if number != signal.SIGHUP and not self.stopping:
            self.stopping = True
            self._stop_by = time.monotonic() + STOP_SECONDS
        if self._child:
            os.kill(self._child, number)
