"""``/bundles``: the bundles that the collector holds, what runs them, and a place to upload one."""

from __future__ import annotations

import asyncio
from collections import Counter

from nicegui import events, ui

from edge_guard.collector.bundles import BundleStore, BusyError, Held
from edge_guard.collector.web.access import allowed, person
from edge_guard.collector.web.frame import Frame
from edge_guard.collector.web.marks import box, fact, link
from edge_guard.collector.web.site import Site
from edge_guard.collector.web.words import moment, moment_of
from edge_guard.errors import BundleError
from edge_guard.publish.messages import MOST_BUNDLE_BYTES

MOST_SHOWN = 200
_MEGABYTE = 1_000_000


async def bundles_page(site: Site) -> None:
    """Build the page.

    Parameters
    ----------
    site : Site
    """
    held = await asyncio.to_thread(site.bundles.held)
    places = await asyncio.to_thread(site.rollouts.places)
    runs = Counter(place.bundle for place in places)
    frame = Frame(site, "rollouts")
    with frame.body:
        with box("section-top"):
            ui.label("Bundles").classes("section-title")
            link("Rollouts", "/rollouts", "button")
        may = person().may("engineer")
        if may:
            _upload_part(site)
        if strange := sorted(set(runs) - {one.bundle for one in held}):
            ui.label(
                f"Devices run {', '.join(strange[:5])}, which the collector does not hold: upload "
                "it here to be able to return to it, and to see what another one would change."
            ).classes("causes")
        if not held:
            with box("empty"):
                ui.label("The collector holds no bundle yet.").classes("empty-title")
                ui.label("Upload one, or retune one from what people said of its frames.")
        with box("device-list"):
            for one in held[:MOST_SHOWN]:
                _card(one, runs[one.bundle], may)
    frame.follow()


def _card(held: Held, running: int, may: bool) -> None:
    with box("card bundle-card"):
        ui.label(held.bundle).classes("card-title bundle-name")
        with box("facts"):
            fact("guards now", f"{running} streams" if running != 1 else "1 stream")
            fact("calibrated", moment_of(held.created))
            fact("stored", moment(held.stored_ms))
            fact("size", f"{held.size_bytes / _MEGABYTE:.1f} MB")
            fact("signed", f"by key {held.signed_by}" if held.signed_by else "no")
            fact("model", held.model_sha256[:12], held.model_sha256)
        if may:
            link("Roll out", f"/rollouts/new?bundle={held.sha256}", "button bundle-roll")


def _upload_part(site: Site) -> None:
    with box("card"):
        said = ui.label("A bundle (.guard) is checked byte for byte before it is stored.")
        said.props("role=status")

        async def take(sent: events.UploadEventArguments) -> None:
            if (who := allowed("engineer")) is None:
                return
            try:
                digest, name, size = await _receive(site.bundles, sent)
            except (BundleError, BusyError, OSError) as error:
                said.set_text(f"{sent.file.name} is not stored: {error}.")
                return
            details = {"sha256": digest, "size_bytes": size}
            await asyncio.to_thread(site.trail.note, who, "bundle.upload", name, details)
            ui.navigate.to("/bundles")

        ui.upload(
            label="Upload a bundle",
            on_upload=take,
            on_rejected=lambda: said.set_text("Only .guard files of at most 1 GiB are taken."),
            auto_upload=True,
            max_file_size=MOST_BUNDLE_BYTES,
        ).props("accept=.guard flat bordered").classes("bundle-upload")


async def _receive(bundles: BundleStore, sent: events.UploadEventArguments) -> tuple[str, str, int]:
    with bundles.receive() as upload:
        async for piece in sent.file.iterate():
            upload.add(piece)
        digest, name = await asyncio.to_thread(upload.finish)
        return digest, name, upload.size_bytes
