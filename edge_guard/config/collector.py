"""A collector's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from edge_guard.config.mqtt import MqttTable
from edge_guard.config.values import FilePath, Level, Port, Table
from edge_guard.config.webhook import WebhookTable


class S3Table(Table, frozen=True):
    """``[store.s3]``: the S3-compatible store of ``frames = "s3://bucket/prefix"``."""

    access_key: Annotated[str, Meta(min_length=1, description="Name of the key.")]
    secret_key_file: Annotated[FilePath, Meta(description="File that holds the key's secret.")]
    endpoint: Annotated[
        str, Meta(min_length=1, description="Its address: https://HOST or http://HOST:PORT.")
    ] = "https://s3.amazonaws.com"
    region: Annotated[str | None, Meta(description="Where it asks for one.")] = None
    ca_file: Annotated[
        FilePath | None, Meta(description="Certificates (PEM) to trust instead of the usual ones.")
    ] = None


class StoreTable(Table, frozen=True):
    """``[store]``: database and pictures."""

    url: Annotated[
        str,
        Meta(
            pattern=r"^(sqlite:///.+|postgresql(\+psycopg)?://.+)$(?!\n)",
            extra={"reason": "is no database: use sqlite:///FILE or postgresql://…"},
            description="The database: sqlite:///FILE or postgresql://….",
        ),
    ] = "sqlite:///collector.sqlite"
    frames: Annotated[
        FilePath,
        Meta(description="Folder for the pictures of flagged frames, or s3://bucket/prefix."),
    ] = "frames"
    bundles: Annotated[
        FilePath | None,
        Meta(description="Folder for offered bundles; left out: bundles, in the folder frames."),
    ] = None
    s3: Annotated[
        S3Table | None, Meta(description="Where the bucket is, when frames names one.")
    ] = None

    @property
    def bundle_folder(self) -> str:
        """The folder for offered bundles."""
        return self.bundles or str(Path(self.frames) / "bundles")


_Days = Annotated[float, Meta(gt=0, le=36500)]


class RetentionTable(Table, frozen=True):
    """``[retention]``: how long and how much the collector keeps; what is not set is kept for ever.

    Frames that people have judged are always kept, and flagged ones that nobody has judged unless
    ``unreviewed_days`` says otherwise.
    """

    days: Annotated[
        _Days | None,
        Meta(description="Age at which frames are deleted, except judged and unreviewed ones."),
    ] = None
    unreviewed_days: Annotated[
        _Days | None,
        Meta(
            description="Age at which flagged frames may be deleted though nobody has judged them."
        ),
    ] = None
    max_picture_bytes: Annotated[
        Annotated[int, Meta(ge=1_000_000, le=1 << 60)] | None,
        Meta(description="Size of all pictures together; the oldest that may go go first."),
    ] = None
    report_days: Annotated[
        _Days | None,
        Meta(description="Age at which drift summaries, past alarms and frame counts are deleted."),
    ] = None


class WebTable(Table, frozen=True):
    """``[web]``: the page."""

    host: Annotated[
        str, Meta(min_length=1, description="Address to listen on; 0.0.0.0 for all.")
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="TCP port to listen on.")] = 8080
    allowed_hosts: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Further names under which browsers and devices reach the page, such as "
            "that of a reverse proxy; IP addresses and this machine's own name are known."
        ),
    ] = ()
    title: Annotated[str, Meta(min_length=1, description="Title of the page.")] = "edge-guard"
    sign_in: Annotated[
        Literal["auto", "required", "off"],
        Meta(
            description="Who must sign in. auto: everybody, but while there are no people whoever "
            "sits at this machine, if host is a loopback address and neither trusted_proxies nor "
            "allowed_hosts is set. off: nobody; whoever reaches the page may do everything."
        ),
    ] = "auto"
    idle_minutes: Annotated[
        float, Meta(ge=5, le=525_600, description="Who does nothing for so long is signed out.")
    ] = 480
    session_hours: Annotated[
        float, Meta(gt=0, le=8760, description="After so long everybody signs in again.")
    ] = 168
    certificate_file: Annotated[
        FilePath | None, Meta(description="Certificate (PEM) for TLS, with key_file.")
    ] = None
    key_file: Annotated[
        FilePath | None, Meta(description="Key of the certificate, without a password.")
    ] = None
    trusted_proxies: Annotated[
        tuple[Annotated[str, Meta(min_length=1)], ...],
        Meta(
            description="Addresses or networks of reverse proxies, whose X-Forwarded-For and "
            "X-Forwarded-Proto are believed; nobody else's are."
        ),
    ] = ()


class ReviewTable(Table, frozen=True):
    """``[review]``: what people judge."""

    second_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="Share of judged frames that a second person judges too, without seeing "
            "the first answer.",
        ),
    ] = 0.05


class CollectorTable(Table, frozen=True):
    """``[collector]``: who this collector is."""

    id: Annotated[Level, Meta(description="Name of this collector, unique at its broker.")] = (
        "collector"
    )
    group: Annotated[
        Level | None,
        Meta(
            description="Collectors of one group share the devices' messages and one PostgreSQL. "
            "Left out: this collector hears everything."
        ),
    ] = None


class CollectorConfig(Table, frozen=True):
    """A whole collector configuration file."""

    collector: CollectorTable = CollectorTable()
    mqtt: MqttTable = MqttTable()
    store: StoreTable = StoreTable()
    retention: RetentionTable = RetentionTable()
    web: WebTable = WebTable()
    review: ReviewTable = ReviewTable()
    webhook: tuple[WebhookTable, ...] = ()
