"""What the measurements advise, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from edge_guard.backends.spec import TensorSpec
from edge_guard.tuning.guards import GuardCosts
from edge_guard.tuning.pictures import PictureCost
from edge_guard.tuning.runs import Runs

_WORTH = 0.08
"""Share of the time that a choice must save before it is worth a change."""
_LISTED = 3


class Hint(NamedTuple):
    """One piece of advice: what it is about, and what to do."""

    topic: str
    message: str


def best_threads(times_us: dict[int, float]) -> int:
    """Return the smallest number of threads that is nearly as fast as the fastest.

    >>> best_threads({1: 4.0, 2: 2.5, 4: 2.4})
    2
    """
    fastest = min(times_us.values())
    return min(n for n, us in times_us.items() if us <= fastest * (1.0 + _WORTH))


def advise(
    record: dict[str, Any],
    runs: Runs,
    pictures: Sequence[PictureCost],
    guards: GuardCosts,
    target: TensorSpec,
) -> list[Hint]:
    """Return the advice.

    Parameters
    ----------
    record : dict
        Of `edge_guard.benchmark.benchmark`.
    runs, pictures, guards : Runs, sequence of PictureCost, GuardCosts
        Measured with the same bundle.
    target : TensorSpec
        The model's input.
    """
    frame_us = record["guarded_us"]["median_us"]
    return [
        *_threads(runs.tapped, record["threads"]),
        *_taps(runs),
        *_format(runs),
        *_pictures(pictures, target, frame_us),
        *_guards(guards, record["stages"], frame_us),
    ]


def _threads(times: dict[int, float], used: int) -> Iterator[Hint]:
    if len(times) == 1:
        yield Hint("threads", "this device has one processor: threads = 1 is right")
        return
    best, one = best_threads(times), times[1]
    told = [f"1 thread takes {_ms(one)} a run"]
    for n, us in list(times.items())[1:]:
        faster = one / us
        words = f"{faster:.1f}x faster" if faster > 1.0 + _WORTH else "no faster"
        if faster < 1.0 - _WORTH:
            words = f"{1.0 / faster:.1f}x slower"
        told.append(f"{n} take {_ms(us)} ({words})")
    do = f"threads = {best} is right" if used == best else f"set threads = {best}"
    if best > 1:
        do += "; one stream only: several streams share the processors"
    yield Hint("threads", f"{', '.join(told)}: {do}")


def _taps(runs: Runs) -> Iterator[Hint]:
    if runs.bare:
        ratio = runs.tapped[1] / runs.bare[1]
        words = f"cost {ratio - 1.0:.0%} of its time" if ratio > 1.0 else "cost nothing"
        yield Hint(
            "taps",
            f"the model takes {_ms(runs.bare[1])} a run as its file is, {_ms(runs.tapped[1])} as "
            f"the bundle has it: what guards read inside it {words}",
        )


def _format(runs: Runs) -> Iterator[Hint]:
    mine = runs.runtimes["tapped"]
    if not runs.other:
        words = f"only {mine} was tried: give the same model in the other format with --other FILE"
        yield Hint("backend", words)
        return
    here, there = best_threads(runs.tapped), best_threads(runs.other)
    now, then, other = runs.tapped[here], runs.other[there], runs.runtimes["other"]
    told = (
        f"{mine} takes {_ms(now)} a run with {here} thread(s), "
        f"{other} {_ms(then)} with {there} and without taps"
    )
    same = f"; {runs.agreeing} of {runs.compared} golden frames get the same answer"
    told += same if runs.compared else ""
    if then >= now * (1.0 - _WORTH):
        yield Hint("backend", f"{told}: stay with {mine}")
        return
    yield Hint(
        "backend",
        f"{told}: {other} is {now / then:.1f}x faster; calibrate the other file to use it, and "
        "'edge-guard compare' shows what else would change",
    )


def _pictures(
    pictures: Sequence[PictureCost], target: TensorSpec, frame_us: float
) -> Iterator[Hint]:
    now = pictures[0]
    whole = now.decode_us + now.measure_us
    told = (
        f"{now.width}×{now.height} px cost {_ms(now.measure_us)} a frame to measure and resize, "
        f"{_ms(now.decode_us)} more where they come as JPEG"
    )
    if len(pictures) == 1:
        words = f"{told}; the model sees {target.width}×{target.height}: smaller would lose detail"
        yield Hint("resolution", words)
        return
    small = pictures[1]
    saved = whole - small.decode_us - small.measure_us
    share = saved / (frame_us + now.decode_us)
    told += (
        f"; {small.width}×{small.height} would save {_ms(max(saved, 0.0))} ({max(share, 0.0):.0%} "
        f"of a frame), and the model sees {target.width}×{target.height}"
    )
    do = "not worth a change"
    if share > _WORTH:
        do = "set the camera to it or give a region of interest, then calibrate again"
    yield Hint("resolution", f"{told}: {do}")


def _guards(guards: GuardCosts, stages: dict[str, Any], frame_us: float) -> Iterator[Hint]:
    model_us, stage_us = (stages[name]["median_us"] for name in ("model", "guards"))
    costly = [(name, us) for name, us in guards.saved_us.items() if us > 0.01 * guards.all_us]
    listed = ", ".join(f"{name} {_ms(us)}" for name, us in costly[:_LISTED])
    share = guards.all_us / frame_us
    words = (
        f"scoring takes {_ms(guards.all_us)}, {share:.0%} of a frame and "
        f"{guards.all_us / model_us:.0%} of the model's time"
    )
    if listed:
        words += f"; most of it for {listed}"
    rest = stage_us - guards.all_us
    if rest > _WORTH * frame_us:
        boxes = f"{_ms(guards.boxes_us)} for the boxes, " if guards.boxes_us else ""
        words += (
            f"; another {_ms(rest)} go to {boxes}the decision, and the reasons of flagged frames"
        )
    yield Hint("guards", words)
    if guards.halved_us > _WORTH * frame_us:
        yield Hint(
            "references",
            f"with half as many references scoring would take {_ms(guards.halved_us)} less "
            f"({guards.halved_us / frame_us:.0%} of a frame): calibrate with fewer where that is "
            "needed, and see in the report what the promise becomes",
        )


def _ms(us: float) -> str:
    return f"{us / 1e3:.2f} ms"
