"""How often a certificate was tried: whoever tries until it passes breaks the promise.

Attempt j may fail with δ_j = 0.9 δ · 10^(1−j), which sums to δ over all attempts. A bundle records
its attempt; a refused one, which writes no bundle, is recorded beside the place it would have had.
Another model starts again, and the very same question to the very same images is no new attempt:
it has the same answer.
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


class _Record(msgspec.Struct, frozen=True):
    model_sha256: str
    attempts: int
    question: str


def delta_of(attempt: int) -> float:
    """Return δ_j of attempt j = 1, 2, …"""
    return DELTA * _FIRST * _DECAY ** (attempt - 1)


@contextmanager
def counted(wishes: Wishes, out: Path, model_sha256: str, question: str) -> Iterator[Wishes]:
    """Yield the wishes with their attempt's number and δ; a refusal is written down.

    Parameters
    ----------
    wishes : Wishes
    out : Path
        The bundle to write.
    model_sha256 : str
    question : str
        Digest of the rates asked for and of the evidence.

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
    attempt = _attempt(wishes, out, model_sha256, question)
    try:
        yield replace(wishes, attempt=attempt, delta=delta_of(attempt), question=question)
    except GuaranteeError:
        _ledger(out).write_bytes(msgspec.json.encode(_Record(model_sha256, attempt, question)))
        raise


def _attempt(wishes: Wishes, out: Path, model_sha256: str, question: str) -> int:
    """Return the attempt's number: one more than was recorded, or that of the same question."""
    made = [_refused(out)]
    if wishes.previous:
        made.append(_in_bundle(wishes.previous))
    if out.exists():
        try:
            made.append(_in_bundle(out))
        except BundleError:
            made.append(_Record(model_sha256, 1, ""))  # damaged: it may have been an attempt
    last = max(
        (record for record in made if record and record.model_sha256 == model_sha256),
        key=lambda record: record.attempts,
        default=None,
    )
    if last is None:
        return 1
    return last.attempts if last.question == question else last.attempts + 1


def _in_bundle(path: Path) -> _Record | None:
    manifest = read_bundle(path).manifest
    made = manifest.certificate
    if made is None:
        return None
    return _Record(manifest.provenance.model_sha256, made.attempt, made.question)


def _refused(out: Path) -> _Record | None:
    path = _ledger(out)
    if not path.exists():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        raise ReferencesError(
            f"{path}, the record of refused certificates, cannot be read ({error})",
            "restore it, or write the bundle to another place",
        ) from None


def _ledger(out: Path) -> Path:
    return out.with_name(out.name + ".attempts")
