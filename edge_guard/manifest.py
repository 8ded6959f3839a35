"""What a bundle says about itself: ``manifest.json`` as typed structs."""

from __future__ import annotations

from typing import Literal

import msgspec

from edge_guard.backends.spec import Runtime, TapPlan
from edge_guard.card import Card
from edge_guard.gate.spec import GateSpec

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
    gaussian, nearest : bool
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


class Golden(msgspec.Struct, frozen=True):
    """A reference frame whose scores a device must reproduce before it trusts the bundle."""

    entry: str
    scores: tuple[float, ...]
    fused: float


class Provenance(msgspec.Struct, frozen=True):
    """Where a bundle comes from."""

    created: str
    version: str
    model_name: str
    model_sha256: str
    seed: int


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
