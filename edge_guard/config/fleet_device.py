"""One device of a fleet file: its tables laid over one another, and what each value overrides."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from edge_guard.config.device import DeviceConfig, DeviceTable, StreamTable
from edge_guard.config.layers import Layered, filled, tables
from edge_guard.config.loading import find_document_problems
from edge_guard.config.values import FilePath, Table
from edge_guard.config.writing import toml_text, toml_value
from edge_guard.toml_reader import Document, Key, Problem, convert

PLACES = ("site", "line")
_DEVICE_KEYS = frozenset(field.encode_name for field in msgspec.structs.fields(DeviceTable))
_OWN = frozenset({"calibrate", "product", "stream"})
_PRODUCT_OWN = frozenset({"calibrate"})
_STREAM_OWN = frozenset({"calibrate", "products"})
_SECRETS = ("password_file", "key_file")
Share = Annotated[float, Meta(gt=0, lt=1)]


class CalibrateTable(Table, frozen=True):
    """What one bundle is calibrated from; the options of ``edge-guard calibrate``."""

    model: FilePath
    reference: FilePath | None = None
    frames: Annotated[int, Meta(ge=1)] | None = None
    card: FilePath | None = None
    labels: str | None = None
    false_flag_rate: Share | None = None
    max_error: Share | None = None
    max_escapes: Share | None = None
    good_label: str | None = None
    cost_error: float | None = None
    cost_review: float | None = None
    review_budget: Share | None = None
    advisory: bool = False
    report: FilePath | None = None
    held_out: FilePath | None = None
    seed: int | None = None


class FleetDevice:
    """One device as a fleet file describes it.

    Parameters
    ----------
    source : Document
        The fleet file.
    place : int
        Of its ``[[device]]``.

    Attributes
    ----------
    id : str
        Empty where the file gives none.
    products : set of str
        That its streams show.
    """

    def __init__(self, source: Document, place: int) -> None:
        self._source = source
        self._at: Key = ("device", place)
        self.id = source.text((*self._at, "id")) or ""
        self._words = {
            name: source.text((*self._at, name)) or name for name in ("site", "line")
        } | {"device": self.id, "part": "{part}"}  # a picture's name tells the part
        self._layered = Layered(source)
        self._calibrations: dict[tuple[str, str], Layered] = {}
        self._early: list[Problem] = []
        self.products: set[str] = set()
        self._lay_device()
        streams = source.get((*self._at, "stream"))
        for position in range(len(streams) if isinstance(streams, list) else 0):
            self._lay_stream(position)

    @property
    def line(self) -> str:
        """The line that it is on."""
        return self._words["line"]

    def problems(self) -> Iterator[Problem]:
        """Yield everything that is wrong with the device, with the lines of the fleet file."""
        yield from self._early
        own = self._source.lines.get(self._at)
        for problem in find_document_problems(self._layered.document()):
            yield msgspec.structs.replace(problem, line=problem.line or own)
        for calibration in self._calibrations.values():
            document = calibration.document()
            yield from convert(document, CalibrateTable)[1]
            yield from _missing(document, "model", "card", "reference", "held_out")

    def toml(self) -> str:
        """Return the device's file, with the origin of each value beside it."""
        data = _ordered(self._layered.data, DeviceConfig)
        data["device"] = _ordered(tables(self._layered.document(), ("device",)), DeviceTable)
        if "stream" in data:
            data["stream"] = [_ordered(stream, StreamTable) for stream in self.streams()]
        said = f"# Made of {self._source.path.name} by 'edge-guard config render': change it there."
        return f"{said}\n\n{toml_text(data, self._remark)}"

    def files(self) -> list[str]:
        """Return the files beside the fleet file that the device needs: relative paths."""
        data = self._layered.data
        mqtt = data.get("mqtt", {})
        named = [*data["device"].get("trusted_keys", []), mqtt.get("password_file")]
        named += [
            mqtt.get("tls", {}).get(key) for key in ("ca_file", "certificate_file", "key_file")
        ]
        for stream in self.streams():
            named += [stream.get("bundle"), *(p["bundle"] for p in stream.get("product", []))]
        return [name for name in dict.fromkeys(named) if name and not Path(name).is_absolute()]

    def secrets(self) -> set[str]:
        """Return which files are for nobody else to read."""
        mqtt = self._layered.data.get("mqtt", {})
        return {name for key in _SECRETS if (name := {**mqtt, **mqtt.get("tls", {})}.get(key))}

    def calibrations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what each bundle is calibrated from, by stream and product, as it stands."""
        return {key: layered.data for key, layered in self._calibrations.items()}

    def streams(self) -> list[dict[str, Any]]:
        """Return the streams' tables as they stand."""
        return list(self._layered.data.get("stream", []))

    def _place(self, name: str) -> Key:
        return (name, self._words[name])

    def _lay(
        self, layered: Layered, at: Key, layer: Key, leave_out: frozenset[str] = frozenset()
    ) -> None:
        """Lay one table of the file over what there is; what is no table is a problem."""
        table = self._source.get(layer)
        if isinstance(table, dict):
            layered.lay(at, layer, leave_out)
        elif table is not None:
            self._early.append(self._source.problem(layer, "expected a table"))

    def _lay_device(self) -> None:
        layered = self._layered
        for layer in (("defaults",), *map(self._place, PLACES)):
            self._lay(layered, (), layer, _OWN)
        source = self._source.get(self._at)
        layered.begin(("device",), self._at)
        for name in source if isinstance(source, dict) else ():
            written = (*self._at, name)
            if name in _DEVICE_KEYS or not isinstance(source[name], dict | list):
                layered.put(("device", name), source[name], written)
            elif name != "stream" and isinstance(source[name], list):
                layered.put((name,), source[name], written)
            elif name != "stream":
                layered.lay((name,), written)
        self._fill(())

    def _lay_stream(self, position: int) -> None:
        at: Key = ("stream", position)
        written: Key = (*self._at, "stream", position)
        layers: list[Key] = [
            (*layer, "stream") for layer in (("defaults",), *map(self._place, PLACES))
        ]
        for layer in (*layers, written):
            self._lay(self._layered, at, layer, _STREAM_OWN)
        self._layered.begin(at, written)
        name = filled(self._layered.document().text((*at, "name")) or "", self._words)
        said = [(*layer, "products") for layer in (*layers, written)]
        said = [key for key in said if self._source.get(key) is not None]
        products = self._known_products(said[-1]) if said else []
        for place, product in enumerate(products):
            self._lay_product(at, said[-1], place, product, name)
            self._lay_calibration(written, name, product)
        self._fill(at, stream=name)
        if not products:
            self._lay_calibration(written, name, "")

    def _known_products(self, named: Key) -> list[str]:
        """Return the products that stand in a list of names; whatever else stands there is told."""
        value, known = self._source.get(named), tables(self._source, ("product",))
        if not isinstance(value, list):
            reason = f"expected a list of names, got {toml_value(value)}"
            self._early.append(self._source.problem(named, reason))
            return []
        names = [one for one in value if isinstance(one, str) and one in known]
        for product in (one for one in value if one not in names):
            nearest = difflib.get_close_matches(str(product), known, n=1)
            reason = f"there is no [product.{product}]"
            self._early.append(self._source.problem(named, reason, nearest[0] if nearest else None))
        return names

    def _lay_product(
        self, stream: Key, named: Key, place: int, product: str, stream_name: str
    ) -> None:
        """Lay a product that is named somewhere over what its stream has."""
        self.products.add(product)
        at = (*stream, "product", place)
        self._layered.put((*at, "name"), product, named)
        for layer in self._product_layers(product):
            self._lay(self._layered, at, layer, _PRODUCT_OWN)
        self._layered.lines[at] = self._source.lines.get(named, 1)
        self._fill(at, stream=stream_name, product=product)

    def _product_layers(self, product: str) -> Iterator[Key]:
        yield ("product", product)
        for place in PLACES:
            yield (*self._place(place), "product", product)

    def _lay_calibration(self, written: Key, stream: str, product: str) -> None:
        layered = Layered(self._source)
        layers: list[Key] = [("defaults",), *map(self._place, PLACES)]
        layers += self._product_layers(product) if product else []
        for layer in (*layers, written):
            self._lay(layered, (), (*layer, "calibrate"))
        if not layered.data:
            return
        self._calibrations[stream, product] = layered
        words = {**self._words, "stream": stream, "product": product}
        self._unknown(layered, layered.fill((), words))

    def _fill(self, at: Key, **words: str) -> None:
        self._unknown(self._layered, self._layered.fill(at, {**self._words, **words}))

    def _unknown(self, layered: Layered, unknown: list[tuple[Key, str]]) -> None:
        for key, word in unknown:
            reason = f"{{{word}}} stands for nothing: there are {{site}}, {{line}}, {{device}}"
            reason += ", {stream} and {product}"
            self._early.append(layered.document().problem(key, reason))

    def _remark(self, key: Key) -> str:
        """Return where a value stands, and what it overrides."""
        origins = self._layered.origins.get(key, ())
        if not origins:
            return ""
        said = [f"{one.layer} line {one.line}" for one in reversed(origins)]
        hidden = "; ".join(
            f"not {toml_value(one.value)} of {where}"
            for one, where in zip(list(reversed(origins))[1:], said[1:], strict=True)
        )
        return said[0] + (f"; {hidden}" if hidden else "")


def _ordered(table: dict[str, Any], kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Return a table with its keys in the order in which they are documented."""
    names = [
        field.encode_name for field in msgspec.structs.fields(kind) if field.encode_name in table
    ]
    return {name: table[name] for name in dict.fromkeys([*names, *table])}


def _missing(document: Document, *keys: str) -> Iterator[Problem]:
    """Yield files that are named and not there; of the device's own, nobody here can tell."""
    for key in keys:
        name = document.text((key,))
        if name and not Path(name).is_absolute() and not (document.path.parent / name).exists():
            yield document.problem((key,), f"there is nothing at {document.path.parent / name}")
