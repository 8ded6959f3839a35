"""All measurements of a bundle, and the advice that follows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge_guard.bundle import Bundle
from edge_guard.tuning.advice import Hint, advise
from edge_guard.tuning.guards import time_guards
from edge_guard.tuning.pictures import time_pictures
from edge_guard.tuning.runs import processors, thread_counts, time_runs

SECONDS = 3.0
"""About so long is measured for each question."""


def tune(
    bundle: Bundle, record: dict[str, Any], *, model: Path | None, other: Path | None
) -> tuple[dict[str, Any], list[Hint]]:
    """Return what was measured, as one record, and the advice.

    Parameters
    ----------
    bundle : Bundle
    record : dict
        Of `edge_guard.benchmark.benchmark`, with the same bundle.
    model, other : Path, optional
        The original model, and the same in the other format.

    Raises
    ------
    ModelError
        A model cannot be run here.
    """
    available = processors()
    counts = thread_counts(available)
    runs = time_runs(bundle, counts=counts, model=model, other=other, seconds=SECONDS)
    pictures = time_pictures(bundle)
    guards = time_guards(bundle, threads=record["threads"], seconds=SECONDS)
    measured = {
        "processors": available,
        "runs": runs._asdict(),
        "pictures": [picture._asdict() for picture in pictures],
        "guards": guards._asdict(),
    }
    return measured, advise(record, runs, pictures, guards, bundle.manifest.plan.input)
