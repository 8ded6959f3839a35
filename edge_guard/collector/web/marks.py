"""What all pages share: a state as shape and word, a fact, a picture, a bar of verdicts."""

from __future__ import annotations

from collections.abc import Mapping

from nicegui import ui

from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.words import count, shape

VERDICTS = ("accept", "review", "invalid")


def box(classes: str, tag: str = "div") -> ui.element:
    """Return an empty element to put others in."""
    return ui.element(tag).classes(classes)


class Mark:
    """A state or verdict: its shape, and its word."""

    def __init__(self, word: str) -> None:
        with box("mark") as self._element:
            box("shape")
            self._label = ui.label()
        self.show(word)

    def show(self, word: str) -> None:
        """Change the state."""
        self._element.classes(replace=f"mark {shape(word)} is-{_css(word)}")
        self._label.set_text(word)


def tile(name: str) -> ui.label:
    """Return the label of a number that is large on its page, to be changed later."""
    with box("tile"):
        value = ui.label("–").classes("tile-value")
        ui.label(name).classes("tile-name")
    return value


def fact(name: str, value: str, title: str = "") -> ui.label:
    """Return the label of a named value, to be changed later."""
    with box("fact"):
        ui.label(name).classes("fact-name")
        label = ui.label(value).classes("fact-value")
    if title:
        label.props["title"] = title
    return label


def link(text: str, target: str, classes: str = "link") -> ui.element:
    """Return a plain link within the site."""
    element = ui.element("a").classes(classes)
    element.props["href"] = target
    with element:
        ui.label(text)
    return element


def picture_address(row: EventRow) -> str | None:
    """Return where the event's picture is served, or None where there is none (yet)."""
    image = row.event.image
    return f"/api/pictures/{image.sha256}" if image is not None and row.has_picture else None


def without_picture(row: EventRow) -> str:
    """Return in words why an event is shown without its picture."""
    if row.event.image_dropped is not None:
        return f"The device had to give up the picture ({row.event.image_dropped})."
    return "The picture is on its way." if row.event.image is not None else "Sent without picture."


class VerdictBar:
    """The mix of verdicts as a stacked bar with its counts in words."""

    def __init__(self) -> None:
        with box("mix"):
            with box("mix-bar"):
                self._parts = {verdict: box(f"mix-{verdict}") for verdict in VERDICTS}
            with box("mix-words"):
                self._words = {}
                for verdict in VERDICTS:
                    with box(f"mix-word {shape(verdict)} is-{verdict}"):
                        box("shape")
                        self._words[verdict] = ui.label()

    def show(self, verdicts: Mapping[str, int]) -> None:
        """Change the counts."""
        total = sum(max(0, verdicts.get(verdict, 0)) for verdict in VERDICTS)
        for verdict in VERDICTS:
            n = max(0, verdicts.get(verdict, 0))
            width = 100 * n / total if total else 0
            self._parts[verdict].style(replace=f"width: {width:.2f}%")
            self._words[verdict].set_text(f"{verdict} {count(n)}")


def _css(word: str) -> str:
    return word if word.isascii() and word.isalpha() else "other"
