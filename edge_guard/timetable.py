"""Which product is made at which time of the week, in the device's local time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from edge_guard.config import ProductTable
from edge_guard.config.times import DAY_MINUTES, minutes_of_week


class Shift(NamedTuple):
    """A product, and since when it is made: the same moment for every frame of the shift."""

    product: str
    began: datetime


class Timetable:
    """The week of one stream. Immutable.

    Parameters
    ----------
    products : iterable of ProductTable
        Those without ``times`` are never due.
    """

    def __init__(self, products: Iterable[ProductTable]) -> None:
        starts = [
            (minute, product.name)
            for product in products
            for text in product.times
            for minute in minutes_of_week(text)
        ]
        self._starts = sorted(starts)
        self._minutes = [minute for minute, _ in self._starts]

    def __bool__(self) -> bool:
        """Return whether there is any time in it."""
        return bool(self._starts)

    def at(self, wall_ns: int) -> Shift:
        """Return the shift at a moment.

        Parameters
        ----------
        wall_ns : int
            Since the Unix epoch. The shift goes by the clock on the wall: where summer time ends,
            the hour that comes twice belongs to the same shift twice.
        """
        return self.at_local(datetime.fromtimestamp(wall_ns / 1e9))

    def at_local(self, moment: datetime) -> Shift:
        """Return the shift at a local time."""
        minute = moment.weekday() * DAY_MINUTES + moment.hour * 60 + moment.minute
        place = bisect_right(self._minutes, minute) - 1
        start, product = self._starts[place]  # before the first: the last of the week before
        ago = timedelta(minutes=(minute - start) % (7 * DAY_MINUTES))
        return Shift(product, moment.replace(second=0, microsecond=0) - ago)
