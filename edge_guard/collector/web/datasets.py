"""``/datasets``: choose labelled and sampled frames, see what they are, and take them away."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import quote

import msgspec
from nicegui import ui

from edge_guard.collector.datasets import Counts, Dataset, Part, Wish
from edge_guard.collector.web.access import allowed
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.intervals import Row, intervals
from edge_guard.collector.web.marks import box, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import count, moment, short
from edge_guard.errors import StoreError

PARTS: dict[Part, str] = {
    "labelled": "labelled by people",
    "random": "drawn at random",
    "diverse": "diverse",
    "flagged": "flagged",
}
MOST_LABELS = 12
_DAY_MS = 86_400_000


async def datasets_page(site: Site, device: int | None = None, stream: str | None = None) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    device : int, optional
        That is chosen at first.
    stream : str, optional
    """
    devices = await asyncio.to_thread(site.queries.devices)
    frame = Frame(site, "datasets")
    with frame.body:
        ui.label("Datasets for retraining").classes("section-title")
        page = _Datasets(site)
        names = {row.id: f"{row.site} · {row.line} · {row.device}" for row in devices}
        page.build(names, device, stream)
        await page.list_all()
    frame.follow()


class _Datasets:
    def __init__(self, site: Site) -> None:
        self._site = site

    def build(self, devices: dict[int, str], device: int | None, stream: str | None) -> None:
        with box("dataset-new"):
            with box("card dataset-form"):
                ui.label("A new dataset").classes("card-title")
                self._fields(devices, device if device in devices else None, stream)
                with box("spans"):
                    ui.button("Preview", on_click=self._preview).props("no-caps outline")
                    ui.button("Make it", on_click=self._make).props("no-caps unelevated")
                self._said = ui.label().classes("ordering-said").props("role=status")
            with box("card dataset-preview"):
                ui.label("What it would hold").classes("card-title")
                self._counts = box("dataset-counts")
                with self._counts:
                    ui.label("“Preview” counts the frames without making anything.").classes(
                        "quiet"
                    )
        with box("section-top"):
            ui.label("Datasets that were made").classes("section-title")
        self._list = box("dataset-list")
        _how_to()

    def _fields(self, devices: dict[int, str], device: int | None, stream: str | None) -> None:
        outlined = "outlined dense"
        self._name = ui.input("name").props(f"{outlined} maxlength=128")
        with box("dataset-row"):
            self._device = ui.select(
                devices, value=device, label="device (all)", with_input=True, clearable=True
            ).props(outlined)
            self._stream = ui.input("stream (all)", value=stream or "").props(outlined)
        with box("dataset-row"):
            self._from = ui.input("from day").props(f"{outlined} type=date stack-label")
            self._to = ui.input("to day, included").props(f"{outlined} type=date stack-label")
        with box("dataset-parts"):
            ui.label("Frames that are in any of:").classes("fact-name")
            self._parts = {
                part: ui.checkbox(words, value=part == "labelled") for part, words in PARTS.items()
            }
        with box("dataset-row"):
            self._validation = _number("for validation, %", 15.0, 0.0, 100.0)
            self._test = _number("for test, %", 15.0, 0.0, 100.0)
            self._apart = _number("neighbours apart, s", 10.0, 0.0, 86_400.0)
        self._boxed = ui.select(
            [], multiple=True, new_value_mode="add-unique", with_input=True,
            label="labels that get a box in COCO (none)",
        ).props(f"{outlined} use-chips")  # fmt: skip
        ui.label(
            "A box is where the guard found the frame unlike the references. Name only labels of "
            "things that this place shows; all other annotations stay without a box."
        ).classes("quiet")

    def _wish(self) -> Wish:
        """Return what the fields say.

        Raises
        ------
        ValueError, msgspec.ValidationError
            One of them cannot be used.
        """
        given: dict[str, Any] = {
            "device": self._device.value,
            "stream": (self._stream.value or "").strip() or None,
            "from_ms": _day(self._from.value),
            "parts": [part for part, chosen in self._parts.items() if chosen.value],
            "validation": (self._validation.value or 0.0) / 100.0,
            "test": (self._test.value or 0.0) / 100.0,
            "apart_s": self._apart.value or 0.0,
            "boxed": [str(label) for label in self._boxed.value or []],
        }
        end = _day(self._to.value)
        given["to_ms"] = end + _DAY_MS if end is not None else None
        return msgspec.convert(given, Wish)

    async def _preview(self) -> None:
        if allowed("engineer") is None:
            return
        try:
            counts = await asyncio.to_thread(self._site.datasets.preview, self._wish())
        except (StoreError, ValueError, msgspec.MsgspecError) as error:
            self._said.set_text(str(error))
            return
        self._said.set_text("")
        self._counts.clear()
        with self._counts:
            _show_counts(counts)

    async def _make(self) -> None:
        if (who := allowed("engineer")) is None:
            return
        name = "".join(c for c in self._name.value or "" if c.isprintable()).strip()
        if not name:
            self._said.set_text("Give it a name first.")
            return
        try:
            made = await asyncio.to_thread(
                self._site.datasets.make, self._wish(), name[:128], who.name
            )
        except (StoreError, ValueError, msgspec.MsgspecError) as error:
            self._said.set_text(str(error))
            return
        self._said.set_text(f"Dataset {made.id} is made: {count(made.counts.frames)} frames.")
        await self.list_all()

    async def list_all(self) -> None:
        listed = await asyncio.to_thread(self._site.datasets.listed)
        self._list.clear()
        with self._list:
            if not listed:
                ui.label("None yet.").classes("quiet")
            for made in listed:
                _row(made)


def _number(label: str, value: float, least: float, most: float) -> ui.number:
    return ui.number(label, value=value, min=least, max=most).props("outlined dense")


def _day(text: str | None) -> int | None:
    """Return when a day begins where the collector is, ms since the Unix epoch.

    Raises
    ------
    ValueError
        It is no day.
    """
    if not text:
        return None
    return int(datetime.fromisoformat(text).astimezone().timestamp() * 1000)


def _show_counts(counts: Counts) -> None:
    with box("facts"):
        for name, n in (
            ("frames", counts.frames),
            ("with picture", counts.pictures),
            ("labelled", counts.labelled),
            ("drawn at random", counts.random),
        ):
            with box("fact"):
                ui.label(name).classes("fact-name")
                ui.label(count(n)).classes("fact-value")
    for title, parts in (("Parts, in the order of time", counts.splits), ("Labels", counts.labels)):
        total = sum(parts.values())
        if total:
            ui.label(title).classes("fact-name")
            ranked = sorted(parts.items(), key=lambda one: -one[1])[:MOST_LABELS]
            rows = [Row(f"{name}: {count(n)}", n / total) for name, n in ranked]
            ui.html(intervals(rows, low=0.0, high=1.0), sanitize=False)
    if counts.pictures < counts.frames:
        lost = counts.frames - counts.pictures
        ui.label(f"{count(lost)} are without a picture: only in frames.csv.").classes("quiet")


def _row(made: Dataset) -> None:
    counts = made.counts
    with box("card dataset"):
        with box("dataset-top"):
            ui.label(made.name).classes("card-title")
            link("Download zip", f"/api/datasets/{made.id}/dataset.zip", "button")
        parts = ", ".join(f"{count(n)} {name}" for name, n in counts.splits.items())
        ui.label(
            f"{count(counts.frames)} frames, {count(counts.labelled)} labelled: {parts}"
        ).classes("dataset-words")
        ui.label(
            f"dataset {made.id}, made by {made.who or '–'} on {moment(made.made_ms)}, "
            f"SHA-256 of its table {short(made.digest, 13)}"
        ).classes("quiet").props(f"title={quote(made.digest)}")


def _how_to() -> None:
    with box("card"):
        ui.label("What to do with it").classes("card-title")
        ui.label("Unpack it. Its folders are references, its test part measures the new bundle:")
        ui.label(
            "edge-guard calibrate MODEL.onnx --reference dataset/train -o new.guard\n"
            "edge-guard evaluate new.guard --id dataset/test"
        ).classes("command")
        ui.label(
            "frames.csv has each frame's label, part, and the probability with which it was drawn: "
            "weigh by “weight” for rates, and only where it is given. The coco folder has the same "
            "for trainers; provenance.json says where everything comes from."
        ).classes("quiet")
