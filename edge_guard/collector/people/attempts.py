"""How often one may try to sign in: after some failures each further one waits longer."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

FREE = {"pair": 5, "name": 30, "address": 30}
"""Failures without a wait: of a name from one address, of a name, of an address.

The wait of a name is short: else whoever knows it could keep its owner out.
"""
LONGEST_S = {"pair": 900.0, "name": 30.0, "address": 900.0}
_FORGOTTEN_S = 3600.0
_MOST_KEYS = 20_000


class Attempts:
    """Counts failures in memory, for an hour after the last one; thread-safe.

    Parameters
    ----------
    clock : callable, optional
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: OrderedDict[tuple[str, ...], tuple[int, float]] = OrderedDict()

    def begin(self, name: str, address: str) -> float:
        """Return the seconds to wait; 0: the attempt may be made, and counts as failed until told.

        Parameters
        ----------
        name : str
            Folded; whether there is such a person makes no difference.
        address : str
        """
        now, keys = self._clock(), _keys(name, address)
        with self._lock:
            wait = max(self._wait(key, now) for key in keys)
            if wait <= 0:
                for key in keys:
                    failures, _ = self._failed.pop(key, (0, now))
                    self._failed[key] = failures + 1, now
                while len(self._failed) > _MOST_KEYS:
                    self._failed.popitem(last=False)
        return max(0.0, wait)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of a name from an address; others keep counting."""
        pair, *others = _keys(name, address)
        with self._lock:
            self._failed.pop(pair, None)
            for key in others:  # this attempt was no failure
                failures, at = self._failed.get(key, (1, 0.0))
                self._failed[key] = failures - 1, at

    def _wait(self, key: tuple[str, ...], now: float) -> float:
        failures, at = self._failed.get(key, (0, now))
        over = failures - FREE[key[0]]
        if now - at > _FORGOTTEN_S:
            del self._failed[key]
            return 0.0
        if over < 0:
            return 0.0
        return at + min(2.0 ** min(over, 20), LONGEST_S[key[0]]) - now


def _keys(name: str, address: str) -> tuple[tuple[str, ...], ...]:
    return ("pair", name, address), ("name", name), ("address", address)
