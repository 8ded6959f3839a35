"""A fleet file: defaults, and overrides by site, line and product, for the devices of many lines.

From the first to the last word on a key of a device: ``[defaults]``, ``[site.S]``, ``[line.L]``,
the ``[[device]]`` itself. Streams likewise: ``[defaults.stream]`` and so on. A product of a stream:
``[product.P]``, ``[site.S.product.P]``, ``[line.L.product.P]``. What ``edge-guard calibrate-all``
is told: the ``calibrate`` tables of defaults, site, line, product, the product on the site and on
the line, and the stream. In texts ``{site}``, ``{line}``, ``{device}``, ``{stream}`` and
``{product}`` stand for the names.
"""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from edge_guard.config.fleet_device import PLACES, FleetDevice
from edge_guard.config.layers import tables
from edge_guard.errors import ConfigError
from edge_guard.toml_reader import Key, Problem, read_document

TOP = ("defaults", *PLACES, "product", "device")


class FleetProblem(msgspec.Struct, frozen=True):
    """One thing wrong in a fleet file, and the device that it is wrong for; empty: for all."""

    device: str
    problem: Problem


class Fleet:
    """A fleet file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    ConfigError
        It cannot be read, is not TOML, or describes no device.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._source = read_document(path)
        devices = self._source.get(("device",))
        if not isinstance(devices, list):
            raise ConfigError(f"{path} has no [[device]]", "see docs/thirty-lines.md")
        self.devices = tuple(FleetDevice(self._source, place) for place in range(len(devices)))

    def problems(self) -> list[FleetProblem]:
        """Return everything that is wrong, for every device."""
        found = [FleetProblem("", problem) for problem in self._own_problems()]
        for device in self.devices:
            found += [FleetProblem(device.id, problem) for problem in device.problems()]
        return sorted(dict.fromkeys(found), key=lambda one: one.problem.line or 0)

    def device(self, name: str) -> FleetDevice:
        """Return a device.

        Raises
        ------
        ConfigError
            There is none of that id.
        """
        for device in self.devices:
            if device.id == name:
                return device
        known = [device.id for device in self.devices]
        nearest = difflib.get_close_matches(name, known, n=1)
        remedy = f"did you mean {nearest[0]}?" if nearest else f"it has {', '.join(known[:5])} …"
        raise ConfigError(f"{self.path} has no device {name!r}", remedy)

    def _own_problems(self) -> Iterator[Problem]:
        """Yield what is wrong with the file itself: unknown layers, layers of nobody, twins."""
        source = self._source
        for name in source.data:
            if name not in TOP:
                nearest = difflib.get_close_matches(name, TOP, n=1, cutoff=0.5)
                yield self._problem((name,), "unknown key", nearest)
            elif name != "device" and not isinstance(source.data[name], dict):
                yield source.problem((name,), "expected a table")
        if self._source.get(("defaults", "product")) is not None:
            yield source.problem(("defaults", "product"), "unknown key: products have names")
        yield from self._misplaced()
        for place in PLACES:
            yield from self._unused(place)
        yield from self._unused_products()
        seen: dict[str, int] = {}
        for position, device in enumerate(self.devices):
            if seen.setdefault(device.id, position) != position:
                first = source.lines.get(("device", seen[device.id]))
                reason = f"{device.id!r} is already the id of the device on line {first}"
                yield source.problem(("device", position, "id"), reason)

    def _misplaced(self) -> Iterator[Problem]:
        """Yield calibrate tables that nobody reads: those of all streams of a layer."""
        layers: list[Key] = [("defaults",)]
        layers += [(place, name) for place in PLACES for name in tables(self._source, (place,))]
        for layer in layers:
            key: Key = (*layer, "stream", "calibrate")
            if self._source.get(key) is not None:
                here = ".".join(map(str, layer))
                yield self._problem(key, f"unknown key: write [{here}.calibrate]")

    def _unused_products(self) -> Iterator[Problem]:
        """Yield products that no stream has, and overrides for products that there are not."""
        shown = {product for device in self.devices for product in device.products}
        names = tables(self._source, ("product",))
        for name in names:
            if name not in shown:
                yield self._problem(("product", name), f"no stream has product {name!r}")
        for place in PLACES:
            for where in tables(self._source, (place,)):
                at = (place, where, "product")
                for name in tables(self._source, at):
                    if name not in names:
                        yield self._problem((*at, name), f"there is no [product.{name}]")

    def _unused(self, place: str) -> Iterator[Problem]:
        """Yield overrides that are for no device, and those of one line's name at two sites."""
        used: dict[str, set[str]] = {}
        for position in range(len(self.devices)):
            where = self._source.text(("device", position, place)) or place
            site = self._source.text(("device", position, "site")) or "site"
            used.setdefault(where, set()).add(site)
        for name in tables(self._source, (place,)):
            if name not in used:
                nearest = difflib.get_close_matches(name, used, n=1)
                reason = f"no device has {place} = {name!r}"
                yield self._problem((place, name), reason, nearest)
            elif len(used[name]) > 1 and place == "line":
                sites = " and ".join(sorted(used[name]))
                reason = f"there are lines of that name at {sites}: give them names of their own"
                yield self._problem((place, name), reason)

    def _problem(self, key: Key, reason: str, nearest: Sequence[str] = ()) -> Problem:
        """Return the problem of a table, with the first line of it or of what is in it."""
        lines = [n for known, n in self._source.lines.items() if known[: len(key)] == key]
        hint = nearest[0] if nearest else None
        return Problem(min(lines, default=None), ".".join(map(str, key)), reason, hint)


def is_fleet(path: Path) -> bool:
    """Return whether a configuration is a fleet file: it has ``[[device]]``, not ``[device]``.

    Raises
    ------
    ConfigError
        The file cannot be read or is not TOML.
    """
    return isinstance(read_document(path).data.get("device"), list)


def write_device(device: FleetDevice, fleet: Path, folder: Path) -> Path:
    """Write a device's file and what it names beside the fleet file; return the file's path.

    A password or a TLS key is for its owner alone to read.

    Parameters
    ----------
    device : FleetDevice
        Without problems.
    fleet : Path
        Folder of the fleet file, where relative paths start.
    folder : Path
        Gets a folder of the device's name.

    Raises
    ------
    ConfigError
        The folder cannot be written, or a file lies outside the fleet file's folder.
    """
    home, secrets = folder / device.id, device.secrets()
    try:
        home.mkdir(parents=True, exist_ok=True)
        for name in device.files():
            if ".." in Path(name).parts:
                raise ConfigError(f"device {device.id}: {name} lies outside {fleet}", "move it")
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if name in secrets:
                target.touch(mode=0o600)
                target.chmod(0o600)  # what an earlier run has left there, too
            shutil.copyfile(fleet / name, target)
        path = home / "device.toml"
        path.write_text(device.toml(), "utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {home}: {error.strerror}", "check the folder") from error
    return path
