"""The page of a capture: what was seen so far, for a browser anywhere. It reloads itself."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from edge_guard.evaluation.page import figure, picture, write_page
from edge_guard.types import Image

_NEWEST, _EARLIER = 24, 48
_RELOAD_S = 3


class CapturePage:
    """One page that grows.

    Parameters
    ----------
    path : Path
    title : str
    """

    def __init__(self, path: Path, title: str) -> None:
        self._path, self._title = path, title
        self._figures: list[str] = []

    def add(self, image: Image, words: str) -> None:
        """Put a picture on the page."""
        self._figures.append(figure(picture(image), words))

    def write(
        self, state: str, sentences: Sequence[str], advice: Sequence[str], *, done: bool
    ) -> None:
        """Write the page in place of the one before.

        Parameters
        ----------
        state : str
            How far it is.
        sentences, advice : sequence of str
            Plain text.
        done : bool
            Nothing more will come: it need not reload.

        Raises
        ------
        ConfigError
            It cannot be written.
        """
        told = [f'<p class="note">{escape(words)}</p>' for words in advice]
        told += [f"<p>{escape(words)}</p>" for words in sentences]
        newest = self._figures[-_NEWEST:][::-1]
        before = self._figures[:-_NEWEST]
        step = max(1, -(-len(before) // _EARLIER))
        body = [f"<p><b>{escape(state)}</b></p>", *told, "<h2>The newest</h2>", _pictures(newest)]
        if before:
            body += [f"<h2>Before: every {step}. picture</h2>", _pictures(before[::step])]
        if not done:
            body.append(f"<script>setTimeout(() => location.reload(), {_RELOAD_S}000)</script>")
        beside = self._path.with_suffix(".part")
        write_page(beside, self._title, "\n".join(body))
        beside.replace(self._path)


def _pictures(figures: Sequence[str]) -> str:
    return f'<div class="pictures">{"".join(figures)}</div>'
