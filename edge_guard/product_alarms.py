"""The monitors' alarms of a stream with several products: one alarm, held by whichever needs it.

Each product has monitors of its own. The stream's alarm stands as long as any of them holds it,
and its message names the product that spoke last of those.
"""

from __future__ import annotations

from collections.abc import Collection

from edge_guard.drift.incident import Report
from edge_guard.reporting import DRIFT, Reporter


class ProductAlarms:
    """Who holds which of a stream's alarms. For the stream's inspection thread.

    Parameters
    ----------
    reporter : Reporter
        The stream's.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._holders: dict[str, dict[str, tuple[Report, str] | None]] = {}

    def voice(self, product: str) -> ProductVoice:
        """Return the voice of one product's monitors."""
        return ProductVoice(self, product)

    def resume(self, product: str) -> None:
        """Take up that a product's monitors hold the drift alarm since an earlier boot."""
        self._holders.setdefault(DRIFT, {})[product] = None

    def forget(self, products: Collection[str]) -> None:
        """Let go what products hold that the stream has no more, or that have no monitors now."""
        for name, holders in self._holders.items():
            gone = [holders.pop(product) for product in products if product in holders]
            if gone and not holders:
                self._clear(name)
            elif gone and name == DRIFT:
                self._repeat(holders)

    def settle(self) -> None:
        """Clear what a product has left raised that the stream has no more."""
        if not self._holders.get(DRIFT):
            self._clear(DRIFT)

    def report(self, product: str, name: str, active: bool, cause: str, message: str) -> bool:
        """Report whether a product holds an alarm; return whether that is news."""
        holders = self._holders.setdefault(name, {})
        if active:
            holders[product] = None
        else:
            holders.pop(product, None)
            if holders:
                return False
        return self._reporter.alarm(name, active, cause, _of(product, message))

    def drift(self, product: str, report: Report, message: str) -> None:
        """Post what a product's monitors say; where theirs is over, what another one still says."""
        holders = self._holders.setdefault(DRIFT, {})
        if report.state != "cleared":
            holders[product] = report, message
            self._reporter.drift(report, _of(product, message))
            return
        holders.pop(product, None)
        if not holders:
            self._reporter.drift(report, _of(product, message))
            return
        self._repeat(holders)

    def _clear(self, name: str) -> None:
        words = "no monitors watch the product that held it any more"
        self._reporter.alarm(name, False, "not configured", words)

    def _repeat(self, holders: dict[str, tuple[Report, str] | None]) -> None:
        """Post what the product says of drift that spoke last of those that hold the alarm."""
        product, said = list(holders.items())[-1]
        if said is not None:
            self._reporter.drift(said[0], _of(product, said[1]))


class ProductVoice:
    """What one product's monitors speak with; a ``drift_watch.Voice``."""

    def __init__(self, alarms: ProductAlarms, product: str) -> None:
        self._alarms = alarms
        self._product = product

    def alarm(self, name: str, active: bool, cause: str, message: str) -> bool:
        """Report whether a condition holds; return whether that is news."""
        return self._alarms.report(self._product, name, active, cause, message)

    def drift(self, report: Report, message: str) -> None:
        """Post what the monitors say."""
        self._alarms.drift(self._product, report, message)


def _of(product: str, message: str) -> str:
    return f"product {product}: {message}"
