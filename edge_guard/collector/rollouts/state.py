"""A rollout as it stands, and what is seen of its streams."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from edge_guard.collector.rollouts.plan import Plan
from edge_guard.collector.rollouts.rise import Before

Status = Literal["running", "paused", "returning", "done", "returned", "aborted"]
ACTIVE: tuple[Status, ...] = ("running", "paused", "returning")
"""Of these no stream may be part of another rollout."""

Progress = Literal[
    "waiting",  # its turn has not come
    "offered",  # the device has been told to fetch the bundle
    "soaking",  # it guards the stream and has to prove itself
    "passed",  # it has
    "kept",  # it guards the stream, unproved: the rollout was aborted
    "refused",  # the device did not take it; the bundle before goes on
    "withdrawn",  # offered, then called back before the device answered
    "returning",  # the device has been told to fetch the bundle before
    "back",  # which it did
    "absent",  # the device did not answer in time
    "overtaken",  # somebody gave the stream another bundle
]
ON_NEW: tuple[Progress, ...] = ("soaking", "passed", "kept")
RETURNABLE: tuple[Progress, ...] = (*ON_NEW, "withdrawn", "returning")
"""What a return of the rollout has to do with."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A bundle that can be fetched here."""

    bundle: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a stream stood when it was offered the bundle; what came later came of it.

    Attributes
    ----------
    summary, alarm : int
        Highest ids in the database.
    standing : tuple of str
        Alarms that were raised.
    """

    summary: int = 0
    alarm: int = 0
    standing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Target:
    """One stream of a rollout.

    Attributes
    ----------
    id, position, device_id : int
    device, stream : str
    old : Offer
        The bundle to return to.
    progress : str
    why : str
        In words; empty: nothing to say.
    since_ms : int
        When it came to this progress.
    attempt : int
        Number of the newest command to it; 0: none yet.
    before : Before
        Under the old bundle.
    mark : Mark
    frames, flagged : int
        Under the new one.
    """

    id: int
    position: int
    device_id: int
    device: str
    stream: str
    old: Offer
    progress: Progress = "waiting"
    why: str = ""
    since_ms: int = 0
    attempt: int = 0
    before: Before = field(default_factory=Before)
    mark: Mark = field(default_factory=Mark)
    frames: int = 0
    flagged: int = 0

    @property
    def place(self) -> str:
        """Device and stream in words."""
        return f"{self.device}/{self.stream}"

    def to(self, progress: Progress, now_ms: int, why: str = "") -> Target:
        """Return it with another progress."""
        return replace(self, progress=progress, since_ms=now_ms, why=why)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A bundle on its way to streams.

    Attributes
    ----------
    id : int
    name : str
        By which whoever started it knows it.
    new : Offer
    base_url : str
        Where devices reach the collector's interface.
    other_model : bool
        Whether the bundle may be for another model than the one in use.
    who : str
    created_ms, since_ms : int
        Since the Unix epoch; ``since_ms``: of the status and stage.
    plan : Plan
    status : str
    stage : int
        Position in ``plan.stages``.
    why : str
        What led to the status, in words.
    version : int
        Counts the changes.
    request : str
        As it was asked for, JSON.
    targets : tuple of Target
        By position.
    """

    id: int
    name: str
    new: Offer
    base_url: str
    other_model: bool
    who: str
    created_ms: int
    since_ms: int
    plan: Plan
    status: Status
    stage: int
    why: str
    version: int
    request: str
    targets: tuple[Target, ...]

    @property
    def active(self) -> bool:
        """Whether it is still at work."""
        return self.status in ACTIVE

    @property
    def level(self) -> float:
        """The share of the false-stop rate that each stream may spend."""
        return self.plan.rule.false_stop / len(self.targets)

    def to(self, status: Status, now_ms: int, why: str = "") -> Rollout:
        """Return it with another status."""
        return replace(self, status=status, since_ms=now_ms, why=why)


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a target now.

    Attributes
    ----------
    outcome : str or None
        The device's answer to the newest command; None: none yet.
    message : str
        Its words.
    last_seen_ms : int
    offline : bool
    bundle : str
        That guards the stream, as the device said last; empty: it never said.
    self_test : str
        How its last self-test went, in words.
    alarms : tuple of (str, str)
        Name and message of those raised since the mark, that had not stood before.
    frames, flagged : int
        Since the mark, under the new bundle.
    """

    outcome: str | None = None
    message: str = ""
    last_seen_ms: int = 0
    offline: bool = False
    bundle: str = ""
    self_test: str = ""
    alarms: tuple[tuple[str, str], ...] = ()
    frames: int = 0
    flagged: int = 0
