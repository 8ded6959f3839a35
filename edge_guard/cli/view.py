"""``--region``, ``--rotate`` and ``--flip``: which part of a picture, and which way up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edge_guard.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from edge_guard.cli.output import Output
    from edge_guard.manifest import Manifest
    from edge_guard.sources import View

_LEAST = 16
"""Px a side that the gate can measure."""


def add_view_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; they are those of ``[[stream]]``."""
    group = parser.add_argument_group("which part of the picture, as in [[stream]]")
    group.add_argument(
        "--region", metavar="X,Y,W,H", help="region of interest, px of the camera's picture"
    )
    group.add_argument(
        "--rotate", type=int, choices=(0, 90, 180, 270), default=0, help="degrees clockwise"
    )
    group.add_argument(
        "--flip",
        choices=("none", "horizontal", "vertical"),
        default="none",
        help="after the turn: left and right, or top and bottom",
    )


def view_of(args: argparse.Namespace) -> View:
    """Return the view asked for.

    Raises
    ------
    ConfigError
        The region is none.
    """
    from edge_guard.sources import View

    return View(_region(args.region), args.rotate, args.flip)


def note_view(manifest: Manifest, view: View, output: Output) -> None:
    """Say so where a bundle was calibrated with another view than is asked for now."""
    made = manifest.view
    if made is None or made == view:
        return
    here, there = view.words, made.words
    words = f"the references showed {there}; you ask for {here}"
    if made:
        words += f". Give {' '.join(_options(made))} where your pictures are whole"
    output.record({"type": "notice", "message": words})
    output.text(f"note: {words}", color="yellow")


def _options(view: View) -> Iterator[str]:
    if view.region:
        yield f"--region {','.join(map(str, view.region))}"
    if view.rotate:
        yield f"--rotate {view.rotate}"
    if view.flip != "none":
        yield f"--flip {view.flip}"


def _region(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise _bad(text) from None
    if min(x, y) < 0 or min(width, height) < _LEAST:
        raise _bad(text)
    return x, y, width, height


def _bad(text: str) -> ConfigError:
    return ConfigError(
        f"--region {text} is no region",
        f"give x, y, width and height in px, like 120,80,640,480; at least {_LEAST} px a side",
    )
