"""From a model and reference images to a bundle."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

import edge_guard
from edge_guard.backends.open import open_backend
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Backend
from edge_guard.backends.taps import TappedModel, tap_model
from edge_guard.bundle import Bundle, write_bundle
from edge_guard.calibration.attempts import counted
from edge_guard.calibration.causes import observe_causes
from edge_guard.calibration.conformal import MIN_EFFECTIVE, promise
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.drift_fit import fit_drift
from edge_guard.calibration.fit import FittedGuards, default_views, fit_guards, view_arrays
from edge_guard.calibration.folds import Fold, correlation_length, make_folds, standardise
from edge_guard.calibration.golden import golden_frames
from edge_guard.calibration.labelled import Evidence, Settled, settle, with_dials
from edge_guard.calibration.outliers import pseudo_outliers
from edge_guard.calibration.places import choose_map, fit_places, observe_space, search_rows
from edge_guard.calibration.preprocessing import check_preprocessing
from edge_guard.calibration.references import Observations, Observer, Progress, Reference
from edge_guard.calibration.suitability import refuse_unsuitable, summary
from edge_guard.calibration.truth import refuse_contradiction, truth_from_folders
from edge_guard.card import Card
from edge_guard.gate.description import Looks
from edge_guard.gate.fit import Seen, fit_gate
from edge_guard.gate.spec import GateSpec
from edge_guard.manifest import (
    FORMAT,
    GuardSpec,
    Manifest,
    Promise,
    Provenance,
    ViewSpec,
)
from edge_guard.scoring import fusion_arrays, score_names
from edge_guard.types import Array

_OUTLIERS_PER_KIND = 32


@dataclass(frozen=True, slots=True)
class Settings:
    """What the technician asks for.

    Attributes
    ----------
    false_flag_rate : float
        α: share of good frames that may be flagged.
    wishes : Wishes
        What is asked of labelled references: certificates, costs, a review budget.
    advisory : bool
        Write a bundle without a promise where the references support none.
    card_inferred : bool
        Nobody wrote the card: labelled references may correct it.
    labels : str
        ``auto``: folders name labels; ``none``: they are ignored.
    seed, threads : int
    """

    false_flag_rate: float = 0.01
    wishes: Wishes = field(default_factory=Wishes)
    advisory: bool = False
    labels: Literal["auto", "none"] = "auto"
    card_inferred: bool = False
    seed: int = 0
    threads: int = 1


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
        run = _Run(
            Path(model), Path(out), references, card, labels, settings, progress, tapped, backend
        )
        run.said = said
        bundle = run.bundle()
    finally:
        backend.close()
    identity = write_bundle(bundle, Path(out))
    return Bundle(bundle.manifest, bundle.model, bundle.arrays, bundle.pictures, identity)


class _Run:
    """One calibration: the inputs, and what each step derives from them."""

    def __init__(
        self,
        model: Path,
        out: Path,
        references: Sequence[Reference],
        card: Card,
        labels: tuple[str, ...],
        settings: Settings,
        progress: Progress,
        tapped: TappedModel,
        backend: Backend,
    ) -> None:
        self.out = out
        self.said: tuple[str, ...] = ()
        self.model_sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
        self.model, self.references, self.card, self.labels = model, references, card, labels
        self.settings, self.progress, self.tapped = settings, progress, tapped
        self.rng = np.random.default_rng(settings.seed)
        self.views: tuple[ViewSpec, ...] = default_views(tapped.plan)
        self.preprocess = Preprocess(card.input, backend.input)
        self.patches, self.space = choose_map(tapped.plan), None
        if self.patches:
            self.space = observe_space(self.patches, backend, self.preprocess, references)
        arrays = self.space.arrays() if self.space else None
        self.patches = self.patches if self.space else None
        self.observer = Observer(backend, self.preprocess, self.views, self.patches, arrays)
        self.backend = backend

    def bundle(self) -> Bundle:
        """Return the fitted bundle, not yet written."""
        seen = self.observer.observe(self.references, self.progress)
        refuse_unsuitable(seen)
        groups = np.array(seen.labels)
        length = correlation_length(standardise(seen.statistics), groups)
        self._refuse_few(seen, length)
        folds = list(make_folds(len(seen), length, self.rng))
        truth = self._truth(seen)
        fitted = self._fit(seen, folds)
        calibration = np.sort(fitted.references)
        held = promise(
            calibration,
            len(seen) / length,
            self.settings.false_flag_rate,
            advisory=self.settings.advisory,
        )
        settled = self._settle(seen, truth, fitted, held)
        gate, gate_arrays = self._gate(seen, folds)
        guards = GuardSpec(
            self._named_views(fitted),
            score_names(
                self.views, classes=seen.logits.shape[1] > 0, patches=fitted.places is not None
            ),
            1.0,
            settled.confidence is not None,
            fitted.fusion.top1,
            fitted.fusion.top3,
            fitted.places.limited(held) if fitted.places else None,
        )
        arrays = (
            view_arrays(self.views, fitted.views, seen.embeddings)
            | fusion_arrays(fitted.fusion)
            | gate_arrays
            | (fitted.places.arrays() if fitted.places else {})
            | {"fusion.calibration": calibration}
            | settled.arrays
        )
        by_name = {reference.name: reference for reference in self.references}
        readable = [by_name[name] for name in seen.names]
        self.progress("learning what drift looks like", 0, 1)
        drift = fit_drift(
            seen, fitted.references, readable, fixed=bool(gate.cells), seed=self.settings.seed
        )
        arrays |= drift.arrays()
        self.progress("learning what drift looks like", 1, 1)
        golden, pictures = golden_frames(readable, self.backend, self.preprocess, guards, arrays)
        manifest = Manifest(
            format=FORMAT,
            name=self.model.stem,
            model_kind=self.tapped.kind,
            entries={},
            card=self.card,
            labels=self.labels,
            plan=self.tapped.plan,
            runtime=self.backend.runtime,
            gate=gate,
            guards=guards,
            promise=held,
            certificate=settled.certificate,
            references=summary(
                seen, truth, self.labels, fitted.references, length, held, self.said + settled.said
            ),
            golden=golden,
            provenance=self._provenance(),
            confidence=settled.confidence,
            dials=settled.dials,
            drift=drift.spec,
        )
        return Bundle(manifest, self.tapped.model, arrays, pictures)

    def _refuse_few(self, seen: Observations, length: float) -> None:
        """Refuse before the long part, in the words of the threshold that could not be set."""
        if len(seen) < MIN_EFFECTIVE or not self.settings.advisory:
            promise(np.zeros(len(seen)), len(seen) / length, self.settings.false_flag_rate)

    def _truth(self, seen: Observations) -> npt.NDArray[np.intp]:
        classes = seen.logits.shape[1]
        if self.settings.labels == "none" or not classes:
            return np.full(len(seen), -1, np.intp)
        truth = truth_from_folders(seen.labels, self.labels, classes)
        known = truth >= 0
        refuse_contradiction(seen.logits.argmax(1)[known], truth[known], self.labels)
        return truth

    def _fit(self, seen: Observations, folds: list[Fold]) -> FittedGuards:
        kept = {name: ref for ref in self.references for name in [ref.name]}
        made = list(
            pseudo_outliers(
                lambda i: kept[seen.names[i]].load(), len(seen), _OUTLIERS_PER_KIND, self.rng
            )
        )
        pictures = [
            Reference(f"{kind} {i}", "", lambda image=image: image)  # type: ignore[misc]
            for i, (kind, _, image) in enumerate(made)
        ]
        outliers = self.observer.observe(
            pictures, lambda _, done, total: self.progress("imagining faults", done, total)
        )
        origins = np.array([origin for _, origin, _ in made], np.intp)
        kinds = np.array([kind for kind, _, _ in made])
        origins[~outliers.finite()] = -1  # such a frame goes to a person anyway: nothing to learn
        self.progress("fitting the guards", 0, 1)
        places = None
        if self.patches and self.space:
            rows = search_rows(self.patches, self.tapped.model_us)
            places = fit_places(
                self.patches, rows, self.space, seen, outliers, origins, folds, self.rng
            )
        fitted = fit_guards(
            self.views, seen, outliers, origins, kinds, folds, 1.0, self.rng, places
        )
        self.progress("fitting the guards", 1, 1)
        return fitted

    def _gate(self, seen: Observations, folds: list[Fold]) -> tuple[GateSpec, dict[str, Array]]:
        """Return the input gate, and its arrays."""
        load = {reference.name: reference.load for reference in self.references}
        changed, ways = observe_causes(
            lambda i: load[seen.names[i]](),
            len(seen),
            self.observer.meter,
            np.random.default_rng([self.settings.seed, 2]),
        )
        looks = Looks(seen.statistics, seen.cells, seen.reduced)
        splits = [(fold.fit, fold.score) for fold in folds]
        return fit_gate(Seen(looks, seen.shapes, seen.hashes), changed, ways, splits)

    def _settle(
        self,
        seen: Observations,
        truth: npt.NDArray[np.intp],
        fitted: FittedGuards,
        held: Promise,
    ) -> Settled:
        """Return what the labels support; the guards know nothing of labels."""
        taps = [e for view, e in zip(self.views, seen.embeddings, strict=True) if view.source >= 0]
        flagged = fitted.references > held.score_limit
        evidence = Evidence(seen.logits, taps, truth, flagged, self.labels)
        draw = np.random.default_rng([self.settings.seed, 1])
        asked = self.settings.wishes
        question = evidence.digest(asked.max_error, asked.max_escapes, self.settings.seed)
        with counted(asked, self.out, self.model_sha256, question) as wishes:
            settled = settle(evidence, wishes, draw)
        return with_dials(settled, evidence, wishes)

    def _named_views(self, fitted: FittedGuards) -> tuple[ViewSpec, ...]:
        """Return the views with the isotropic gains that fitting found."""
        return tuple(
            msgspec.structs.replace(view.spec, perp=view.gaussian.perp if view.gaussian else 0.0)
            for view in fitted.views
        )

    def _provenance(self) -> Provenance:
        return Provenance(
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            version=edge_guard.__version__,
            model_name=self.model.name,
            model_sha256=self.model_sha256,
            seed=self.settings.seed,
        )
