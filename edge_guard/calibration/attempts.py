"""How often a certificate was tried: whoever tries until it passes breaks the promise.

Attempt j may fail with δ_j = 0.9 δ · 10^(1−j), which sums to δ over all attempts. A bundle records
its attempt; a refused one, which writes no bundle, is recorded beside the place it would have had.
Another model starts again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from edge_guard.bundle import read_bundle
from edge_guard.calibration.dials import Wishes
from edge_guard.calibration.selective import DELTA
from edge_guard.errors import BundleError, GuaranteeError, ReferencesError

_FIRST, _DECAY = 0.9, 0.1


class _Refused(msgspec.Struct, frozen=True):
    model_sha256: str
    attempts: int


def delta_of(attempt: int) -> float:
    """Return δ_j of attempt j = 1, 2, …"""
    return DELTA * _FIRST * _DECAY ** (attempt - 1)


@contextmanager
def counted(wishes: Wishes, out: Path, model_sha256: str) -> Iterator[Wishes]:
    """Yield the wishes with their attempt's number and δ; a refusal is written down.

    Parameters
    ----------
    wishes : Wishes
    out : Path
        The bundle to write.
    model_sha256 : str

    Raises
    ------
    BundleError
        The previous bundle cannot be read.
    ReferencesError
        The record of refused attempts cannot be read.
    """
    if wishes.max_error is None:
        yield wishes
        return
    attempt = _next_attempt(wishes, out, model_sha256)
    try:
        yield replace(wishes, attempt=attempt, delta=delta_of(attempt))
    except GuaranteeError:
        _ledger(out).write_bytes(msgspec.json.encode(_Refused(model_sha256, attempt)))
        raise


def _next_attempt(wishes: Wishes, out: Path, model_sha256: str) -> int:
    made = [_in_bundle(wishes.previous, model_sha256)] if wishes.previous else []
    if out.exists():
        try:
            made.append(_in_bundle(out, model_sha256))
        except BundleError:
            made.append(1)  # damaged: it may have been an attempt
    return max([*made, _refused(out, model_sha256)]) + 1


def _in_bundle(path: Path, model_sha256: str) -> int:
    manifest = read_bundle(path).manifest
    if manifest.certificate is None or manifest.provenance.model_sha256 != model_sha256:
        return 0
    return manifest.certificate.attempt


def _refused(out: Path, model_sha256: str) -> int:
    path = _ledger(out)
    if not path.exists():
        return 0
    try:
        refused = msgspec.json.decode(path.read_bytes(), type=_Refused)
    except (OSError, msgspec.DecodeError) as error:
        raise ReferencesError(
            f"{path}, the record of refused certificates, cannot be read ({error})",
            "restore it, or write the bundle to another place",
        ) from None
    return refused.attempts if refused.model_sha256 == model_sha256 else 0


def _ledger(out: Path) -> Path:
    return out.with_name(out.name + ".attempts")
