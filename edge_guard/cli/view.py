"""``--region``, ``--rotate`` and ``--flip``: which part of a picture, and which way up."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from edge_guard.errors import ConfigError

if TYPE_CHECKING:
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
