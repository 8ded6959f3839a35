"""``/event/{id}``: everything known about one frame that was flagged or drawn for an audit."""

from __future__ import annotations

import asyncio
from urllib.parse import quote

from nicegui import ui

from edge_guard.collector.judgements import Judgement
from edge_guard.collector.queries import EventRow
from edge_guard.collector.web.detections import detections_layer, detections_part
from edge_guard.collector.web.event_card import incident_address, part_address
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.heat import heat_layer, heat_place
from edge_guard.collector.web.judgement import JudgementPart
from edge_guard.collector.web.marks import (
    Mark,
    box,
    fact,
    link,
    picture_address,
    without_picture,
)
from edge_guard.collector.web.nearest import nearest_part
from edge_guard.collector.web.places import frame_size, outline
from edge_guard.collector.web.reason import reason_part
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import headline, moment, moment_of, number, percent
from edge_guard.publish.messages import Event


async def detail(site: Site, event_id: int) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    event_id : int
        The event's place in the list.
    """
    row = await asyncio.to_thread(site.queries.event, event_id)
    frame = Frame(site, "frames")
    with frame.body:
        if row is None:
            with box("empty"):
                ui.label(f"There is no event {event_id}.").classes("empty-title")
                link("all flagged frames", "/events")
        else:
            said = await asyncio.to_thread(site.judgements.of, event_id)
            _build(site, row, said)
    frame.follow()


def _build(site: Site, row: EventRow, said: list[Judgement]) -> None:
    event = row.event
    with box("detail-top"):
        Mark(event.verdict.value)
        ui.label(headline(event)).classes("detail-title")
    with box("detail-where"):
        link(f"{row.device} · {event.stream}", _stream_address(row))
        ui.label(moment_of(event.captured_wall_time)).classes("time")
        if event.part_id:
            link(f"part {event.part_id}", part_address(event.part_id))
        if event.incident:
            link("all frames of its incident", incident_address(row))
    with box("detail"):
        with box("detail-words"):
            with box("detail-picture"):
                _picture(row)
            if event.nearest:
                nearest_part(event.nearest)
        with box("detail-words"):
            _reasons(event)
            _answer(event)
            if event.detections is not None:
                detections_part(event.detections)
            if event.label is not None:
                JudgementPart(site, row, said)
    with box("detail-more"):
        _scores(event)
        _timing(event)
        _identity(row)


def _picture(row: EventRow) -> None:
    """Build the picture with its heat and boxes, and the switch for the heat."""
    address, image = picture_address(row), row.event.image
    if address is None or image is None:
        ui.label(without_picture(row)).classes("no-picture")
        return
    with box("picture-frame").style(frame_size(image)):
        element = ui.element("img")
        element.props["src"] = address
        element.props["alt"] = f"frame {row.event.frame_sequence} of {row.event.stream}"
        heat = row.event.heatmap
        if heat is not None:
            with box("heat") as layer:
                ui.html(heat_layer(heat), sanitize=False).style(heat_place(heat, image))
            switch = ui.switch("heat", value=True).classes("heat-switch")
            layer.bind_visibility_from(switch, "value")
        detections_layer(row.event.detections or (), image)
        for place, reason in enumerate(row.event.reasons, start=1):
            style = reason.box and outline(reason.box, image)
            if style:
                with box("outline is-leading" if place == 1 else "outline").style(style):
                    ui.label(str(place)).classes("outline-place")


def _reasons(event: Event) -> None:
    if event.reasons:
        with box("card"):
            ui.label("Why it was flagged").classes("card-title")
            for place, reason in enumerate(event.reasons, start=1):
                reason_part(place, reason)
    if event.sampled is not None:
        with box("card"):
            ui.label("Drawn for an audit").classes("card-title")
            ui.label(
                "At random, whatever its verdict, "
                f"with a chance of {percent(event.sampled)}: judged frames tell how right all are."
            ).classes("quiet")


def _answer(event: Event) -> None:
    with box("card"):
        ui.label("The model’s answer").classes("card-title")
        with box("facts wide"):
            fact("answer", event.label if event.label is not None else "withheld")
            fact("confidence", percent(event.confidence))
            fact("p-value", number(event.p_value), "small = unlike the reference images")


def _scores(event: Event) -> None:
    with box("card"):
        ui.label("Guard scores").classes("card-title")
        ui.label("higher = more unusual").classes("quiet")
        if not event.scores:
            ui.label("The model did not run on this frame.").classes("quiet")
        for name, score in sorted(event.scores.items(), key=lambda item: item[0] != "fused"):
            _line(name, number(score))


def _timing(event: Event) -> None:
    timing = event.timing_us
    with box("card"):
        ui.label("Time taken").classes("card-title")
        stages = ("gate", "preprocess", "model", "guards")
        for stage in stages:
            _line(stage, f"{getattr(timing, stage) / 1000:.2f} ms")
        _line("together", f"{sum(getattr(timing, stage) for stage in stages) / 1000:.2f} ms")


def _identity(row: EventRow) -> None:
    event = row.event
    with box("card"):
        ui.label("Identifiers").classes("card-title")
        _line("event", event.event_id)
        _line("device", f"{row.site} / {row.line} / {row.device}")
        _line("boot", event.boot_id)
        _line("frame", str(event.frame_sequence))
        _line("source", event.source)
        _line("bundle", event.bundle)
        _line("clock", "synchronised" if event.clock_synchronised else "not synchronised")
        _line("stored", moment(row.received_ms))
        if event.image is not None:
            size = f"{event.image.width_px} × {event.image.height_px} px"
            _line("picture", f"{size}, {event.image.size_bytes / 1000:.1f} kB")


def _line(name: str, value: str) -> None:
    with box("line"):
        ui.label(name).classes("line-name")
        ui.label(value).classes("line-value")


def _stream_address(row: EventRow) -> str:
    return f"/stream/{row.device_id}/{quote(row.event.stream, safe='')}"
