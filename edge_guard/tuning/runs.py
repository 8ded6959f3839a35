"""How long one run of the model takes: with more threads, without taps, in the other format."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess, decode_image
from edge_guard.backends.spec import Backend
from edge_guard.backends.timing import run_times_us
from edge_guard.bundle import Bundle

MOST_THREADS = 16
_SUFFIXES = {"onnx": ".tflite", "tflite": ".onnx"}


class Runs(NamedTuple):
    """Time of one run, µs, by number of threads.

    Attributes
    ----------
    tapped : dict of int to float
        The bundle's model, with the taps that guards read.
    bare : dict of int to float
        The original model; empty where its file was not given.
    other : dict of int to float
        The same model in the other format; empty where there is none.
    runtimes : dict of str to str
        Runtime of ``tapped`` and ``other``.
    agreeing, compared : int
        Golden frames to which both formats give the same class, and all that were asked.
    """

    tapped: dict[int, float]
    bare: dict[int, float]
    other: dict[int, float]
    runtimes: dict[str, str]
    agreeing: int
    compared: int


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def thread_counts(available: int) -> list[int]:
    """Return the numbers of threads that are worth a try on so many processors.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    most = min(available, MOST_THREADS)
    return sorted({1 << k for k in range(most.bit_length()) if 1 << k <= most} | {most})


def find_other(bundle: Bundle, beside: Path) -> Path | None:
    """Return the file of the same name in the other format, None where there is none.

    Parameters
    ----------
    bundle : Bundle
    beside : Path
        A file in the folder that is searched.
    """
    manifest = bundle.manifest
    name = Path(manifest.provenance.model_name).stem + _SUFFIXES[manifest.model_kind]
    found = beside.absolute().parent / name
    return found if found.is_file() else None


def time_runs(
    bundle: Bundle, *, counts: list[int], model: Path | None, other: Path | None, seconds: float
) -> Runs:
    """Return how long runs take, all of them measured in turn, so that noise hits all alike.

    Parameters
    ----------
    bundle : Bundle
    counts : list of int
        Numbers of threads.
    model, other : Path, optional
        The original model, and the same in the other format.
    seconds : float
        About so long in all.

    Raises
    ------
    ModelError
        A model cannot be run here.
    """
    manifest = bundle.manifest
    with ExitStack() as opened:
        backends: dict[str, Backend] = {}

        def add(name: str, backend: Backend) -> None:
            opened.callback(backend.close)
            backends[name] = backend

        for n in counts:
            kind = manifest.model_kind
            add(f"tapped {n}", open_backend(bundle.model, manifest.plan, kind=kind, threads=n))
            if other is not None:
                add(f"other {n}", open_backend(other, threads=n))
        if model is not None:
            add("bare 1", open_backend(model, threads=1))
        times = run_times_us(backends, seconds)
        runtimes = {"tapped": manifest.runtime.backend}
        agreeing = compared = 0
        if other is not None:
            runtimes["other"] = backends["other 1"].runtime.backend
            agreeing, compared = _agree(bundle, backends["tapped 1"], backends["other 1"])
    by = {
        what: {int(name.split()[1]): us for name, us in times.items() if name.startswith(what)}
        for what in ("tapped", "bare", "other")
    }
    return Runs(by["tapped"], by["bare"], by["other"], runtimes, agreeing, compared)


def _agree(bundle: Bundle, one: Backend, other: Backend) -> tuple[int, int]:
    """Return how many golden frames get the same class, of how many; 0 of 0 without classes."""
    manifest = bundle.manifest
    if manifest.card.output.task != "classify":
        return 0, 0
    same = 0
    for golden in manifest.golden:
        image = decode_image(bundle.pictures[golden.entry])
        answers = []
        for backend in (one, other):
            Preprocess(manifest.card.input, backend.input)(image, backend.tensor)
            answers.append(int(np.argmax(backend.run().main)))
        same += answers[0] == answers[1]
    return same, len(manifest.golden)
