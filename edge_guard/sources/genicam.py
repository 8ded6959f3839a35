"""GenICam cameras, through harvesters and the GenTL producer (.cti) of the camera's maker.

A producer can be loaded once in a process, so that streams on cameras of one producer share it.
The only file that imports harvesters and genicam; both come with ``edge-guard[genicam]``.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from math import isnan, nan
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edge_guard.errors import SourceError
from edge_guard.sources.address import GENICAM
from edge_guard.sources.contract import NoFrameError
from edge_guard.types import Array, Exposure, Image

TIMEOUT_S = 5.0
"""Longest wait for one frame."""
_POLL_MS = 20
_BUFFERS = 8
_EXPOSURE_S = 1.0
"""Exposure and gain are asked for so often: on a network camera each is a round trip."""
_EXPOSURE_NODES = ("ExposureTime", "ExposureTimeAbs", "ExposureTimeRaw")
_GAIN_NODES = ("Gain", "GainAbs", "GainRaw")
_NAMES = ("serial_number", "user_defined_name", "id_")
_BAYER = {
    "BayerRG": cv2.COLOR_BayerRGGB2BGR,
    "BayerGR": cv2.COLOR_BayerGRBG2BGR,
    "BayerGB": cv2.COLOR_BayerGBRG2BGR,
    "BayerBG": cv2.COLOR_BayerBGGR2BGR,
}
_ORDERS = {"RGB": (2, 1, 0), "RGBa": (2, 1, 0), "BGR": (0, 1, 2), "BGRa": (0, 1, 2)}

_loading = threading.RLock()
_producers: dict[str, Any] = {}


class GenicamCamera:
    """A camera that is acquiring, for one thread.

    Parameters
    ----------
    acquirer : harvesters.core.ImageAcquirer
        Started.
    name : str
        Shown in messages.
    failures : type of Exception
        What genicam raises.
    """

    def __init__(self, acquirer: Any, name: str, failures: type[Exception]) -> None:
        self._acquirer, self._name, self._failures = acquirer, name, failures
        self._nodes = acquirer.remote_device.node_map
        self._told: Exposure | None = None
        self._asked_at = float("-inf")

    def read(self) -> Image | None:
        """Return the next frame, uint8 (H, W, 3) BGR or (H, W); None: it arrived incomplete.

        Raises
        ------
        SourceError
            The camera is lost, or its pixel format cannot be used; `NoFrameError`: it answers, but
            no frame came within `TIMEOUT_S`.
        """
        began = time.monotonic()
        try:
            buffer = self._acquirer.try_fetch(timeout=TIMEOUT_S)
            if buffer is None:
                if time.monotonic() - began < TIMEOUT_S:
                    return None
                self._nodes.Width.get_value(False, True)  # asks the camera, not a cache
                raise NoFrameError(f"{self._name} has stopped giving frames", self._hint())
            with buffer:
                components = buffer.payload.components
                return picture_of(components[0], self._name) if components else None
        except self._failures as error:
            raise SourceError(f"{self._name} is lost ({error})", "check cable and power") from error

    def exposure(self) -> Exposure | None:
        """Return exposure time and gain in the camera's units; None where it tells neither."""
        if time.monotonic() - self._asked_at > _EXPOSURE_S:
            self._asked_at = time.monotonic()
            told = Exposure(self._number(_EXPOSURE_NODES), self._number(_GAIN_NODES))
            self._told = None if all(map(isnan, told)) else told
        return self._told

    def close(self) -> None:
        """Stop it and give it back."""
        with _loading:
            self._acquirer.destroy()

    def _hint(self) -> str:
        if setting(self._nodes, "TriggerMode") == "On":
            return "its TriggerMode is On: set [stream.trigger] kind = 'hardware', or switch it Off"
        return "check that no other program uses it, its cable and its bandwidth"

    def _number(self, names: tuple[str, ...]) -> float:
        for name in names:
            value = setting(self._nodes, name)
            if value is not None:
                return float(value)
        return nan


def open_genicam(address: str, *, pulses: bool = False) -> GenicamCamera:
    """Return a camera that is acquiring.

    Parameters
    ----------
    address : str
        ``genicam:/path/to/producer.cti#camera``: its serial number, user-defined name or id; none
        where the producer finds one camera only.
    pulses : bool
        It must be in trigger mode.

    Raises
    ------
    SourceError
        harvesters or the producer is absent, the camera is not there, is in use, or is not in
        trigger mode where it must be.
    """
    path, _, wanted = address.removeprefix(GENICAM).partition("#")
    name = f"GenICam camera {wanted}" if wanted else f"the GenICam camera of {Path(path).name}"
    failures: type[Exception] = _import("genicam.gentl").GenericException
    with _loading:
        harvester = _producer(path)
        try:
            acquirer = harvester.create(_find(harvester, path, wanted))
        except failures as error:
            raise SourceError(
                f"{name} cannot be opened ({error})", "close other programs that use it"
            ) from error
        try:
            acquirer.num_buffers = max(_BUFFERS, acquirer.num_buffers)
            acquirer.timeout_period_on_update_event_data_call = _POLL_MS
            if pulses and setting(acquirer.remote_device.node_map, "TriggerMode") == "Off":
                raise SourceError(
                    f"{name} is not in trigger mode",
                    "set its TriggerMode to On, with source and edge of your sensor, and save it "
                    "as the camera's start-up settings",
                )
            acquirer.start()
        except failures as error:
            acquirer.destroy()
            raise SourceError(f"{name} does not start ({error})", "check its settings") from error
        except SourceError:
            acquirer.destroy()
            raise
    return GenicamCamera(acquirer, name, failures)


def setting(nodes: Any, name: str) -> Any:
    """Return the value of a camera's setting; None where it has none that can be read."""
    if not nodes.has_node(name):
        return None
    try:
        return getattr(nodes, name).value
    except Exception:  # genapi has dozens of types: not implemented, not readable, …
        return None


def picture_of(component: Any, name: str) -> Image:
    """Return a component's picture, copied: uint8 (H, W, 3) BGR or (H, W); 10 to 16 bit are cut.

    Raises
    ------
    SourceError
        Its pixel format is none of Mono, Bayer, RGB, BGR.
    """
    form: str = component.data_format
    letters = form.rstrip("p").rstrip("0123456789").removesuffix("Packed").rstrip("0123456789")
    depth = int("".join(filter(str.isdigit, form.partition("_")[0])) or 8)
    colours = len(letters.removesuffix("8")) if letters in _ORDERS else 1
    rows = _rows(component, colours)
    pixels = (rows >> (depth - 8)).astype(np.uint8) if rows.dtype != np.uint8 else rows
    if letters in _ORDERS:
        image = pixels.reshape(component.height, component.width, colours)
        return np.ascontiguousarray(image[:, :, list(_ORDERS[letters])])
    if letters in _BAYER:
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), _BAYER[letters]), np.uint8)
    if letters == "Mono":
        return np.array(pixels)
    raise SourceError(
        f"{name} gives pixels as {form}", "set its PixelFormat to Mono8, BayerRG8, RGB8 or BGR8"
    )


def _rows(component: Any, colours: int) -> Array:
    """Return the lines of a picture without the padding at their ends."""
    data: Array = component.data
    height, width = component.height, component.width * colours
    if height == 0 or data.size < height * width or data.size % height:
        raise SourceError(f"a frame has {data.size} values for {component.width}×{height} px")
    return data.reshape(height, -1)[:, :width]


def _import(module: str) -> Any:
    try:
        found = importlib.import_module(module)
        logging.getLogger("harvesters").setLevel(logging.CRITICAL)  # what it logs is raised, too
        return found
    except ImportError as error:
        raise SourceError(
            f"GenICam cameras need the library harvesters ({error})",
            "pip install 'edge-guard[genicam]'",
        ) from error


def _producer(path: str) -> Any:
    """Return the producer's harvester, loaded once."""
    if not Path(path).is_file():
        known = os.environ.get("GENICAM_GENTL64_PATH", "")
        found = sorted(
            str(cti) for one in known.split(":") if one for cti in Path(one).glob("*.cti")
        )
        raise SourceError(
            f"there is no GenTL producer {path!r}",
            "install the camera maker's software and name its .cti file"
            + (f"; here are {', '.join(found)}" if found else ""),
        )
    key = str(Path(path).resolve())
    if key not in _producers:
        core, gentl = _import("harvesters.core"), _import("genicam.gentl")
        harvester = core.Harvester()
        try:
            harvester.add_file(key, check_existence=True, check_validity=True)
            harvester.update()
        except (gentl.GenericException, OSError) as error:
            harvester.reset()
            raise SourceError(
                f"{path} is no GenTL producer for this machine ({error})",
                "install the one for its processor and operating system",
            ) from error
        _producers[key] = harvester
    return _producers[key]


def _find(harvester: Any, path: str, wanted: str) -> Any:
    """Return the wanted camera; the producer looks again where it does not know it."""
    for look_again in (False, True):
        if look_again:
            _look_again(harvester, path)
        known = list(harvester.device_info_list)
        fit = [info for info in known if not wanted or wanted in _names(info)]
        if len(fit) == 1:
            return fit[0]
        if fit and not wanted:
            break
    here = ", ".join(_names(info)[0] for info in known) or "none"
    if fit:
        raise SourceError(
            f"{Path(path).name} has {len(fit)} cameras", f"add # and one of these: {here}"
        )
    what = f"camera {wanted}" if wanted else "a camera"
    raise SourceError(
        f"{what} is not found by {Path(path).name}", f"check power and network; it finds: {here}"
    )


def _look_again(harvester: Any, path: str) -> None:
    """Have the producer look for cameras, where that disturbs none that is open."""
    if not any(info.access_status not in (0, 1) for info in harvester.device_info_list):
        harvester.update()


def _names(info: Any) -> list[str]:
    found = []
    for name in _NAMES:
        try:
            found.append(getattr(info, name))
        except Exception:  # some producers do not tell all of them
            continue
    return [one for one in found if one] or ["?"]
