"""How right the accepted answers of one stream are, and how many flags are false: cards."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.accuracy import StreamAccuracy, accuracy_of
from edge_guard.collector.audit import Share
from edge_guard.collector.judgements import MOST_MS
from edge_guard.collector.web.charts import Timed
from edge_guard.collector.web.intervals import Row, intervals
from edge_guard.collector.web.marks import Mark, box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, percent

MOST_LABELS = 6


def stream_accuracy(
    site: Site, device: int, stream: str, since_ms: int, summaries: Timed, until_ms: int = MOST_MS
) -> StreamAccuracy:
    """Return what is known of a stream's accuracy in a time, from its summaries of that time."""
    newest = site.queries.drift_alarms(device, stream, since_ms, most=1)
    raised = [row.alarm.message for row in newest if row.alarm.state == "raised"]
    audited = site.judgements.audited(device, stream, since_ms, until_ms)
    return accuracy_of([summary for _, summary in summaries], audited, "".join(raised))


class AccuracyPart:
    """Cards of right answers, of flags and of labels; built once, shown anew.

    Parameters
    ----------
    device : int
    stream : str
    """

    def __init__(self, device: int, stream: str) -> None:
        with box("charts rates") as self._cards:
            with box("card accuracy"):
                ui.label("Accuracy of accepted answers").classes("card-title")
                self._right = ui.html("", sanitize=False)
                self._estimate = ui.label().classes("accuracy-words")
                self._audit = ui.label().classes("accuracy-words")
                place = f"/events?device={device}&stream={quote(stream, safe='')}"
                with box("spans"):
                    self._waiting = link("judge the next frames", f"{place}&kind=waiting")
                    self._all = link("all audited frames", f"{place}&kind=audit")
            with box("card accuracy"):
                with box("section-top"):
                    ui.label("Flags, promised and observed").classes("card-title")
                    self._kept = Mark("undecided")
                self._rates = ui.html("", sanitize=False)
                self._flags = ui.label().classes("quiet")
            with box("card accuracy"):
                ui.label("What frames show, by people and by the model").classes("card-title")
                self._labels = ui.html("", sanitize=False)
                self._mix = ui.label().classes("quiet")

    def show(self, known: StreamAccuracy, answers: Mapping[str, int]) -> None:
        """Show what is known now.

        Parameters
        ----------
        known : StreamAccuracy
        answers : mapping of str to int
            Frames by the model's answer.
        """
        self._cards.set_visibility(bool(known.bundle) or known.audit.drawn > 0)
        self._right.set_content(intervals(right_rows(known), high=1.0))
        self._estimate.set_text(estimate_in_words(known))
        self._audit.set_text(audit_in_words(known))
        self._flags.set_text(flags_in_words(known))
        self._kept.show(promise_kept(known))
        self._rates.set_content(intervals(flag_rows(known), low=0.0, limit=known.promised))
        self._waiting.set_visibility(known.audit.waiting > 0)
        self._all.set_visibility(known.audit.drawn > 0)
        self._labels.set_content(intervals(label_rows(known, answers), low=0.0, high=1.0))
        told = known.audit.labels
        self._mix.set_text("" if told else "No audited frame has a label from people yet.")
        self._mix.set_visibility(not told)


def right_rows(known: StreamAccuracy) -> list[Row]:
    """Return accuracies with their intervals."""
    rows = []
    if (found := known.estimate) is not None:
        rows.append(Row("estimated", found.accuracy, found.low, found.high))
    if (right := known.audit.accuracy) is not None:
        rows.append(Row("audited", right.share, right.low, right.high))
    return rows


def flag_rows(known: StreamAccuracy) -> list[Row]:
    """Return flag rates: all that were counted, as the random sample has them, and false ones."""
    rows = []
    if known.frames:
        rows.append(Row("all frames, counted", known.flagged / known.frames))
    for name, found in (
        ("all frames, as sampled", known.audit.flags),
        ("right answers, audited", known.audit.false_flags),
    ):
        if found is not None:
            rows.append(Row(name, found.share, found.low, found.high))
    return rows


def label_rows(known: StreamAccuracy, answers: Mapping[str, int]) -> list[Row]:
    """Return how often each label is what people see in the sample, and what the model answers."""
    total = sum(answers.values())
    rows = [
        Row(label, found.share, found.low, found.high)
        for label, found in list(known.audit.labels.items())[:MOST_LABELS]
    ]
    ranked = sorted(answers.items(), key=lambda one: -one[1])[:MOST_LABELS]
    return [*rows, *(Row(f"model: {label}", n / total) for label, n in ranked if total)]


def promise_kept(known: StreamAccuracy) -> str:
    """Return whether audits show that the promised false-flag rate is kept, in a word."""
    found = known.audit.false_flags
    if known.promised is None or found is None:
        return "undecided"
    if found.low > known.promised:
        return "exceeded"
    return "kept" if found.high <= known.promised else "undecided"


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
