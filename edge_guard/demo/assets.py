"""The files that the demo plays: found in an installed package and in a checkout alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from edge_guard.errors import BundleError

_PACKAGE = Path(__file__).resolve().parent.parent
_FOLDERS = (_PACKAGE / "models", _PACKAGE.parent / "models")
"""Where an installed wheel has them, then where a checkout has them."""


class ScriptedEvent(msgspec.Struct, frozen=True):
    """Something that happens in the footage.

    Attributes
    ----------
    name : str
    first_frame, last_frame : int
        Inclusive, from 0.
    expected : tuple of str
        Guards whose word is a right leading reason.
    """

    name: str
    first_frame: int
    last_frame: int
    expected: tuple[str, ...]


class Script(msgspec.Struct, frozen=True):
    """What the footage shows: ``events.json``."""

    schema_version: int
    frames: int
    frames_per_second: float
    events: tuple[ScriptedEvent, ...]


@dataclass(frozen=True)
class Assets:
    """Bundle, footage and script of the demo."""

    bundle: Path
    footage: Path
    script: Script


def assets() -> Assets:
    """Return the demo's files.

    Raises
    ------
    BundleError
        One of them is missing or damaged.
    """
    folder = next((f for f in _FOLDERS if (f / "events.json").is_file()), _FOLDERS[0])
    bundle, footage = folder / "demo_line.guard", folder / "footage.avi"
    for path in (folder / "events.json", bundle, footage):
        if not path.is_file():
            raise _broken(path, "is missing")
    try:
        script = msgspec.json.decode((folder / "events.json").read_bytes(), type=Script)
    except msgspec.DecodeError as error:
        raise _broken(folder / "events.json", f"is damaged ({error})") from error
    return Assets(bundle, footage, script)


def _broken(path: Path, problem: str) -> BundleError:
    return BundleError(f"the demo's file {path} {problem}", "install edge-guard again")
