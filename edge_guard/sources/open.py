"""Opens the source that an address names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edge_guard.config import TriggerTable
from edge_guard.errors import ConfigError
from edge_guard.sources.address import Kind, kind_of, masked
from edge_guard.sources.capture import open_camera, open_url
from edge_guard.sources.contract import Source
from edge_guard.sources.folder import WatchedFolder, open_folder, open_image
from edge_guard.sources.genicam import open_genicam
from edge_guard.sources.live import Camera, LiveSource, Pulses
from edge_guard.sources.parts import no_part, part_reader
from edge_guard.sources.reel import Reel
from edge_guard.sources.stored import StoredSource
from edge_guard.sources.trigger import Bell
from edge_guard.sources.triggered import TriggeredSource
from edge_guard.sources.video import VideoFile
from edge_guard.sources.view import ViewedSource
from edge_guard.view import View

_OPENERS: dict[Kind, Callable[[str, bool], Camera]] = {
    Kind.CAMERA: lambda address, _: open_camera(address),
    Kind.URL: lambda address, _: open_url(address),
    Kind.GENICAM: lambda address, pulses: open_genicam(address, pulses=pulses),
}


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
    trigger: TriggerTable | None = None,
    bell: Bell | None = None,
) -> Source:
    """Return the opened source; cameras and network streams start capturing at once.

    Parameters
    ----------
    address : str
        Camera index (``0``) or device path, ``genicam:PRODUCER.cti#CAMERA``, rtsp://, rtsps://,
        http:// or https:// address, video file, image file, or folder of images.
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
    trigger : TriggerTable, optional
        What asks for frames; left out: every frame counts.
    bell : Bell, optional
        Brings the messages that trigger.

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
    if trigger is not None:
        _refuse_trigger(kind, shown, trigger, paced=frames_per_second is not None)
    hardware = trigger is not None and trigger.kind == "hardware"
    source: Source
    if kind in _OPENERS:
        opener = _OPENERS[kind]
        pulses = Pulses(trigger.max_gap_seconds) if trigger is not None and hardware else None
        source = LiveSource(
            shown, stream, lambda: opener(address, hardware), patient=patient, pulses=pulses
        )
    else:
        reel = _open_reel(kind, Path(address), watch=watch)
        part_of = part_reader(part_name) if part_name else no_part
        source = StoredSource(
            shown, stream, reel, frames_per_second=frames_per_second, loop=loop, part_of=part_of
        )
    if trigger is not None:
        source = TriggeredSource(
            source,
            stream,
            topic=trigger.topic,
            bell=bell,
            offset_s=trigger.offset_seconds,
            deadline_s=trigger.deadline_seconds,
        )
    return ViewedSource(source, view) if view else source


def _open_reel(kind: Kind, path: Path, *, watch: bool) -> Reel:
    if kind is Kind.VIDEO:
        return VideoFile(path)
    if kind is Kind.IMAGE:
        return open_image(path)
    return WatchedFolder(path) if watch else open_folder(path)


def _refuse_trigger(kind: Kind, shown: str, trigger: TriggerTable, *, paced: bool) -> None:
    if trigger.kind == "hardware" and kind not in (Kind.CAMERA, Kind.GENICAM):
        raise ConfigError(
            f"a hardware trigger does not fit {kind} {shown}",
            "it is for a camera on this device or a GenICam camera; others take kind = 'mqtt'",
        )
    if trigger.kind == "mqtt" and kind not in _OPENERS and not paced:
        raise ConfigError(
            f"a trigger does not fit {kind} {shown}, which is read as fast as it goes",
            "give frames_per_second, or a camera",
        )


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
