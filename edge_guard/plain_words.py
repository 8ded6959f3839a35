"""What a bundle guards and promises, in sentences for people."""

from __future__ import annotations

from edge_guard.drift.accuracy import MOST_SPREAD
from edge_guard.drift.sensitivity import sentences
from edge_guard.manifest import Manifest, Promise
from edge_guard.publish.messages import AccuracyBasis


def promise_in_words(promise: Promise) -> str:
    """Return what the flag threshold guarantees, for people."""
    rate = f"{promise.false_flag_rate:.2%}"
    if promise.regime == "confident":
        return f"at most {rate} of good frames are flagged, with 95 % confidence"
    if promise.regime == "marginal":
        return f"{rate} of good frames are flagged at most, on average over calibrations"
    return f"no promise, only advice: {rate} of good frames or more may be flagged; add references"


def monitors_in_words(manifest: Manifest) -> list[str]:
    """Return what the drift monitors can see, for people, one sentence each."""
    if manifest.drift is None:
        return ["has no drift monitors: calibrate again with this edge-guard"]
    return list(sentences(manifest.drift))


def labelled_in_words(manifest: Manifest) -> list[str]:
    """Return what labelled references gave, for people, one sentence each."""
    confidence = manifest.confidence
    said = []
    if confidence and confidence.ece is not None:
        said.append(
            f"confidence: {confidence.method} map on {confidence.ranking}, off by "
            f"{confidence.ece:.3f} (ECE, out of fold)"
        )
    if manifest.accuracy:
        said.append(_accuracy_in_words(manifest.accuracy.basis))
    return said + certified_in_words(manifest)


def _accuracy_in_words(basis: AccuracyBasis) -> str:
    error = abs(basis.bias) + basis.spread
    words = (
        f"accuracy of accepted answers: {basis.reference:.3f} on the references; estimated without "
        f"labels to within {error:.3f} (from {basis.changes} mild changes of the references)"
    )
    too_much = f"more than {MOST_SPREAD:.2f}: not shown; more labelled references would help"
    return words if error <= MOST_SPREAD else f"{words}, {too_much}"


def retuned_in_words(manifest: Manifest) -> str:
    """Return from what a bundle was retuned, for people; empty where it was calibrated."""
    made = manifest.retuned
    if made is None:
        return ""
    counted = f" and {made.references} labelled references" if made.references else ""
    by = f" by {made.who}" if made.who else ""
    return (
        f"from {made.parent}{by} on {made.created}, with {made.labels} labels of "
        f"{made.first[:10]} to {made.last[:10]}, {made.audited} of them audited{counted}; "
        f"{made.method}"
    )


def certified_in_words(manifest: Manifest) -> list[str]:
    """Return what is certified and which dials are set, for people, one sentence each."""
    said = []
    c, dials = manifest.certificate, manifest.dials
    if c:
        said.append(
            f"certified: at most {c.max_error:.1%} of what is accepted is wrong, with "
            f"{1 - c.delta:.1%} confidence (attempt {c.attempt}), from confidence "
            f"{c.min_confidence:.4f} up; {c.accepted} of {c.labelled} accepted, {c.wrong} wrong"
        )
    if c and c.escapes is not None:
        promised = "not promised" if c.max_escapes is None else f"at most {c.max_escapes:.1%}"
        said.append(
            f"escapes: {c.escapes} of {c.defective} defective parts accepted as "
            f"{c.good_label} ({promised})"
        )
    if dials.cost_confidence is not None:
        said.append(f"costs: a look pays below confidence {dials.cost_confidence:.4f}")
    if dials.review_budget is not None:
        said.append(f"review budget: {dials.review_budget:.1%} of the frames")
    return said
