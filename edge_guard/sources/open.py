"""Opens the source that an address names."""

from __future__ import annotations

from pathlib import Path

from edge_guard.errors import ConfigError
from edge_guard.sources.address import Kind, kind_of, masked
from edge_guard.sources.capture import open_camera, open_url
from edge_guard.sources.contract import Source
from edge_guard.sources.folder import WatchedFolder, open_folder, open_image
from edge_guard.sources.live import LiveSource
from edge_guard.sources.parts import no_part, part_reader
from edge_guard.sources.reel import Reel
from edge_guard.sources.stored import StoredSource
from edge_guard.sources.video import VideoFile
from edge_guard.sources.view import ViewedSource
from edge_guard.view import View

_OPENERS = {Kind.CAMERA: open_camera, Kind.URL: open_url}


def open_source(
    address: str,
    *,
    stream: str,
    watch: bool = False,
    frames_per_second: float | None = None,
    loop: bool = False,
    patient: bool = False,
    view: View = View(),  # noqa: B008  never changed
    part_name: str | None = None,
) -> Source:
    """Return the opened source; cameras and network streams start capturing at once.

    Parameters
    ----------
    address : str
        Camera index (``0``) or device path, rtsp://, rtsps://, http:// or https:// address,
        video file, image file, or folder of images.
    stream : str
        Name of the stream, given to each frame.
    watch : bool
        Folder only: go on with new files when all are read.
    frames_per_second : float, optional
        File or folder only: pace. Default: as fast as it is read.
    loop : bool
        File or folder only, not watched: start again at the end.
    patient : bool
        Camera or network stream only: wait for one that is not there at first.
    view : View
        Which part of each picture, and which way up.
    part_name : str, optional
        Folder only: how a picture's name tells its part id, as ``sources.parts`` reads it.

    Raises
    ------
    SourceError
        Nothing is there, or it cannot be read or decoded.
    ConfigError
        An option does not fit the kind of source.
    """
    kind = kind_of(address)
    shown = masked(address)
    _refuse_unfit(kind, shown, watch=watch, frames_per_second=frames_per_second, loop=loop)
    if part_name is not None and kind is not Kind.FOLDER:
        raise ConfigError(f"part_name does not fit {kind} {shown}", "it is for folders")
    source: Source
    if kind in _OPENERS:
        opener = _OPENERS[kind]
        source = LiveSource(shown, stream, lambda: opener(address), patient=patient)
    else:
        reel = _open_reel(kind, Path(address), watch=watch)
        part_of = part_reader(part_name) if part_name else no_part
        source = StoredSource(
            shown, stream, reel, frames_per_second=frames_per_second, loop=loop, part_of=part_of
        )
    return ViewedSource(source, view) if view else source


def _open_reel(kind: Kind, path: Path, *, watch: bool) -> Reel:
    if kind is Kind.VIDEO:
        return VideoFile(path)
    if kind is Kind.IMAGE:
        return open_image(path)
    return WatchedFolder(path) if watch else open_folder(path)


def _refuse_unfit(
    kind: Kind, shown: str, *, watch: bool, frames_per_second: float | None, loop: bool
) -> None:
    if watch and kind is not Kind.FOLDER:
        raise ConfigError(f"watch does not fit {kind} {shown}", "only a folder can be watched")
    if watch and loop:
        raise ConfigError(f"loop does not fit the watched folder {shown}", "choose one of them")
    if kind in _OPENERS and (loop or frames_per_second is not None):
        raise ConfigError(
            f"loop and frames_per_second do not fit {kind} {shown}", "they are for files"
        )
    if frames_per_second is not None and not 0 < frames_per_second <= 1000:
        raise ConfigError(
            f"frames_per_second = {frames_per_second} for {shown}", "give a number up to 1000"
        )
