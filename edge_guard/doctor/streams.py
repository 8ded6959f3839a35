"""One stream: does its bundle work here, does its camera give what the bundle expects, in time?"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edge_guard.backends.preprocess import decode_image
from edge_guard.bundle import Bundle
from edge_guard.calibration.advice.sight import Eye, Sight
from edge_guard.config import StreamTable
from edge_guard.doctor.findings import Area, Finding, fine, from_error, problem, warning
from edge_guard.doctor.light import check_light
from edge_guard.errors import EdgeGuardError
from edge_guard.pipeline import Pipeline
from edge_guard.selftest import run_all
from edge_guard.signing import read_trusted
from edge_guard.sources import Damaged, Source, SourceState, View, open_source
from edge_guard.types import Doubles, Exposure, Frame, Result, Verdict

FRAMES = 60
SECONDS = 6.0
"""So many frames, or so long, is looked at a stream."""
LIVE_SECONDS = 3.5
"""A camera is looked at for so long at least: flicker shows in time."""
_MOST_FRAMES = 600
FIRST_FRAME_SECONDS = 15.0

_TIMED = 30
_WARM_UP = 3
_SAME_VIEW = (
    "set the stream's region, rotate and flip as at calibration, or calibrate with those it has"
)
_BUSY = 0.7
"""Share of the time between frames that the guard may take without a warning."""


@dataclass(slots=True)
class Sighting:
    """What a source gave, and what the guard said of it.

    Attributes
    ----------
    statistics : list of dict
        Image statistics of each frame, by name.
    seconds : list of float
        When each was captured, on the monotonic clock.
    sequences : list of int
    shapes : Counter of tuple
    results : list of Result
    exposures : list of Exposure
        Of frames whose camera tells.
    sights : list of Sight
        Of a live camera.
    damaged : int
    """

    statistics: list[dict[str, float]] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sequences: list[int] = field(default_factory=list)
    shapes: Counter[tuple[int, ...]] = field(default_factory=Counter)
    results: list[Result] = field(default_factory=list)
    exposures: list[Exposure] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)
    damaged: int = 0

    def add(self, frame: Frame, result: Result, statistics: dict[str, float]) -> None:
        """Remember a frame."""
        self.seconds.append(frame.monotonic_ns / 1e9)
        self.sequences.append(frame.sequence)
        self.shapes[frame.image.shape] += 1
        self.results.append(result)
        self.exposures += [frame.exposure] if frame.exposure else []
        if statistics:
            self.statistics.append(statistics)

    def column(self, name: str) -> Doubles:
        """Return one statistic of all frames that could be measured, (N,)."""
        return np.array([row[name] for row in self.statistics])

    @property
    def rate(self) -> float:
        """Frames a second, those that were dropped for newer ones included; 0 when unknown."""
        if len(self.seconds) < 2 or self.seconds[-1] <= self.seconds[0]:
            return 0.0
        span = self.seconds[-1] - self.seconds[0]
        return (self.sequences[-1] - self.sequences[0]) / span


def read_bundles(
    streams: tuple[StreamTable, ...], trusted: tuple[str, ...] = ()
) -> dict[str, Bundle | EdgeGuardError]:
    """Return each bundle that streams name, by path, or why it cannot be used.

    Parameters
    ----------
    streams : tuple of StreamTable
    trusted : tuple of str
        Public keys of whoever may sign them; none: whoever.
    """
    found: dict[str, Bundle | EdgeGuardError] = {}
    variants = (one for stream in streams for one in stream.variants().values())
    for name in dict.fromkeys(one.bundle for one in variants):
        try:
            found[name] = read_trusted(Path(name), trusted)
        except EdgeGuardError as error:
            found[name] = error
    return found


def check_stream(table: StreamTable, bundle: Bundle | EdgeGuardError) -> Iterator[Finding]:
    """Yield what is found of a stream's bundle and source.

    Parameters
    ----------
    table : StreamTable
        With absolute paths.
    bundle : Bundle or EdgeGuardError
        What its file held.
    """
    if isinstance(bundle, EdgeGuardError):
        yield from_error(Area.BUNDLE, bundle)
        return
    view = View(table.region, table.rotate, table.flip)
    try:
        live = not Path(table.source).is_dir()
        pipeline = Pipeline(bundle, threads=table.threads, live=live, view=view)
    except EdgeGuardError as error:
        yield from_error(Area.BUNDLE, error)
        return
    try:
        golden = len(bundle.manifest.golden)
        signed = ", signed" if bundle.signature else ""
        words = f"{table.name}: bundle {bundle.id}{signed} loads, {golden} golden frames agree"
        yield fine(Area.BUNDLE, words)
        yield _model(table.name, bundle)
        yield from _self_test(table.name, pipeline)
        if pipeline.view_trouble:
            yield problem(Area.CAMERA, f"{table.name}: {pipeline.view_trouble}", _SAME_VIEW)
        yield from _check_source(table, view, bundle, pipeline)
    finally:
        pipeline.close()


def _model(name: str, bundle: Bundle) -> Finding:
    """Return which model runs, as its card reads it, on what."""
    manifest = bundle.manifest
    target, card, runtime = manifest.plan.input, manifest.card, manifest.runtime
    return fine(
        Area.BUNDLE,
        f"{name}: model {manifest.provenance.model_name} ({card.output.task}, {target.width}×"
        f"{target.height} px, {card.input.color}, {len(manifest.labels)} labels) for "
        f"{runtime.backend} {runtime.version}",
    )


def _self_test(name: str, pipeline: Pipeline) -> Iterator[Finding]:
    """Yield whether the guard still catches spoilt pictures, one finding where it does."""
    report = run_all(pipeline)
    failures = [failure for failure in report.failures if failure != pipeline.view_trouble]
    if not failures:
        yield fine(Area.BUNDLE, f"{name}: the guard catches all {report.trials} test pictures")
    for failure in failures:
        remedy = "calibrate again, with references that are good production"
        yield problem(Area.BUNDLE, f"{name}: the self-test fails: {failure}", remedy)


def _check_source(
    table: StreamTable, view: View, bundle: Bundle, pipeline: Pipeline
) -> Iterator[Finding]:
    pulses = table.trigger if table.trigger and table.trigger.kind == "hardware" else None
    try:
        source = open_source(table.source, stream=table.name, view=view, trigger=pulses)
    except EdgeGuardError as error:
        yield from_error(Area.CAMERA, error)
        return
    try:
        seen = _look(source, pipeline)
    finally:
        waits = pulses is not None and source.state is SourceState.RUNNING
        source.close()
    if not seen.results and waits and not seen.damaged:
        words = f"{table.name}: {source.address} answers, but no pulse came"
        remedy = "let parts run past it and ask again"
        yield warning(Area.CAMERA, f"{words} in {FIRST_FRAME_SECONDS:g} s", remedy)
        return
    if not seen.results:
        cause = source.cause or "the source gives nothing"
        remedy = "check cable, address and that no other program uses it"
        if seen.damaged:
            cause, remedy = "no frame of it could be decoded", "check the camera's format"
        yield problem(
            Area.CAMERA, f"{table.name}: no frame from {source.address} ({cause})", remedy
        )
        return
    rate = seen.rate if source.live else table.frames_per_second or 0.0
    yield _opened(table.name, source, seen, rate)
    yield from _check_size(table.name, bundle, seen)
    yield from check_cost(table, bundle, pipeline, 0.0 if table.trigger else rate)
    yield from check_light(table.name, bundle.manifest.gate, seen, live=source.live)
    yield _check_verdicts(table.name, bundle, seen)


def _look(source: Source, pipeline: Pipeline) -> Sighting:
    """Return what a source gives in a few seconds."""
    seen, end = Sighting(), time.monotonic() + FIRST_FRAME_SECONDS
    eye = Eye()
    while not _enough(seen, source) and not source.finished and time.monotonic() < end:
        item = source.read(max(0.0, end - time.monotonic()))
        if isinstance(item, Damaged):
            seen.damaged += 1
        elif item is not None:
            if not seen.results:
                end = time.monotonic() + SECONDS
            seen.add(item, pipeline.inspect(item), pipeline.statistics)
            if source.live and pipeline.seen is not None:
                seen.sights.append(eye.see(item, item.image))
    return seen


def _enough(seen: Sighting, source: Source) -> bool:
    count = len(seen.results)
    if count < FRAMES or count >= _MOST_FRAMES or not source.live:
        return count >= FRAMES
    return seen.seconds[-1] - seen.seconds[0] >= LIVE_SECONDS


def _opened(name: str, source: Source, seen: Sighting, rate: float) -> Finding:
    shape = seen.shapes.most_common(1)[0][0]
    kind = "gray" if len(shape) == 2 else "colour"
    words = f"{name}: {source.address} gives {shape[1]}×{shape[0]} px, {kind}"
    if rate:
        words += f", {rate:.1f} frames a second"
    if seen.damaged:
        total = seen.damaged + len(seen.results)
        words += f"; {seen.damaged} of {total} frames could not be decoded"
        return warning(Area.CAMERA, words, "check cable and camera; use a wired connection")
    return fine(Area.CAMERA, words)


def _check_size(name: str, bundle: Bundle, seen: Sighting) -> Iterator[Finding]:
    """Yield a problem where frames are not of the size or colour of the references."""
    size = bundle.manifest.gate.size
    if size is None:
        return
    height, width, channels = size
    for shape, count in seen.shapes.items():
        here = (*shape[:2], shape[2] if len(shape) == 3 else 1)
        if here != (height, width, channels):
            yield problem(
                Area.CAMERA,
                f"{name}: {count} frames are {here[1]}×{here[0]} px with {here[2]} channels, "
                f"the references were {width}×{height} with {channels}",
                "set the camera as it was at calibration, or calibrate again",
            )


def check_cost(
    table: StreamTable, bundle: Bundle, pipeline: Pipeline, rate: float
) -> Iterator[Finding]:
    """Yield what a frame costs against the time that there is for it.

    Parameters
    ----------
    table : StreamTable
    bundle : Bundle
    pipeline : Pipeline
        Open, of that bundle.
    rate : float
        Frames a second; 0 where none is due.
    """
    cost = cost_ms(bundle, pipeline)
    words = f"{table.name}: a frame takes {cost:.1f} ms with {table.threads} thread(s)"
    if not rate:
        yield fine(Area.BUNDLE, words)
        return
    share = cost * rate / 1000.0
    words += f", frames come every {1000.0 / rate:.1f} ms"
    if share > 1.0:
        remedy = "more threads, a smaller model or a slower camera; 'edge-guard bench' tells more"
        yield problem(
            Area.BUNDLE, f"{words}: {1.0 - 1.0 / share:.0%} of them will be dropped", remedy
        )
    elif share > _BUSY:
        remedy = "leave room for other work: more threads, a smaller model or a slower camera"
        yield warning(Area.BUNDLE, words, remedy)
    else:
        yield fine(Area.BUNDLE, words)


def cost_ms(bundle: Bundle, pipeline: Pipeline) -> float:
    """Return the median time that one golden frame takes through the pipeline, ms."""
    images = [decode_image(bundle.pictures[golden.entry]) for golden in bundle.manifest.golden]
    took = []
    for i in range(_TIMED + _WARM_UP):
        frame = Frame("doctor", i, images[i % len(images)])
        started = time.perf_counter()
        pipeline.inspect(frame)
        took.append((time.perf_counter() - started) * 1e3)
    return float(np.median(took[_WARM_UP:]))


def _check_verdicts(name: str, bundle: Bundle, seen: Sighting) -> Finding:
    """Return how many frames are flagged, against what was promised."""
    flagged = [r for r in seen.results if r.verdict != Verdict.ACCEPT]
    n, promised = len(seen.results), bundle.manifest.promise.false_flag_rate
    words = f"{name}: {len(flagged)} of {n} frames are flagged, {promised:.1%} are promised"
    expected = n * promised
    if len(flagged) <= expected + 3.0 * max(expected, 1.0) ** 0.5:
        return fine(Area.CAMERA, words)
    reason, count = Counter(r.reasons[0].guard for r in flagged).most_common(1)[0]
    told = next(r.reasons[0].message for r in flagged if r.reasons[0].guard == reason)
    words += f"; {count} for {reason}: {told}"
    remedy = "look at the camera's picture; 'edge-guard parity' shows how it differs"
    return (problem if len(flagged) > n / 2 else warning)(Area.CAMERA, words, remedy)
