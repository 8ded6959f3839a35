"""From a model and reference images to a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_guard.backends.open import open_backend
from edge_guard.backends.taps import tap_model
from edge_guard.bundle import Bundle, write_bundle
from edge_guard.calibration.golden import with_trials
from edge_guard.calibration.preprocessing import check_preprocessing
from edge_guard.calibration.references import Progress, Reference
from edge_guard.calibration.run import Run
from edge_guard.calibration.settings import Settings
from edge_guard.card import Card


def silent(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def calibrate(
    model: str | Path,
    references: Sequence[Reference],
    out: str | Path,
    *,
    card: Card,
    labels: tuple[str, ...] = (),
    settings: Settings | None = None,
    progress: Progress = silent,
) -> Bundle:
    """Fit guards to a model and references, write the bundle, and return it.

    Parameters
    ----------
    model : path
        ONNX or TFLite file.
    references : sequence of Reference
        Images of good production, in the order of capture (`find_references`).
    out : path
        The ``.guard`` file to write.
    card : Card
        How frames become input and what outputs mean (`edge_guard.card`).
    labels : tuple of str
        The model's labels in index order.
    settings : Settings, optional
    progress : callable
        Called with (stage, done, total).

    Raises
    ------
    ModelError, CardError
        The model cannot be run or tapped, or contradicts its card.
    ReferencesError
        The references are too few or unsuitable.
    GuaranteeError
        A wish of ``settings`` cannot be certified.
    """
    settings = settings or Settings()
    progress("reading the model", 0, 1)
    tapped = tap_model(Path(model), card, threads=settings.threads)
    said: tuple[str, ...] = ()
    if settings.labels == "auto":
        progress("checking the card", 0, 1)
        given = card
        card, said = check_preprocessing(
            Path(model), given, references, labels, inferred=settings.card_inferred
        )
        if card != given:
            tapped = tap_model(Path(model), card, threads=settings.threads)
    backend = open_backend(tapped.model, tapped.plan, kind=tapped.kind, threads=settings.threads)
    progress("reading the model", 1, 1)
    try:
        bundle = Run(
            Path(model),
            Path(out),
            references,
            card,
            labels,
            settings,
            progress,
            tapped,
            backend,
            settings.said + said,
        ).bundle()
    finally:
        backend.close()
    bundle = with_trials(bundle)
    identity = write_bundle(bundle, Path(out))
    return Bundle(bundle.manifest, bundle.model, bundle.arrays, bundle.pictures, identity)
