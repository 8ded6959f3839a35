"""How right the accepted answers of one stream are: a card on its page."""

from __future__ import annotations

from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.accuracy import StreamAccuracy, accuracy_of
from edge_guard.collector.audit import Share
from edge_guard.collector.web.charts import Timed
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, percent


def stream_accuracy(
    site: Site, device: int, stream: str, since_ms: int, summaries: Timed
) -> StreamAccuracy:
    """Return what is known of a stream's accuracy since then, from its summaries of that time."""
    newest = site.queries.drift_alarms(device, stream, since_ms, most=1)
    raised = [row.alarm.message for row in newest if row.alarm.state == "raised"]
    audited = site.judgements.audited(device, stream, since_ms)
    return accuracy_of([summary for _, summary in summaries], audited, "".join(raised))


class AccuracyPart:
    """The card; built once, shown anew.

    Parameters
    ----------
    device : int
    stream : str
    """

    def __init__(self, device: int, stream: str) -> None:
        with box("card accuracy") as self._card:
            ui.label("Accuracy of accepted answers").classes("card-title")
            self._estimate = ui.label().classes("accuracy-words")
            self._audit = ui.label().classes("accuracy-words")
            self._flags = ui.label().classes("quiet")
            place = f"/events?device={device}&stream={quote(stream, safe='')}"
            with box("spans"):
                self._waiting = link("judge the next frames", f"{place}&kind=waiting")
                self._all = link("all audited frames", f"{place}&kind=audit")

    def show(self, known: StreamAccuracy) -> None:
        """Show what is known now."""
        self._card.set_visibility(bool(known.bundle) or known.audit.drawn > 0)
        self._estimate.set_text(estimate_in_words(known))
        self._audit.set_text(audit_in_words(known))
        self._flags.set_text(flags_in_words(known))
        self._waiting.set_visibility(known.audit.waiting > 0)
        self._all.set_visibility(known.audit.drawn > 0)


def estimate_in_words(known: StreamAccuracy) -> str:
    """Return the estimate without labels, or why there is none."""
    found = known.estimate
    if found is None:
        return f"estimate without labels: hidden because {known.hidden}"
    return (
        f"estimated accuracy {_share(found.accuracy)} "
        f"({_share(found.low)}–{_share(found.high)}) "
        f"from {count(found.frames)} frames without labels"
    )


def audit_in_words(known: StreamAccuracy) -> str:
    """Return what people's judgements say."""
    report = known.audit
    if not report.drawn:
        return "audits: no accepted frame was drawn (audit_per_hour in the device's configuration)"
    waits = f", {count(report.waiting)} wait" if report.waiting else ""
    if report.unsure:
        waits = f", {count(report.unsure)} unsure{waits}"
    if report.accuracy is None:
        return f"audits: {count(report.drawn)} frames drawn, none judged yet{waits}"
    right = report.accuracy
    return (
        f"audits: {count(right.yes)} right of {count(right.n)} → ≥ {_share(right.at_least)} "
        f"(weighted {_share(right.share)}, {_range(right)}){waits}"
    )


def flags_in_words(known: StreamAccuracy) -> str:
    """Return promised and observed flags."""
    if not known.frames:
        return ""
    promised = "" if known.promised is None else f"promised at most {percent(known.promised)}, "
    words = (
        f"false flags: {promised}{percent(known.flagged / known.frames)} of "
        f"{count(known.frames)} frames were flagged at all"
    )
    wrong = known.audit.false_flags
    if wrong is None:
        return words
    return (
        f"{words}; of {count(wrong.n)} audited right answers {count(wrong.yes)} ({_range(wrong)})"
    )


def _share(value: float) -> str:
    """Return a share as statisticians write it: .97; never rounded up to 1."""
    if value >= 1.0:
        return "1"
    digits = 2 if value < 0.985 else 3
    return f"{min(value, 0.9994):.{digits}f}".removeprefix("0")


def _range(found: Share) -> str:
    return f"{_share(found.low)}–{_share(found.high)}"
