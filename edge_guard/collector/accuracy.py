"""How right the accepted answers of one stream are: without labels, and by people's judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_guard.collector.audit import Audited, AuditReport, audit
from edge_guard.drift.accuracy import Estimate, distrust, estimate, flags
from edge_guard.drift.merge import Merged
from edge_guard.publish.messages import Summary


@dataclass(frozen=True, slots=True)
class StreamAccuracy:
    """What is known of the accuracy of one stream under its newest bundle.

    Attributes
    ----------
    bundle : str
        Its id; empty where there are no summaries.
    estimate : Estimate or None
        From confidences; None while it is hidden.
    hidden : str
        Why; empty where the estimate is shown.
    audit : AuditReport
        From people's judgements.
    promised : float or None
        The bundle's promised false-flag rate.
    flagged, frames : int
        Frames that the guards flagged, of all.
    """

    bundle: str
    estimate: Estimate | None
    hidden: str
    audit: AuditReport
    promised: float | None
    flagged: int
    frames: int


def accuracy_of(
    summaries: Sequence[Summary], audited: Sequence[Audited], alarm: str
) -> StreamAccuracy:
    """Return what windows and judgements of one stream say.

    Parameters
    ----------
    summaries : sequence of Summary
        In order of time; those of the newest one's bundle count, each once.
    audited : sequence of Audited
        Of the same time.
    alarm : str
        A drift alarm that stands, in words; empty where there is none.
    """
    if not summaries:
        return StreamAccuracy("", None, "there are no summaries", audit(audited), None, 0, 0)
    bundle = summaries[-1].bundle
    merged = Merged(bundle)
    for summary in summaries:
        merged.add(summary)
    flagged, frames = flags(merged.verdicts(), merged.reasons())
    counted = merged.accuracy()
    judged = audit([frame for frame in audited if frame.bundle == bundle])
    if counted is None:
        hidden = "the bundle cannot tell: calibrate it with labelled references"
        return StreamAccuracy(bundle, None, hidden, judged, None, flagged, frames)
    basis, found = counted.basis, estimate(counted.basis, counted.counts)
    hidden = distrust(basis, sum(counted.counts), flagged, frames, alarm)
    shown = None if hidden else found
    return StreamAccuracy(bundle, shown, hidden, judged, basis.promised, flagged, frames)
