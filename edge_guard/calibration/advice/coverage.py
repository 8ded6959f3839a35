"""What the references cover, and what they can promise, in plain words."""

from __future__ import annotations

from collections.abc import Mapping

from edge_guard.calibration.advice.reach import Step, defects_in, further, labelled_needed, reach
from edge_guard.calibration.advice.watch import Watch

_SHIFT_S = 8 * 3600.0
_COPIED_S = 60.0
_FEW_LOOKS = 0.5
_FEW_OF_A_LABEL = 20


def covered(watch: Watch) -> list[str]:
    """Return how much variety and time the kept pictures cover, one sentence each."""
    n, looks = len(watch.kept), len(watch.looks)
    said = [f"{n} images, {looks} of them different from each other"]
    if looks < _FEW_LOOKS * n:
        said.append("more than half of them repeat others: more different parts would teach more")
    span = watch.span_s
    if span >= _SHIFT_S:
        said.append(f"they span {in_time(span)}")
    elif span < _COPIED_S:
        said.append(
            "their files are all of the same minute: where that is when they were taken, and not "
            "copied, light, dirt and parts of other hours are not among them"
        )
    else:
        said.append(
            f"they span {in_time(span)}: light, dirt and parts of other hours are not among them; "
            "add images of a whole shift when you can"
        )
    return said


def promised(watch: Watch, requested: float) -> list[str]:
    """Return which promise the kept pictures can reach and what more would buy, in plain words."""
    n, effective = len(watch.kept), watch.effective
    said = [_now(reach(n, effective, requested), effective)]
    steps = further(n, effective, requested)
    if not steps:
        return said
    said += [f"with about {_rounded(step.images, n)} images: {_in_words(step)}" for step in steps]
    if effective < 0.7 * n:
        said.append(
            f"neighbouring images are alike: these {n} count as {effective:.0f}; images taken "
            "further apart count in full"
        )
    return said


def certifiable(labels: Mapping[str, int]) -> list[str]:
    """Return what the labels can certify and what more would buy; empty without labels.

    Parameters
    ----------
    labels : mapping
        Images of each label.
    """
    if not labels:
        return []
    said = [
        f"only {n} images of {label!r}: add some"
        for label, n in labels.items()
        if n < _FEW_OF_A_LABEL
    ]
    n, needed = sum(labels.values()), labelled_needed()
    for rate, least in needed.items():
        if n >= least:
            said.append(f"{n} labelled images: --max-error {rate} is within reach")
        else:
            said.append(f"{least - n} more labelled images: --max-error {rate} will be")
    defects = defects_in(labels)
    if defects is None:
        return said
    for rate, least in needed.items():
        ways = (
            f"{defects} images of defects: --max-escapes {rate} is within reach"
            if defects >= least
            else f"{least - defects} more images of defects: --max-escapes {rate} will be"
        )
        said.append(ways)
    return said


def explained(watch: Watch, requested: float) -> list[str]:
    """Return the numbers behind `promised`, for whoever asks."""
    n, effective = len(watch.kept), watch.effective
    step = reach(n, effective, requested)
    return [
        f"{n} images, correlation length {n / max(effective, 1e-9):.2f}, worth {effective:.1f} "
        "independent ones",
        f"false flags: regime {step.regime}, rate {step.rate:.4f} asked of order statistics "
        "(Beta(k, n + 1 - k))",
        "labelled images for a certificate without an error: "
        + ", ".join(f"{least} for {rate:.0%}" for rate, least in labelled_needed().items())
        + " (binomial, first attempt)",
    ]


def in_time(seconds: float) -> str:
    """Return a duration for people."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.0f} hours"


def _now(step: Step, effective: float) -> str:
    if step.regime == "none":
        return f"too few to promise anything: they count as {effective:.0f} different images"
    return f"with these {step.images} images: {_in_words(step)}"


def _in_words(step: Step) -> str:
    rate = f"{step.rate:.1%}" if step.rate >= 0.001 else f"{step.rate:.2%}"
    if step.regime == "confident":
        return f"at most {rate} false flags, with 95 % confidence"
    if step.regime == "marginal":
        return f"about {rate} false flags, on average"
    return f"advice only, {rate} false flags or more"


def _rounded(images: int, now: int) -> int:
    """Return the number rounded up to two digits where it is far away."""
    unit = 10 if images < 1000 else 100
    return images if images - now < unit else -(-images // unit) * unit
