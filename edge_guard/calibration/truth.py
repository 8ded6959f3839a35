"""Labels of references, from the folders they lie in."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edge_guard.errors import ReferencesError


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


def _advice(folder: str, known: dict[str, int]) -> str:
    near = difflib.get_close_matches(folder, known, n=1)
    if near:
        return f"did you mean {near[0]!r}? Rename the folder, or pass --labels none"
    shown = ", ".join(list(known)[:8]) + (", …" if len(known) > 8 else "")
    return f"labels are {shown}; rename the folder, or pass --labels none to ignore folders"
