"""Messages as a device would send them, for the collector's tests."""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from typing import Any

import cv2
import numpy as np

from edge_guard.publish.messages import (
    Alarm,
    DriftEvidence,
    Dropped,
    Event,
    FrameResult,
    ImageReference,
    Moments,
    Moved,
    Reply,
    State,
    StreamState,
    Summary,
    Topics,
    encode,
)
from edge_guard.types import Reason, Timing, Verdict

Sent = tuple[str, bytes]


def picture(seed: int, width: int = 64, height: int = 48) -> bytes:
    """Return a small JPEG that no other seed gives."""
    noise = np.random.default_rng(seed).integers(0, 255, (height // 8, width // 8, 3), np.uint8)
    image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
    return cv2.imencode(".jpg", image)[1].tobytes()


class Reporter:
    """Numbers and words the messages of one boot of one device.

    Parameters
    ----------
    device, site, line, boot : str
    stream : str
    """

    def __init__(
        self,
        device: str = "cam-1",
        *,
        site: str = "plant",
        line: str = "line-3",
        boot: str = "b00t00000001",
        stream: str = "top",
        prefix: str = "edge-guard/v1",
    ) -> None:
        self.topics = Topics(site, line, device, prefix)
        self.device, self.boot, self.stream = device, boot, stream
        self.sequence = 0

    def stamp(self, at: float | None = None) -> dict[str, Any]:
        return {
            "device": self.device,
            "boot_id": self.boot,
            "wall_time": wall(at),
            "monotonic_ns": time.monotonic_ns(),
            "clock_synchronised": True,
        }

    def next(self) -> int:
        self.sequence += 1
        return self.sequence

    def event(
        self, jpeg: bytes | None = None, *, at: float | None = None, **changes: Any
    ) -> tuple[Sent, Sent | None]:
        """Return the event and, where it has one, its picture."""
        sequence = changes.pop("sequence", None) or self.next()
        event = Event(
            **self.stamp(at),
            event_id=f"{self.boot}-{sequence}",
            sequence=sequence,
            stream=self.stream,
            frame_sequence=sequence * 10,
            captured_wall_time=wall(at),
            source="rtsp://camera-3.plant.example/top",
            verdict=changes.pop("verdict", Verdict.REVIEW),
            label=changes.pop("label", "ok"),
            confidence=changes.pop("confidence", 0.61),
            p_value=changes.pop("p_value", 0.004),
            scores=changes.pop("scores", {"fused": 4.2, "nearest": 0.31, "energy": -3.5}),
            reasons=changes.pop("reasons", (FUSED,)),
            timing_us=Timing(210.0, 640.0, 11_800.0, 190.0),
            bundle=changes.pop("bundle", "a3f1c09be27d"),
            image=reference(jpeg) if jpeg is not None else None,
            **changes,
        )
        sent = (self.topics.event(self.stream), encode(event))
        if jpeg is None:
            return sent, None
        return sent, (self.topics.image(self.stream, event.event_id), jpeg)

    def result(self, verdict: Verdict = Verdict.ACCEPT, at: float | None = None) -> Sent:
        sequence = self.next()
        result = FrameResult(
            **self.stamp(at),
            sequence=sequence,
            stream=self.stream,
            frame_sequence=sequence,
            verdict=verdict,
            label="ok",
            confidence=0.98,
            p_value=0.5,
        )
        return self.topics.result(self.stream), encode(result)

    def summary(self, at: float | None = None, window: int = 0, **changes: Any) -> Sent:
        summary = Summary(
            **self.stamp(at),
            sequence=self.next(),
            stream=self.stream,
            bundle=changes.pop("bundle", "a3f1c09be27d"),
            window=window,
            frames=changes.pop("frames", 100),
            verdicts=changes.pop("verdicts", {"accept": 96, "review": 3, "invalid": 1}),
            labels={"ok": 97, "scratch": 2},
            reasons=changes.pop("reasons", {"fused": 3, "gate.focus": 1}),
            statistics=changes.pop("statistics", {"mean": Moments(100, 118.2, 40.0, 110, 126)}),
            dropped_at_capture={},
            dropped_from_spool={},
            **changes,
        )
        return self.topics.summary(self.stream), encode(summary)

    def alarm(self, state: str = "raised", at: float | None = None, **changes: Any) -> Sent:
        alarm = Alarm(
            **self.stamp(at),
            sequence=self.next(),
            stream=self.stream,
            alarm="illumination",
            state=state,  # type: ignore[arg-type]
            cause="illumination",
            message="The light is 2.0 ± 0.5 grey levels brighter than in the reference images.",
            since_wall_time=wall(at),
            evidence={"levels": 2.0},
            **changes,
        )
        return self.topics.alarm(self.stream, "illumination"), encode(alarm)

    def drift(self, state: str = "raised", at: float | None = None, **changes: Any) -> Sent:
        evidence = DriftEvidence(
            family="illumination",
            words=changes.pop("words", "more light"),
            similarity=0.97,
            monitor="charts",
            since_frame=1200,
            frames=5,
            size=2.0,
            error=0.5,
            unit="grey levels",
            statistics=(Moved("light", "grey levels", 0.0, 2.0, 4.1),),
            cells=changes.pop("cells", tuple(2.0 if i % 8 < 4 else -1.0 for i in range(64))),
            before=changes.pop("before", picture(1)),
            after=changes.pop("after", picture(2)),
        )
        alarm = Alarm(
            **self.stamp(at),
            sequence=self.next(),
            stream=self.stream,
            alarm="drift",
            state=state,  # type: ignore[arg-type]
            cause="illumination",
            message="illumination: more light, +2.0 ± 0.5 grey levels",
            since_wall_time=wall(at),
            evidence={},
            drift=evidence,
        )
        return self.topics.alarm(self.stream, "drift"), encode(alarm)

    def reply(self, command_id: str, message: str = "done as told", **changes: Any) -> Sent:
        reply = Reply(
            **self.stamp(),
            sequence=self.next(),
            command_id=command_id,
            outcome=changes.pop("outcome", "done"),
            message=message,
            **changes,
        )
        return self.topics.reply(), encode(reply)

    def dropped(self, *ranges: tuple[int, int], of_boot: str | None = None) -> Sent:
        report = Dropped(
            **self.stamp(),
            sequence=self.next(),
            of_boot=of_boot or self.boot,
            kind="event",
            cause="quota",
            sequences=ranges,
        )
        return self.topics.dropped(), encode(report)

    def state(self, state: str = "online", **changes: Any) -> Sent:
        streams = changes.pop("streams", (self.stream_state(),))
        message = State(
            **self.stamp(),
            state=state,  # type: ignore[arg-type]
            causes=changes.pop("causes", ()),
            version="0.1.0",
            streams=streams,
            produced=self.sequence,
            backlog=changes.pop("backlog", 0),
        )
        return self.topics.state(), encode(message)

    def stream_state(self, **changes: Any) -> StreamState:
        return StreamState(
            name=changes.pop("name", self.stream),
            state=changes.pop("state", "running"),
            cause=changes.pop("cause", ""),
            bundle=changes.pop("bundle", "a3f1c09be27d"),
            last_frame_wall_time=wall(),
            frames=changes.pop("frames", 21_412),
            frames_per_second=changes.pop("frames_per_second", 12.4),
            verdicts=changes.pop("verdicts", {"accept": 21_310, "review": 88, "invalid": 14}),
            dropped=changes.pop("dropped", {"newer frame came": 3}),
        )


FUSED = Reason(
    "fused",
    "The frame looks unlike every reference image.",
    4.2,
    (None, 3.1),
    (16, 8, 24, 20),
)


def reference(jpeg: bytes, width: int = 64, height: int = 48) -> ImageReference:
    return ImageReference(hashlib.sha256(jpeg).hexdigest(), len(jpeg), width, height)


def wall(at: float | None = None) -> str:
    moment = datetime.fromtimestamp(time.time() if at is None else at, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
