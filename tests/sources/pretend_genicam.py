"""Cameras behind the interface of harvesters 1.4 and its GenTL binding, as far as it is used."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from edge_guard.sources import genicam


class GenericException(Exception):  # noqa: N818  its name there
    """What GenTL and GenApi raise."""


class Node:
    """A setting; one that cannot be read raises."""

    def __init__(self, value: object) -> None:
        self._value = value

    @property
    def value(self) -> object:
        if isinstance(self._value, Exception):
            raise self._value
        return self._value

    def get_value(self, verify: bool = False, ignore_cache: bool = False) -> object:
        assert ignore_cache, "a cache knows nothing of a cable"
        return self.value


class NodeMap:
    def __init__(self, settings: dict[str, object]) -> None:
        self._settings = settings

    def has_node(self, name: str) -> bool:
        return name in self._settings

    def __getattr__(self, name: str) -> Node:
        return Node(self._settings[name])


@dataclass
class Component:
    """One picture of a buffer: flat values, as harvesters gives them."""

    data: np.ndarray
    width: int
    height: int
    data_format: str


class Buffer:
    """Has to be given back: the camera has few."""

    def __init__(self, camera: Camera, *components: Component) -> None:
        self.payload = SimpleNamespace(components=list(components))
        self._camera = camera

    def __enter__(self) -> Buffer:
        self._camera.lent += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._camera.lent -= 1


@dataclass
class Camera:
    """A device, its settings and what it sends: components, None (incomplete), or an error."""

    serial_number: str
    user_defined_name: str = ""
    id_: str = ""
    access_status: int = 1
    settings: dict[str, object] = field(default_factory=lambda: {"Width": 64})
    sends: queue.Queue[Any] = field(default_factory=queue.Queue)
    films: Component | None = None
    """Sent again and again."""
    refuses: str = ""
    opened: int = 0
    running: bool = False
    lent: int = 0


class Acquirer:
    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.num_buffers = 3
        self.timeout_period_on_update_event_data_call = 1
        self.remote_device = SimpleNamespace(node_map=NodeMap(camera.settings))

    def start(self) -> None:
        if self._camera.refuses:
            raise GenericException(self._camera.refuses)
        self._camera.running = True

    def try_fetch(self, *, timeout: float = 0) -> Buffer | None:
        if self._camera.films is not None:
            time.sleep(0.005)
            return Buffer(self._camera, self._camera.films)
        try:
            sent = self._camera.sends.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(sent, Exception):
            raise sent
        if sent is None:
            return None
        return Buffer(self._camera, *([sent] if isinstance(sent, Component) else []))

    def destroy(self) -> None:
        self._camera.running = False
        self._camera.access_status = 1


class Harvester:
    """Finds what the plant has; a second one for the same producer would find nothing."""

    plant: ClassVar[list[Camera]] = []
    loaded: ClassVar[list[str]] = []

    def __init__(self) -> None:
        self.device_info_list: list[Camera] = []

    def add_file(self, path: str, *, check_existence: bool, check_validity: bool) -> None:
        assert check_existence and check_validity
        if b"GenTL" not in Path(path).read_bytes():
            raise OSError("invalid ELF header")
        self.loaded.append(path)

    def update(self) -> None:
        self.device_info_list = list(self.plant)

    def reset(self) -> None:
        self.device_info_list = []

    def create(self, info: Camera) -> Acquirer:
        if info.access_status != 1:
            raise GenericException("GC_ERR_RESOURCE_IN_USE")
        info.access_status = 3
        info.opened += 1
        return Acquirer(info)


@contextmanager
def plant(*cameras: Camera) -> Iterator[list[str]]:
    """Put the library in place, with these cameras; yields the producers that were loaded."""
    core, gentl = ModuleType("harvesters.core"), ModuleType("genicam.gentl")
    vars(core)["Harvester"], vars(gentl)["GenericException"] = Harvester, GenericException
    there = {"harvesters": ModuleType("harvesters"), "harvesters.core": core}
    there |= {"genicam": ModuleType("genicam"), "genicam.gentl": gentl}
    Harvester.plant, Harvester.loaded = list(cameras), []
    with patch.dict(sys.modules, there), patch.dict(genicam._producers, clear=True):
        yield Harvester.loaded


def producer(folder: Path) -> Path:
    """Return the path of a producer."""
    path = folder / "maker.cti"
    path.write_bytes(b"\x7fELF GenTL")
    return path


def bgr8(image: np.ndarray) -> Component:
    """Return a picture as a camera set to BGR8 sends it."""
    return Component(image.reshape(-1), image.shape[1], image.shape[0], "BGR8")
