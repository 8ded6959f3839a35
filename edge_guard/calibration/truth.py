"""Labels of references, from the folders they lie in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_guard.errors import CardError, ReferencesError

_MIN_LABELLED = 30
_SIGNIFICANCE = 1e-3


def truth_from_folders(
    folders: Sequence[str], labels: Sequence[str], classes: int
) -> npt.NDArray[np.intp]:
    """Return the class index of each reference, −1 for those in no label's folder.

    A folder names a class by its label, or by its index where the card has no labels.

    Parameters
    ----------
    folders : sequence of str
        (N,) folder names; "" for images directly in the reference folder.
    labels : sequence of str
        The card's labels in index order; may be empty.
    classes : int
        Number of the model's classes.

    Raises
    ------
    ReferencesError
        A folder matches no label.
    """
    known = {label: index for index, label in enumerate(labels)}
    if not known:
        known = {str(index): index for index in range(classes)}
    index = {"": -1}
    for folder in sorted(set(folders) - {""}):
        if folder not in known:
            raise ReferencesError(
                f"folder {folder!r} matches none of the model's labels", _advice(folder, known)
            )
        index[folder] = known[folder]
    return np.array([index[folder] for folder in folders], np.intp)


def refuse_contradiction(
    predicted: npt.NDArray[np.intp], truth: npt.NDArray[np.intp], labels: Sequence[str]
) -> None:
    """Raise where the labels name the model's outputs in the wrong order.

    The assignment of outputs to labels that makes most answers right is found (Kuhn 1955); it must
    be right more than twice as often as the card's, by a one-sided exact McNemar test with p < .001
    shared by all pairs of classes.

    Parameters
    ----------
    predicted, truth : array of int
        (N,) of labelled references.
    labels : sequence of str
        The card's.

    Raises
    ------
    CardError
        The labels contradict the model's answers.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.stats import binom

    if len(truth) < _MIN_LABELLED or not labels:
        return
    counts = np.zeros((len(labels), len(labels)), np.intp)
    np.add.at(counts, (truth, predicted), 1)
    _, output = linear_sum_assignment(counts, maximize=True)
    given, matched = predicted == truth, predicted == output[truth]
    gained, lost = int((matched & ~given).sum()), int((given & ~matched).sum())
    if matched.sum() <= 2 * given.sum() or matched.mean() <= 0.5:
        return
    if binom.sf(gained - 1, gained + lost, 0.5) >= _SIGNIFICANCE / len(labels) ** 2:
        return
    worst = int((counts.max(1) * (counts.argmax(1) != np.arange(len(labels)))).argmax())
    raise CardError(
        f"the labels contradict the model: {counts[worst].max()} of {counts[worst].sum()} images "
        f"in folder {labels[worst]!r} are answered {labels[counts[worst].argmax()]!r}; in another "
        f"order of the labels {matched.sum()} of {len(truth)} answers are right instead of "
        f"{given.sum()}",
        "list the labels in the card in the order of the model's outputs, or rename the folders",
    )


def _advice(folder: str, known: dict[str, int]) -> str:
    near = difflib.get_close_matches(folder, known, n=1)
    if near:
        return f"did you mean {near[0]!r}? Rename the folder, or pass --labels none"
    shown = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
    return f"labels are {shown}; rename the folder, or pass --labels none to ignore folders"
