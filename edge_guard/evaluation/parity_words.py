"""A difference of one channel between two sets of images, in plain words with its size."""

from __future__ import annotations

import re
from math import exp

from edge_guard.drift.channels import FLAGGED

_WORDS = {
    "light": ("{:.1f} grey levels brighter", "{:.1f} grey levels darker"),
    "contrast": ("{:.0f} % more contrast", "{:.0f} % less contrast"),
    "focus": ("{:.0f} % sharper", "{:.0f} % less sharp"),
    "noise": ("{:.0f} % noisier", "{:.0f} % less noise"),
    "red": ("{:.0f} % redder", "{:.0f} % less red"),
    "blue": ("{:.0f} % bluer", "{:.0f} % less blue"),
    "local": (
        "parts of the picture differ, whatever the light, by {:.1f} σ",
        "parts of the picture differ less than usual, by {:.1f} σ",
    ),
    "across": ("displaced by {:.1f} px to the right", "displaced by {:.1f} px to the left"),
    "down": ("displaced by {:.1f} px down", "displaced by {:.1f} px up"),
    "turn": ("turned by {:.1f}° clockwise", "turned by {:.1f}° anticlockwise"),
    "scale": ("{:.1f} % larger", "{:.1f} % smaller"),
    "unlike": ("stranger to the guards by {:.1f} σ", "less strange to the guards by {:.1f} σ"),
    "doubt": ("the model doubts more, by {:.1f} σ", "the model doubts less, by {:.1f} σ"),
}
_LOGARITHMIC = {"contrast", "focus", "noise", "red", "blue"}
_UNITLESS = {"local", "unlike", "doubt"}
_NUMBER = re.compile(r"\d+(\.\d+)?")


def in_words(channel: str, moved: float, sd: float) -> str:
    """Return a difference of a channel's mean for people, for example ``17.0 grey levels darker``.

    Parameters
    ----------
    channel : str
        Its name.
    moved : float
        Production minus references, in its unit.
    sd : float
        Standard deviation of a reference: the unit of what has no other.
    """
    if channel not in _WORDS:
        often = "more" if moved > 0 else "fewer"
        return f"{100.0 * abs(moved):.1f} % of the images {often}: {_of_share(channel)}"
    more, less = _WORDS[channel]
    size = abs(moved)
    if channel in _LOGARITHMIC:
        size = 100.0 * abs(exp(moved / 100.0) - 1.0)
    elif channel in _UNITLESS:
        size /= sd
    return (more if moved > 0 else less).format(size)


def _of_share(channel: str) -> str:
    return "flagged by the guards" if channel == FLAGGED else channel


def rounds_to_nothing(words: str) -> bool:
    """Return whether the size that the words print is zero: a difference that nobody needs."""
    size = _NUMBER.search(words)
    return size is not None and float(size.group()) == 0.0
