"""One calibration, step by step: observe, fit, promise, certify, describe."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

import edge_guard
from edge_guard.backends.preprocess import Preprocess
from edge_guard.backends.spec import Backend
from edge_guard.backends.taps import TappedModel
from edge_guard.bundle import Bundle
from edge_guard.calibration.accuracy import with_accuracy
from edge_guard.calibration.attempts import counted
from edge_guard.calibration.boxes import Boxes, look, settle_boxes, with_box_confidence
from edge_guard.calibration.causes import observe_causes
from edge_guard.calibration.conformal import MIN_EFFECTIVE, promise
from edge_guard.calibration.drift_fit import fit_drift
from edge_guard.calibration.evidence import with_evidence
from edge_guard.calibration.fit import FittedGuards, default_views, fit_guards, view_arrays
from edge_guard.calibration.folds import Fold, correlation_length, make_folds, standardise
from edge_guard.calibration.golden import golden_frames
from edge_guard.calibration.labelled import Evidence, Settled, settle, with_dials
from edge_guard.calibration.outliers import pseudo_outliers
from edge_guard.calibration.pictures import Shown, show
from edge_guard.calibration.places import choose_map, fit_places, observe_space, search_rows
from edge_guard.calibration.references import Observations, Observer, Progress, Reference
from edge_guard.calibration.settings import Settings
from edge_guard.calibration.suitability import modes_said, refuse_unsuitable, summary
from edge_guard.calibration.truth import refuse_contradiction, truth_from_folders
from edge_guard.card import Card
from edge_guard.detection.spec import DetectionSpec
from edge_guard.drift.model import DriftModel
from edge_guard.gate.description import Looks
from edge_guard.gate.fit import Seen, fit_gate
from edge_guard.gate.gate import MEASURES
from edge_guard.gate.spec import GateSpec
from edge_guard.manifest import (
    FORMAT,
    Golden,
    GuardSpec,
    Manifest,
    Promise,
    Provenance,
    ViewSpec,
    answer_in_words,
)
from edge_guard.scoring import fusion_arrays, score_names
from edge_guard.types import Array

_OUTLIERS_PER_KIND = 32


@dataclass(frozen=True, slots=True)
class _Learnt:
    """What the references teach."""

    length: float
    truth: npt.NDArray[np.intp]
    fitted: FittedGuards
    held: Promise
    settled: Settled
    gate: GateSpec
    gate_arrays: dict[str, Array]
    drift: DriftModel
    detection: DetectionSpec | None


class Run:
    """One calibration: the inputs, and what each step derives from them.

    Parameters are those of `edge_guard.calibration.calibrate.calibrate`, the tapped model, its open
    backend, and what the check of the card said.
    """

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
        said: tuple[str, ...],
    ) -> None:
        self.out, self.said = out, said
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
        learnt = self._learn(seen)
        guards = self._guards(seen, learnt)
        arrays = self._arrays(seen, learnt)
        readable = self._readable(seen)
        golden, pictures = golden_frames(readable, self.backend, self.preprocess, guards, arrays)
        shown = show([readable[row] for row in learnt.fitted.banked])
        manifest = self._manifest(seen, learnt, guards, golden, shown)
        bundle = Bundle(manifest, self.tapped.model, arrays, pictures | shown.pictures)
        known = np.setdiff1d(np.flatnonzero(learnt.truth >= 0), learnt.settled.chose)
        labelled = [(readable[row], int(learnt.truth[row])) for row in known]
        bundle = with_evidence(bundle, labelled, learnt.length)
        return with_accuracy(bundle, labelled, learnt.length, self.settings.seed, self.progress)

    def _learn(self, seen: Observations) -> _Learnt:
        """Return everything that the references teach."""
        groups = np.array(seen.labels)
        length = correlation_length(standardise(seen.statistics), groups)
        boxes = self._boxes(seen)
        self._refuse_few(seen, length)
        folds = list(make_folds(len(seen), length, self.rng))
        truth = self._truth(seen)
        fitted = self._fit(seen, folds)
        rate, advisory = self.settings.false_flag_rate, self.settings.advisory
        held = promise(np.sort(fitted.references), len(seen) / length, rate, advisory=advisory)
        settled = self._settle(seen, truth, fitted, held, boxes)
        gate, gate_arrays = self._gate(seen, folds)
        self.progress("learning what drift looks like", 0, 1)
        fixed, seed = bool(gate.cells), self.settings.seed
        readable = self._readable(seen)
        drift = fit_drift(
            seen,
            fitted.references,
            readable,
            fixed=fixed,
            seed=seed,
            flag_rate=rate,
            answers=boxes.labels if boxes else self._answers(seen),
        )
        self.progress("learning what drift looks like", 1, 1)
        found = with_box_confidence(boxes) if boxes else None
        return _Learnt(length, truth, fitted, held, settled, gate, gate_arrays, drift, found)

    def _boxes(self, seen: Observations) -> Boxes | None:
        """Return what a detector finds in the references; None for other tasks."""
        if self.card.output.task != "detect":
            return None
        readable, name = self._readable(seen), str(self.model)
        return look(self.backend, self.preprocess, self.card, self.labels, readable, name)

    def _answers(self, seen: Observations) -> tuple[str, ...]:
        """Return what the model says of each reference, in words as on the device."""
        if not seen.logits.shape[1]:
            return ()
        return tuple(answer_in_words(self.labels, i) for i in seen.logits.argmax(1).tolist())

    def _readable(self, seen: Observations) -> list[Reference]:
        by_name = {reference.name: reference for reference in self.references}
        return [by_name[name] for name in seen.names]

    def _guards(self, seen: Observations, learnt: _Learnt) -> GuardSpec:
        fitted = learnt.fitted
        classes, patches = seen.logits.shape[1] > 0, fitted.places is not None
        return GuardSpec(
            self._named_views(fitted),
            score_names(self.views, classes=classes, patches=patches),
            1.0,
            learnt.settled.confidence is not None,
            fitted.fusion.top1,
            fitted.fusion.top3,
            fitted.places.limited(learnt.held) if fitted.places else None,
        )

    def _arrays(self, seen: Observations, learnt: _Learnt) -> dict[str, Array]:
        fitted = learnt.fitted
        return (
            view_arrays(self.views, fitted.views, seen.embeddings)
            | fusion_arrays(fitted.fusion)
            | learnt.gate_arrays
            | (fitted.places.arrays() if fitted.places else {})
            | {
                "fusion.calibration": np.sort(fitted.references),
                "fusion.references": fitted.ranks(),
            }
            | learnt.settled.arrays
            | learnt.drift.arrays()
        )

    def _manifest(
        self,
        seen: Observations,
        learnt: _Learnt,
        guards: GuardSpec,
        golden: tuple[Golden, ...],
        shown: Shown,
    ) -> Manifest:
        settled, scores = learnt.settled, learnt.fitted.references
        said = self.said + modes_said(self.references) + settled.said + shown.said
        references = summary(
            seen, learnt.truth, self.labels, scores, learnt.length, learnt.held, said
        )
        return Manifest(
            format=FORMAT,
            name=self.model.stem,
            model_kind=self.tapped.kind,
            entries={},
            card=self.card,
            labels=self.labels,
            plan=self.tapped.plan,
            runtime=self.backend.runtime,
            gate=learnt.gate,
            guards=guards,
            promise=learnt.held,
            certificate=settled.certificate,
            references=msgspec.structs.replace(references, names=shown.names),
            golden=golden,
            provenance=self._provenance(),
            confidence=settled.confidence,
            dials=settled.dials,
            drift=learnt.drift.spec,
            detection=learnt.detection,
            measures=MEASURES,
            view=self.settings.view,
        )

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
        boxes: Boxes | None,
    ) -> Settled:
        """Return what the labels support; the guards know nothing of labels."""
        taps = [e for view, e in zip(self.views, seen.embeddings, strict=True) if view.source >= 0]
        flagged = fitted.references > held.score_limit
        evidence = Evidence(seen.logits, taps, truth, flagged, self.labels)
        draw = np.random.default_rng([self.settings.seed, 1])
        asked = self.settings.wishes
        marked = boxes.digest() if boxes else ""
        question = evidence.digest(asked.max_error, asked.max_escapes, self.settings.seed, marked)
        with counted(asked, self.out, self.model_sha256, question) as wishes:
            if boxes:
                return settle_boxes(boxes, flagged, wishes)
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
