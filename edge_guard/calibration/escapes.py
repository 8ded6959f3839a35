"""Escapes: defective parts that are accepted as good. They have a rate of their own.

P(wrong | accepted) says little of them where defects are rare: a model that calls everything good
is right nearly always.
"""

from __future__ import annotations

import difflib

import numpy as np
import numpy.typing as npt

from edge_guard.calibration.selective import DELTA, Escapes, forgiving
from edge_guard.errors import ConfigError, GuaranteeError

GOOD_LABELS = frozenset({"ok", "good", "normal", "pass"})
"""What the class of good parts is usually called, in small letters."""


def good_index(labels: tuple[str, ...], wanted: str | None, *, needed: bool) -> int | None:
    """Return the index of the class of good parts, None where there is none.

    Parameters
    ----------
    labels : tuple of str
        The model's.
    wanted : str or None
        Its name; by default a label of `GOOD_LABELS`.
    needed : bool

    Raises
    ------
    ConfigError
        ``wanted`` is no label, or no label is known to be the good one though it is needed.
    """
    if wanted is not None:
        if wanted in labels:
            return labels.index(wanted)
        near = difflib.get_close_matches(wanted, labels, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"labels are {', '.join(labels[:8])}"
        raise ConfigError(f"--good-label {wanted!r} is none of the model's labels", hint)
    usual = [i for i, label in enumerate(labels) if label.lower() in GOOD_LABELS]
    if len(usual) == 1:
        return usual[0]
    if needed:
        raise ConfigError(
            "--max-escapes: no label is known to mean a good part", "name it with --good-label"
        )
    return None


def find_escapes(
    truth: npt.NDArray[np.intp],
    predicted: npt.NDArray[np.intp],
    passed: npt.NDArray[np.bool_],
    good: int,
    label: str,
    limit: float | None,
) -> tuple[Escapes | None, tuple[str, ...]]:
    """Return what the certificate tests, and what people should know.

    Parameters
    ----------
    truth, predicted : array of int
        (N,) class indices.
    passed : array of bool
        (N,), not flagged by the guards.
    good : int
        Index of the good class.
    label : str
        Its name.
    limit : float or None
        Largest P(accepted as good | defective).

    Raises
    ------
    GuaranteeError
        A limit is asked for, and there are too few defective references for any result to pass.
    """
    defective = truth != good
    n = int(defective.sum())
    if limit is not None:
        least = forgiving(0, limit, DELTA)
        if n < least:
            none = " (good parts alone can never certify escapes)" if not n else ""
            raise GuaranteeError(
                f"at most {limit:.1%} escapes cannot be certified from {n} defective references"
                + none,
                f"at least {least} labelled images of defects are needed, all of them caught",
            )
    if not n:
        return None, ("no reference is defective: nothing is known of escapes",)
    said: tuple[str, ...] = ()
    if limit is None:
        said = ("escapes are counted, not promised: --max-escapes certifies them",)
    slipped = (defective & (predicted == good))[passed]
    return Escapes(label, limit, slipped, n), said
