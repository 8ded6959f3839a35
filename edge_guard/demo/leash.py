"""Becomes another program that the kernel asks to end when the demo is killed.

``python leash.py PARENT PROGRAM ARGUMENT…`` sends PROGRAM a SIGTERM when its parent, the process
PARENT, dies, however that happens. Elsewhere than on Linux it only becomes PROGRAM.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h; kept across exec


def hold(parent: int) -> None:
    """Tie this process to its parent; end it when that one is dead already."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit(128 + signal.SIGTERM)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
    os.execv(sys.argv[2], sys.argv[2:])
