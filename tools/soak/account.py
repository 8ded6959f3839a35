"""What a soak has measured, and whether that is within its limits."""

from __future__ import annotations

import math
import urllib.request
from dataclasses import asdict, dataclass
from itertools import pairwise

MAX_SLOPE_MIB_PER_HOUR = 1.0
LEAST_MINUTES = 20.0
"""A shorter soak says nothing about the slope: buffers are still filling."""
MAX_MORE_FILES = 4
MAX_MORE_THREADS = 2
LEAST_SHARE = 0.9
"""Of its frame rate that a stream must keep while another one's camera is faulty."""
_MIB = 1 << 20


@dataclass(frozen=True)
class Sample:
    """The device's metrics at one moment."""

    seconds: float
    faulty: bool
    """Whether a camera is, from now on."""
    memory_mib: float
    files: int
    threads: int
    spool_mib: float
    backlog: int
    started: float
    frames: dict[str, int]
    dropped: int
    reasons: dict[str, int]
    self_tests: tuple[int, ...]


def take(port: int, seconds: float, *, faulty: bool) -> Sample:
    """Return what the device's ``/metrics`` says now.

    Raises
    ------
    OSError
        It does not answer.
    """
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        page = answer.read().decode()
    values: dict[str, dict[str, float]] = {}
    for line in page.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            family, _, labels = name.partition("{")
            values.setdefault(family, {})[labels.rstrip("}")] = float(value)
    return Sample(
        seconds,
        faulty,
        values["process_resident_memory_bytes"][""] / _MIB,
        int(values["process_open_fds"][""]),
        int(values["process_threads"][""]),
        values["edge_guard_spool_bytes"][""] / _MIB,
        int(values["edge_guard_spool_messages"][""]),
        values["process_start_time_seconds"][""],
        _by(values.get("edge_guard_verdicts_total", {}), "stream"),
        int(sum(values.get("edge_guard_dropped_frames_total", {}).values())),
        _by(values.get("edge_guard_reasons_total", {}), "guard"),
        tuple(int(passed) for passed in values.get("edge_guard_self_test_passed", {}).values()),
    )


@dataclass(frozen=True)
class Report:
    """A whole soak."""

    minutes: float
    frames: dict[str, int]
    frames_per_second: dict[str, float]
    beside_faults: dict[str, float]
    """The rate of each stream without faults while another has one, in shares of its usual."""
    dropped: int
    reasons: dict[str, int]
    faults: dict[str, int]
    memory_mib: tuple[float, float]
    """After the warm-up, at the end."""
    memory_course_mib: tuple[float, ...]
    """At about twenty moments: tells steps from a slope."""
    slope_mib_per_hour: float
    slope_error: float
    """Two standard errors, as if the samples were independent."""
    files: tuple[int, int]
    threads: tuple[int, int]
    largest_spool_mib: float
    largest_backlog: int
    restarts: int
    self_tests_passed: bool
    exit_code: int
    problems: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the report for people."""
        found = [f"{name:<20} {value}" for name, value in asdict(self).items()]
        return [*found, "within all limits" if not self.problems else "LIMITS EXCEEDED"]


def conclude(
    samples: list[Sample],
    faults: dict[str, int],
    healthy: list[str],
    exit_code: int,
) -> Report:
    """Return the report; the first half of the samples is warm-up: buffers fill for ten minutes.

    Parameters
    ----------
    samples : list of Sample
        In order, at least 4.
    faults : dict of str to int
        How often each was played.
    healthy : list of str
        Streams without faults.
    exit_code : int
        Of the device.
    """
    warm = samples[len(samples) // 2 :]
    first, last = warm[0], warm[-1]
    slope, error = slope_of([(s.seconds / 3600, s.memory_mib) for s in warm])
    span = max(last.seconds - first.seconds, 1e-6)
    rates = {
        name: round((n - first.frames.get(name, 0)) / span, 2) for name, n in last.frames.items()
    }
    report = Report(
        minutes=round(last.seconds / 60, 2),
        frames=last.frames,
        frames_per_second=rates,
        beside_faults={name: round(_share(samples, name), 3) for name in healthy},
        dropped=last.dropped,
        reasons=last.reasons,
        faults=faults,
        memory_mib=(round(first.memory_mib, 2), round(last.memory_mib, 2)),
        memory_course_mib=tuple(
            round(s.memory_mib, 1) for s in samples[:: max(1, len(samples) // 20)]
        ),
        slope_mib_per_hour=round(slope, 3),
        slope_error=round(error, 3),
        files=(first.files, max(s.files for s in warm)),
        threads=(first.threads, max(s.threads for s in warm)),
        largest_spool_mib=round(max(s.spool_mib for s in samples), 2),
        largest_backlog=max(s.backlog for s in samples),
        restarts=len({s.started for s in samples}) - 1,
        self_tests_passed=bool(last.self_tests) and all(last.self_tests),
        exit_code=exit_code,
        problems=(),
    )
    slow = [name for name, share in report.beside_faults.items() if share < LEAST_SHARE]
    problems = {
        f"memory grows by {slope:.2f} ± {error:.2f} MiB/h": (
            report.minutes >= LEAST_MINUTES and slope - error > MAX_SLOPE_MIB_PER_HOUR
        ),
        "open files grow": report.files[1] - report.files[0] > MAX_MORE_FILES,
        "threads grow": report.threads[1] - report.threads[0] > MAX_MORE_THREADS,
        "the device was restarted": report.restarts > 0,
        "a self-test failed or never ended": not report.self_tests_passed,
        f"streams without faults are held up: {', '.join(slow)}": bool(slow),
        f"the device ended with {exit_code}": exit_code != 0,
    }
    found = tuple(words for words, wrong in problems.items() if wrong)
    return Report(**{**asdict(report), "problems": found})


def slope_of(points: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the least-squares slope of y over x, and two of its standard errors."""
    n = len(points)
    mean_x, mean_y = (sum(values) / n for values in zip(*points, strict=True))
    sxx = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sxx
    rest = sum((y - mean_y - slope * (x - mean_x)) ** 2 for x, y in points)
    return slope, 2 * math.sqrt(rest / max(n - 2, 1) / sxx)


def _share(samples: list[Sample], stream: str) -> float:
    """Return a stream's rate beside faults over its rate beside none; 1 where one is unknown."""
    frames, seconds = [0, 0], [0.0, 0.0]
    for before, after in pairwise(samples):
        frames[before.faulty] += after.frames.get(stream, 0) - before.frames.get(stream, 0)
        seconds[before.faulty] += after.seconds - before.seconds
    if not all(seconds) or not frames[False]:
        return 1.0
    return (frames[True] / seconds[True]) / (frames[False] / seconds[False])


def _by(values: dict[str, float], label: str) -> dict[str, int]:
    """Return sums of values by one of their labels."""
    sums: dict[str, int] = {}
    for labels, value in values.items():
        pairs = dict(pair.split("=", 1) for pair in labels.split('",') if pair)
        name = pairs[label].strip('"')
        sums[name] = sums.get(name, 0) + int(value)
    return sums
