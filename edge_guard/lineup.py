"""The bundles of one stream at work, and which of them a frame is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from edge_guard.changeover import Changeover
from edge_guard.config import StreamTable
from edge_guard.duty import Duty, Guards, Inspector, NoProduct
from edge_guard.product_alarms import ProductAlarms
from edge_guard.reporting import Reporter
from edge_guard.sources.contract import Damaged
from edge_guard.types import Frame


class _Work(NamedTuple):
    """Duties, and what chooses among them: changed at once, since other threads read both."""

    duties: dict[str, Duty]
    changeover: Changeover


class Lineup:
    """All duties of one stream; changed by its inspection thread only, read by anybody.

    Parameters
    ----------
    table : StreamTable
    guards : mapping of str to Inspector
        By product.
    reporter : Reporter
        The stream's.
    spool : Path
        The device's spool folder: what the monitors know lies there, and orders of people.
    """

    def __init__(self, table: StreamTable, guards: Guards, reporter: Reporter, spool: Path) -> None:
        self._reporter = reporter
        self._spool = spool
        self._alarms = ProductAlarms(reporter)
        self._work = _Work({}, Changeover(table, spool))
        self._nobodys = Duty("", NoProduct(), reporter.about("", ""), reporter, table.name, None)
        self.adopt(table, guards)

    def adopt(self, table: StreamTable, guards: Guards) -> None:
        """Go on with other settings and guards; a guard that stays keeps its monitors."""
        before = self._work.duties
        watched = {product for product, guard in guards.items() if guard.drift is not None}
        self._alarms.forget(before.keys() - watched)
        duties: dict[str, Duty] = {}
        for product, guard in guards.items():
            kept = before.get(product)
            reporter = self._reporter.about(product, guard.bundle_id)
            if kept is not None and kept.inspector is guard:
                kept.reporter = reporter
                duties[product] = kept
            else:
                duties[product] = self._duty(table.name, product, guard, reporter)
        if table.product or not watched:
            self._alarms.settle()
        self._nobodys.reporter = self._reporter.about("", "")
        changeover = Changeover(table, self._spool, self._work.changeover)
        self._work = _Work(duties, changeover)
        self._last = duties[changeover.now() or next(iter(duties))]

    @property
    def guards(self) -> dict[str, Inspector]:
        """The stream's guards by product."""
        return {product: duty.inspector for product, duty in self._work.duties.items()}

    @property
    def current(self) -> Duty:
        """Whose turn it is now: of the last frame, where part ids decide."""
        work = self._work
        return self._last if work.changeover.by_part else work.duties[work.changeover.now()]

    @property
    def steady(self) -> bool:
        """Whether a product stays for more than a frame, so that each change is worth a word."""
        return not self._work.changeover.by_part

    def take(self, frame: Frame | Damaged) -> Duty:
        """Return the duty that the next frame is for, after a look at what people want."""
        self._work.changeover.refresh()
        self._last = self.of(frame)
        return self._last

    def of(self, frame: Frame | Damaged) -> Duty:
        """Return the duty that a frame is for."""
        product = self._work.changeover.product_of(frame)
        return self._nobodys if product is None else self._work.duties[product]

    def refresh(self) -> None:
        """Look at what people want, while no frames come."""
        self._work.changeover.refresh()

    def trials(self) -> Iterator[str]:
        """Try one test frame of one bundle a step; yield what is wrong, empty: nothing."""
        for product, duty in self._work.duties.items():
            for words in duty.inspector.trials():
                yield f"product {product}: {words}" if product and words else words

    def post_summaries(self, number: int, dropped: Mapping[str, int], now: float) -> int:
        """Post the summary of each duty that saw frames, and of whose turn it is; return how many.

        The last one is of whose turn it is: what a page shows of the newest bundle is of that.

        Parameters
        ----------
        number : int
            Of the first window.
        dropped : mapping of str to int
            Frames that no duty saw; told once.
        now : float
            Monotonic time, s.
        """
        current = self.current
        duties = [self._nobodys, *self._work.duties.values()]
        told = [duty for duty in duties if duty is not current and duty.window.frames]
        told.append(current)
        for place, duty in enumerate(told):
            duty.post_summary(number + place, dropped if duty is current else {}, now)
        return len(told)

    def _duty(self, stream: str, product: str, guard: Inspector, reporter: Reporter) -> Duty:
        voice = self._alarms.voice(product) if product else self._reporter
        memory = self._spool / f"drift-{stream}{product and '+' + product}.npz"
        duty = Duty(product, guard, reporter, voice, stream, memory)
        if product and duty.watch and duty.watch.raised:
            self._alarms.resume(product)
        return duty
