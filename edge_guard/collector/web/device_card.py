"""One device: its state and causes, and what each of its streams sees."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.health import Health
from edge_guard.collector.queries import DeviceRow
from edge_guard.collector.web.marks import Mark, VerdictBar, box, fact, link
from edge_guard.collector.web.ordering import Ordering
from edge_guard.collector.web.words import count, moment, moment_of, short
from edge_guard.publish.messages import Capture, StreamState


class DeviceCard:
    """Follows one device.

    Parameters
    ----------
    row : DeviceRow
    known : Health
    ordering : Ordering
    """

    def __init__(self, row: DeviceRow, known: Health, ordering: Ordering) -> None:
        self._ordering = ordering
        self._streams: dict[str, _StreamPart] = {}
        with box("card device-card") as self.element:
            with box("device-top"):
                with box("device-name"):
                    link(row.device, f"/device/{row.id}", "device-id")
                    ui.label(f"{row.site} · {row.line}").classes("device-place")
                self._mark = Mark("unknown")
            self._causes = ui.label().classes("causes")
            self._lost = ui.label().classes("causes")
            self._clock = ui.label("its clock is not synchronised").classes("causes")
            self._parts = box("streams")
            with box("facts"):
                self._heard = fact("last heard", "")
                self._flagged = fact("flagged in all", "")
                self._waiting = fact("waiting to send", "")
        self.show(row, known)

    def show(self, row: DeviceRow, known: Health) -> None:
        """Take up a change."""
        self._mark.show(known.word)
        state = row.state
        self._heard.set_text(moment(row.last_seen_ms))
        self._waiting.set_text(count(state.backlog) if state else "–")
        self._flagged.set_text(count(row.events))
        self._lost.set_text(f"{count(row.dropped)} messages given up by the device")
        self._lost.set_visibility(row.dropped > 0)
        self._clock.set_visibility(state is not None and not state.clock_synchronised)
        causes = "; ".join(state.causes) if state else "It has not told its state yet."
        self._causes.set_text(causes)
        self._causes.set_visibility(bool(causes))
        present = known.word not in ("offline", "silent")
        for stream in state.streams if state else ():
            if stream.name not in self._streams:
                with self._parts:
                    self._streams[stream.name] = _StreamPart(row, stream, self._ordering)
            self._streams[stream.name].show(stream, present=present)


class _StreamPart:
    """One stream within its device's card."""

    def __init__(self, row: DeviceRow, stream: StreamState, ordering: Ordering) -> None:
        with box("stream") as self._element:
            with box("stream-top"):
                link(stream.name, f"/stream/{row.id}/{quote(stream.name, safe='')}", "stream-name")
                self._mark = Mark(stream.state)
            self._cause = ui.label().classes("causes")
            self._mix = VerdictBar()
            with box("facts"):
                self._speed = fact("frames/s", "")
                self._last = fact("last new picture", "")
                self._dropped = fact("skipped", "")
            self._bundle = ui.label().classes("stream-bundle")
            if ordering.may:
                order = partial(ordering.give, row.id, row.device, Capture(stream=stream.name))
                ui.button("Picture now", on_click=order).props("no-caps outline dense")

    def show(self, stream: StreamState, present: bool) -> None:
        """Take up a change; what an absent device said last is dimmed."""
        self._mark.show(stream.state if present else "unknown")
        self._element.classes(
            remove="is-absent" if present else "", add="" if present else "is-absent"
        )
        self._cause.set_text(stream.cause)
        self._cause.set_visibility(bool(stream.cause))
        self._mix.show(stream.verdicts)
        self._speed.set_text(f"{stream.frames_per_second:.1f}")
        newest = stream.last_new_frame_wall_time or stream.last_frame_wall_time
        self._last.set_text(moment_of(newest))
        self._last.props["title"] = f"last frame {moment_of(stream.last_frame_wall_time)}"
        self._dropped.set_text(count(sum(stream.dropped.values())))
        causes = ", ".join(f"{cause}: {n}" for cause, n in stream.dropped.items())
        self._dropped.props["title"] = causes or "no frame was skipped"
        stricter = ", ".join(f"{name} {value:g}" for name, value in stream.tightened.items())
        product = f"product {stream.product}, " if stream.product else ""
        self._bundle.set_text(
            f"{product}bundle {short(stream.bundle)}"
            + (f", made stricter: {stricter}" if stricter else "")
        )
        self._bundle.props["title"] = stream.bundle
