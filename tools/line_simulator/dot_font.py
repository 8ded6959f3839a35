"""The dot-peen marker's character set: 5 × 7 dots, the same under every version of OpenCV."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_ROWS = {
    "0": "01110 10001 10011 10101 11001 10001 01110",
    "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00110 01000 10000 11111",
    "3": "11110 00001 00001 01110 00001 00001 11110",
    "4": "00010 00110 01010 10010 11111 00010 00010",
    "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110",
    "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110",
    "9": "01110 10001 10001 01111 00001 00010 01100",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "G": "01110 10001 10000 10111 10001 10001 01111",
    "-": "00000 00000 00000 11111 00000 00000 00000",
}


def dots(text: str) -> npt.NDArray[np.intp]:
    """Return the (N, 2) column and row of each dot of ``text``, 6 columns a character.

    Raises
    ------
    KeyError
        A character is not in the set.
    """
    marks = [
        (6 * place + column, row)
        for place, character in enumerate(text)
        for row, line in enumerate(_ROWS[character].split())
        for column, dot in enumerate(line)
        if dot == "1"
    ]
    return np.array(marks, np.intp)
