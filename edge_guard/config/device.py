"""A device's tables."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta

from edge_guard.config.daemon import MetricsTable, SelfTestTable
from edge_guard.config.mqtt import MqttTable
from edge_guard.config.product import ProductTable
from edge_guard.config.sparkplug import SparkplugTable
from edge_guard.config.trigger import TriggerTable
from edge_guard.config.values import FilePath, Level, Seconds, Table

Pixels = Annotated[int, Meta(ge=0, le=32768)]
Extent = Annotated[int, Meta(ge=16, le=32768)]


class DeviceTable(Table, frozen=True):
    """``[device]``: who this device is."""

    id: Annotated[Level, Meta(description="Name of this device, unique on its line.")]
    site: Annotated[Level, Meta(description="The plant.")] = "site"
    line: Annotated[Level, Meta(description="The line in the plant.")] = "line"
    trusted_keys: Annotated[
        tuple[FilePath, ...],
        Meta(
            description="Public keys of whoever may sign bundles for this device. Left out: every "
            "intact bundle is used. Needs edge-guard[signing]."
        ),
    ] = ()


class StreamTable(Table, frozen=True):
    """One ``[[stream]]``: a source guarded by a bundle."""

    name: Annotated[Level, Meta(description="Name of the stream, unique on the device.")]
    source: Annotated[
        str,
        Meta(
            min_length=1,
            description="Camera index or device path, genicam:PRODUCER.cti#CAMERA, rtsp://, "
            "rtsps://, http:// or https:// address, video file, image, or folder of images.",
        ),
    ]
    bundle: Annotated[
        FilePath,
        Meta(
            description="The .guard file that guards the stream. Left out where it has products, "
            "each with a bundle of its own."
        ),
    ] = ""
    publish: Annotated[
        Literal["flagged", "all"],
        Meta(description="Which frames are reported one by one: those not accepted, or all."),
    ] = "flagged"
    watch: Annotated[
        bool, Meta(description="Folder only: when all is read, keep looking for new files.")
    ] = False
    frames_per_second: Annotated[
        Annotated[float, Meta(gt=0, le=1000)] | None,
        Meta(description="File or folder only: pace. Left out: as fast as it is read."),
    ] = None
    loop: Annotated[bool, Meta(description="File or folder only: start again at its end.")] = False
    part_name: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^[^{}]*\{part\}[^{}]*$(?!\n)",
                extra={"reason": "is no pattern of names: write {part} once, for example {part}_*"},
            ),
        ]
        | None,
        Meta(
            description="Folder only: how a picture's name, without its suffix, tells its part id: "
            "{part} where it stands, * for any text. Left out: it tells none."
        ),
    ] = None
    region: Annotated[
        tuple[Pixels, Pixels, Extent, Extent] | None,
        Meta(
            description="Region of interest: x, y, width, height in px of the camera's picture. "
            "Left out: all of it."
        ),
    ] = None
    rotate: Annotated[
        Literal[0, 90, 180, 270], Meta(description="Turn of the region, degrees clockwise.")
    ] = 0
    flip: Annotated[
        Literal["none", "horizontal", "vertical"],
        Meta(description="Reflection after the turn: left and right, or top and bottom."),
    ] = "none"
    trigger: Annotated[
        TriggerTable | None,
        Meta(description="What asks for frames, one a part. Left out: every frame is inspected."),
    ] = None
    threads: Annotated[int, Meta(ge=1, le=256, description="Threads of the model's runtime.")] = 1
    summary_seconds: Annotated[Seconds, Meta(description="Length of a summary's window.")] = 60.0
    model_timeout_seconds: Annotated[
        Seconds, Meta(description="A model that takes longer counts as hung.")
    ] = 8.0
    audit_per_hour: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="About how many frames an hour, whatever their verdict, are drawn at "
            "random and sent for people to check the answer. 0: none.",
        ),
    ] = 0.0
    diverse_per_hour: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="About how many accepted frames an hour are sent for retraining because "
            "they are unlike those sent before. They count for no rate. 0: none.",
        ),
    ] = 0.0
    sample_bytes_per_hour: Annotated[
        Annotated[int, Meta(ge=10_000, le=1 << 40)] | None,
        Meta(
            description="Budget for the pictures of both, on average. On pressure diverse frames "
            "wait and fewer are drawn at random from the next window on, at odds that are told. "
            "Left out: no limit but audit_per_hour and diverse_per_hour.",
        ),
    ] = None
    jpeg_quality: Annotated[
        int, Meta(ge=1, le=100, description="Quality of the pictures of flagged frames.")
    ] = 90
    product: Annotated[
        tuple[ProductTable, ...],
        Meta(
            description="Products that come one after the other, each with a bundle: known by "
            "part ids, by the time, or by somebody's word. Left out: one bundle for all."
        ),
    ] = ()

    def variants(self) -> dict[str, StreamTable]:
        """Return the stream as each of its bundles guards it, by product.

        Each has its product's bundle, and that one product. A stream without products is its own
        only variant, under the empty name.
        """
        if not self.product:
            return {"": self}
        return {
            one.name: msgspec.structs.replace(self, bundle=one.bundle, product=(one,))
            for one in self.product
        }


class SpoolTable(Table, frozen=True):
    """``[spool]``: the durable queue on the device's disk."""

    path: Annotated[FilePath, Meta(description="Its folder.")] = "spool"
    max_bytes: Annotated[
        int,
        Meta(
            ge=1_000_000,
            le=1 << 50,
            description="Quota. When it is reached, pictures go before events, oldest first.",
        ),
    ] = 2_000_000_000


AlarmName = Literal[
    "source", "frozen", "watchdog", "flagged", "drift", "monitors", "self-test", "bundle"
]
ALARM_NAMES: tuple[AlarmName, ...] = get_args(AlarmName)


class AlarmTable(Table, frozen=True):
    """One ``[[alarm]]``: how one alarm behaves, on every stream of the device."""

    name: Annotated[AlarmName, Meta(description="Which alarm.")]
    on_delay_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=86400)] | None,
        Meta(description="Its condition must last so long before it is an alarm."),
    ] = None
    off_delay_seconds: Annotated[
        Annotated[float, Meta(ge=0, le=86400)] | None,
        Meta(description="Its condition must be gone so long before the alarm clears."),
    ] = None
    chatter_count: Annotated[
        Annotated[int, Meta(ge=2, le=1000)] | None,
        Meta(description="It is latched when it comes so often within chatter_seconds."),
    ] = None
    chatter_seconds: Annotated[
        Annotated[float, Meta(gt=0, le=86400)] | None,
        Meta(description="And stays latched until its condition has kept still for so long."),
    ] = None
    out_of_service: Annotated[
        bool, Meta(description="Suppressed by design: it is told, but calls nobody.")
    ] = False


class DeviceConfig(Table, frozen=True):
    """A whole device configuration file."""

    device: DeviceTable
    stream: tuple[StreamTable, ...]
    mqtt: MqttTable = MqttTable()
    spool: SpoolTable = SpoolTable()
    sparkplug: SparkplugTable | None = None
    self_test: SelfTestTable = SelfTestTable()
    metrics: MetricsTable = MetricsTable()
    alarm: tuple[AlarmTable, ...] = ()
