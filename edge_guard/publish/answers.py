"""What receipts say, and whether any come: so much is worth sending again."""

from __future__ import annotations

import time

from edge_guard.publish.messages import BootReceipt
from edge_guard.publish.rows import Range

PROBES = 4
"""Rows that are sent again in one round while nobody answers."""


class Answers:
    """The publisher's memory of receipts.

    Parameters
    ----------
    receipt_seconds : float
        How long a receipt may take.
    """

    def __init__(self, receipt_seconds: float) -> None:
        self._patience = 2 * receipt_seconds
        self._probes = PROBES
        self._heard = -float("inf")
        self._waiting_since: float | None = None

    def connected(self) -> None:
        """A connection stands: waiting begins anew."""
        self._waiting_since = None

    def next_round(self) -> None:
        """A round is over: a few rows may be sent again."""
        self._probes = PROBES

    def allowance(self, free: int) -> int:
        """Return how many rows may be sent again where ``free`` rows could."""
        answering = time.monotonic() - self._heard < self._patience
        return free if answering else min(free, self._probes)

    def sent(self, n: int) -> None:
        """Rows have left."""
        self._probes = max(0, self._probes - n)
        if n and self._waiting_since is None:
            self._waiting_since = time.monotonic()

    def heard(self, *, all_confirmed: bool) -> None:
        """Something was confirmed."""
        self._heard = time.monotonic()
        self._waiting_since = None if all_confirmed else self._heard

    def silence(self) -> str:
        """Return the complaint that nobody has answered for long; empty when there is none."""
        since = self._waiting_since
        if since is None or time.monotonic() - since <= self._patience:
            return ""
        seconds = time.monotonic() - since
        return (
            f"no receipt from the collector for {seconds:.0f} s: does it run, and may this device "
            "write its topics and read its receipt topic at the broker?"
        )


def covered(receipt: BootReceipt) -> list[Range]:
    """Return the ranges of sequences that the receipt covers.

    Raises
    ------
    ValueError
        The receipt contradicts itself.
    """
    if not 0 <= receipt.contiguous <= receipt.highest:
        raise ValueError(f"has {receipt.contiguous} of {receipt.highest}")
    ranges = [(1, receipt.contiguous)]
    after = receipt.contiguous
    for first, last in receipt.gaps:
        if not after < first <= last <= receipt.highest:
            raise ValueError(f"has a gap {first}..{last} out of order")
        ranges.append((after + 1, first - 1))
        after = last
    ranges.append((after + 1, receipt.highest))
    return [(first, last) for first, last in ranges if first <= last]
