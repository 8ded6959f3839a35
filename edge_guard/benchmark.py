"""What a bundle costs on this device, measured in situ: each stage right after the one before."""

from __future__ import annotations

import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess, decode_image, encode_jpeg
from edge_guard.backends.spec import Backend
from edge_guard.bundle import Bundle
from edge_guard.pipeline import Pipeline
from edge_guard.types import Doubles, Frame, Image

WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, 10th and 90th percentile of a stage, µs."""

    median_us: float
    p10_us: float
    p90_us: float


def spread(samples: Doubles) -> Spread:
    """Return the spread of samples in µs."""
    return Spread(*(float(v) for v in np.quantile(samples, [0.5, 0.1, 0.9])))


def benchmark(
    bundle: Bundle, *, frames: int, threads: int, model: Path | None = None
) -> dict[str, Any]:
    """Return the bench record.

    Guarded frames and frames of a bare loop (preprocess, run, argmax) alternate in one run, so
    that a noisy machine disturbs both alike. Each decodes its frame from a JPEG first, which is
    timed apart: where frames come as pixels, neither loop pays for it.

    Parameters
    ----------
    bundle : Bundle
    frames : int
        Frames of each loop.
    threads : int
        Threads of the model's runtime.
    model : Path, optional
        The original model, for a bare loop without taps; default the bundle's tapped model.
    """
    started = time.perf_counter()
    pipeline = Pipeline(bundle, threads=threads, live=False)
    load_ms = (time.perf_counter() - started) * 1e3
    manifest = bundle.manifest
    pictures = [
        encode_jpeg(decode_image(bundle.pictures[golden.entry])) for golden in manifest.golden
    ]
    if model is None:
        backend = open_backend(
            bundle.model, manifest.plan, kind=manifest.model_kind, threads=threads
        )
    else:
        backend = open_backend(model, None, kind=manifest.model_kind, threads=threads)
    stages, guarded, bare, decode = _alternate(pipeline, _Bare(backend, bundle), pictures, frames)
    pipeline.close()
    backend.close()
    model_us = stages["model"].median_us
    return {
        "type": "bench",
        "bundle": pipeline.bundle_id,
        "runtime": manifest.runtime,
        "threads": threads,
        "frames": frames,
        "load_ms": load_ms,
        "stages": {name: asdict(value) for name, value in stages.items()},
        "guards_share_of_model": stages["guards"].median_us / model_us if model_us else None,
        "guarded_us": asdict(guarded),
        "bare_us": asdict(bare),
        "guarded_frames_per_second": 1e6 / guarded.median_us,
        "share_of_bare_frame_rate": bare.median_us / guarded.median_us,
        "decode_us": asdict(decode),
        "share_of_bare_frame_rate_decoding": (
            (bare.median_us + decode.median_us) / (guarded.median_us + decode.median_us)
        ),
        "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
    }


class _Bare:
    """The same model without a guard."""

    def __init__(self, backend: Backend, bundle: Bundle) -> None:
        self._backend = backend
        self._preprocess = Preprocess(bundle.manifest.card.input, backend.input)

    def __call__(self, image: Image) -> int:
        self._preprocess(image, self._backend.tensor)
        return int(self._backend.run().main.argmax())


def _alternate(
    pipeline: Pipeline, bare: _Bare, pictures: list[bytes], frames: int
) -> tuple[dict[str, Spread], Spread, Spread, Spread]:
    """Return the stages, guarded and bare frames without decoding, and the decoding."""
    names = ("gate", "preprocess", "model", "guards")
    stages = np.zeros((frames, len(names)))
    times = np.zeros((frames, 4))
    for i in range(-WARM_UP, frames):
        picture = pictures[i % len(pictures)]
        began = [time.perf_counter()]
        image = decode_image(picture)
        began.append(time.perf_counter())
        result = pipeline.inspect(Frame("bench", max(i, 0), image))
        began.append(time.perf_counter())
        image = decode_image(picture)
        began.append(time.perf_counter())
        bare(image)
        began.append(time.perf_counter())
        if i >= 0:
            times[i] = np.diff(began) * 1e6
            stages[i] = [getattr(result.timing_us, name) for name in names]
    columns = {name: spread(stages[:, k]) for k, name in enumerate(names)}
    return columns, spread(times[:, 1]), spread(times[:, 3]), spread(times[:, [0, 2]].ravel())
