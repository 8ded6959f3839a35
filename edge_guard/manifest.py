"""What a bundle says about itself: ``manifest.json`` as typed structs."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.backends.spec import Runtime, TapPlan
from edge_guard.card import Card
from edge_guard.detection.spec import DetectionSpec
from edge_guard.drift.spec import DriftSpec
from edge_guard.gate.spec import GateSpec
from edge_guard.publish.messages import AccuracyBasis
from edge_guard.types import Detection
from edge_guard.view import View

FORMAT = 1
"""Version of the bundle format that this code writes; it reads 1..FORMAT."""


class ViewSpec(msgspec.Struct, frozen=True):
    """One embedding of a frame and the guards on it; arrays are ``{name}.means`` and so on.

    Attributes
    ----------
    name : str
    source : int
        Index of the tap, or −1 for the image statistics.
    columns : tuple of int
        Statistics that this view reads; empty for all of the source. The others have weight 0.
    normalize : int
        Block length of L2 normalisation, 0 for none.
    gaussian, nearest, contrast : bool
        Which guards score this view.
    perp : float
        Inverse variance outside the Gaussian's basis.
    """

    name: str
    source: int
    normalize: int
    gaussian: bool
    nearest: bool
    perp: float = 0.0
    columns: tuple[int, ...] = ()
    contrast: bool = False


class PatchSpec(msgspec.Struct, frozen=True):
    """The guard on one feature map (`edge_guard.guards.patch`); arrays are ``patches.*``.

    Attributes
    ----------
    tap : int
        Index of the tap.
    height, width : int
        Of the map.
    top : int
        How many of the largest distances the score averages.
    limit : float
        Distance that good frames exceed anywhere no more often than the promised rate: 1 in the
        heatmap's units. 0 before calibration has found it.
    """

    tap: int
    height: int
    width: int
    top: int
    limit: float = 0.0


class GuardSpec(msgspec.Struct, frozen=True):
    """How one frame's outputs become one score."""

    views: tuple[ViewSpec, ...]
    scores: tuple[str, ...]
    """Names in the order of the kernel."""
    temperature: float
    calibrated: bool
    """True when labelled references set the temperature."""
    top1: float
    top3: float
    patches: PatchSpec | None = None
    """None for models without feature maps."""


class Promise(msgspec.Struct, frozen=True):
    """What the flag threshold guarantees.

    Attributes
    ----------
    false_flag_rate : float
        The promised rate α of flags on frames like the references.
    requested : float
        The rate that was asked for.
    regime : str
        ``advisory`` (< 50 effective references), ``marginal`` (50–298) or ``confident`` (≥ 299:
        "at most α with 95 % confidence").
    score_limit : float
        Fused scores above it are flagged.
    p_limit : float
        Largest p-value that is flagged.
    """

    false_flag_rate: float
    requested: float
    regime: Literal["advisory", "marginal", "confident"]
    score_limit: float
    p_limit: float


class Certificate(msgspec.Struct, frozen=True):
    """ "Of what is accepted, at most ``max_error`` is wrong, with probability 1 − ``delta``."

    (Angelopoulos et al. 2021, Learn then Test, fixed-sequence testing.)
    """

    max_error: float
    delta: float
    min_confidence: float
    """Accept at or above this calibrated confidence."""
    accepted: int
    wrong: int
    labelled: int
    upper_bound: float
    attempt: int = 1
    """Which attempt this was: each gets a smaller share of the 5 %."""
    question: str = ""
    """Digest of what was asked of which evidence: asking the same again is no new attempt."""
    max_escapes: float | None = None
    """Certified bound of P(accepted as good | defective); None: counted only."""
    escapes: int | None = None
    """Defective references accepted as good, of ``defective``; None without a good label."""
    defective: int | None = None
    good_label: str | None = None


class ConfidenceSpec(msgspec.Struct, frozen=True):
    """How outputs become the probability that the answer is right (see `edge_guard.confidence`).

    Attributes
    ----------
    ranking : str
        The score x that orders frames; ``probe`` has arrays ``probe.weight`` and ``probe.bias``.
    method : str
        Map from x to confidence.
    knots : tuple of pairs
        Its points (x, ln of the odds), both strictly ascending.
    temperature, gain : float
        T of ``msp``; a of ``probe``.
    labelled : int
        References that fitted the map.
    nll, brier, ece : float or None
        Out-of-fold reliability of "the answer is right"; ``ece`` debiased.
    augrc : dict of str to float
        Generalised risk of each ranking that was tried, smaller = better.
    """

    ranking: Literal["msp", "gen", "pnorm", "probe", "clearance"]
    method: Literal["none", "temperature", "platt", "beta", "isotonic"]
    knots: tuple[tuple[float, float], ...]
    temperature: float = 1.0
    gain: float = 1.0
    labelled: int = 0
    nll: float | None = None
    brier: float | None = None
    ece: float | None = None
    augrc: dict[str, float] = {}


class AccuracySpec(msgspec.Struct, frozen=True):
    """How the accuracy of accepted answers is estimated without labels.

    Attributes
    ----------
    edges : tuple of float
        Confidences between the bins that accepted frames are counted in, ascending.
    basis : AccuracyBasis
        What the counts are worth.
    """

    edges: tuple[float, ...]
    basis: AccuracyBasis


class Dials(msgspec.Struct, frozen=True):
    """What the owner of the line weighs; dials only ever send more frames to a person.

    Attributes
    ----------
    cost_confidence : float or None
        1 − cost of a review / cost of an error: below it a look is worth its price (Chow 1970).
    review_budget : float or None
        Share of the frames that people can look at.
    budget_confidence : float or None
        Below it a frame is worth what the budget leaves.
    """

    cost_confidence: float | None = None
    review_budget: float | None = None
    budget_confidence: float | None = None


class References(msgspec.Struct, frozen=True):
    """What the bundle was calibrated on."""

    n: int
    n_effective: float
    correlation_length: float
    labelled: int
    labels: dict[str, int]
    accuracy: float | None
    suspicious: tuple[str, ...]
    warnings: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Of the references in the nearest-neighbour banks, row after row; ``references/ROW.jpg`` is
    the small picture, where there is room for it. Empty in bundles of earlier versions."""


class Golden(msgspec.Struct, frozen=True):
    """A reference frame whose scores a device must reproduce before it trusts the bundle."""

    entry: str
    scores: tuple[float, ...]
    fused: float
    boxes: tuple[Detection, ...] | None = None
    """What a detector found; None for other tasks, and in bundles of earlier versions."""


class Provenance(msgspec.Struct, frozen=True):
    """Where a bundle comes from."""

    created: str
    version: str
    model_name: str
    model_sha256: str
    seed: int


class Retuned(msgspec.Struct, frozen=True):
    """How a bundle came from another one and from people's labels: its thresholds, nothing else.

    Attributes
    ----------
    parent, parent_sha256 : str
        Id and digest of the bundle that it was made from.
    created, who : str
    method : str
        In words.
    labels : int
        Frames that people had judged.
    audited : int
        Those drawn at random: what the certificate rests on.
    references : int
        Labelled references of the parent that were counted too.
    labels_sha256 : str
        Of which frames were judged, and how.
    first, last : str
        When the judged frames were captured.
    """

    parent: str
    parent_sha256: str
    created: str
    who: str
    method: str
    labels: int
    audited: int
    references: int
    labels_sha256: str
    first: str
    last: str


def answer_in_words(labels: tuple[str, ...], index: int) -> str:
    """Return a class in words: its label, or its number where it has none."""
    return labels[index] if index < len(labels) else f"class {index}"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole manifest."""

    format: int
    name: str
    model_kind: Literal["onnx", "tflite"]
    entries: dict[str, str]
    """sha-256 of every other entry, in hex."""
    card: Card
    labels: tuple[str, ...]
    plan: TapPlan
    runtime: Runtime
    gate: GateSpec
    guards: GuardSpec
    promise: Promise
    certificate: Certificate | None
    references: References
    golden: tuple[Golden, ...]
    provenance: Provenance
    confidence: ConfidenceSpec | None = None
    """None: the kernel's largest softmax, as bundles had it first."""
    dials: Dials = Dials()
    drift: DriftSpec | None = None
    """None: no monitors, as bundles were first."""
    measures: int = 1
    """How pictures were measured: `edge_guard.gate.gate.MEASURES` of the calibrating version."""
    accuracy: AccuracySpec | None = None
    """None: the references hold too few labels, or the bundle is of an earlier version."""
    trials: tuple[str, ...] = ("dead", "foreign")
    """Spoilt pictures that the bundle did not accept when it was made: its self-test."""
    detection: DetectionSpec | None = None
    """None: the model is no detector."""
    retuned: Retuned | None = None
    """None: it was calibrated, not retuned."""
    view: View | None = None
    """What of the camera's picture the references showed; None: an earlier version's bundle."""
