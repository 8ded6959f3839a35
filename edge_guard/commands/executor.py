"""Does what is commanded: one command after the other, in a thread of its own.

A command is done when its reply is in the spool: the same transaction remembers it by its id. One
that comes again gets the same reply. One that was cut off by a crash is done again when it comes
again, which is harmless: each says how things shall be, not how they shall change.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from edge_guard.annunciator import Annunciator
from edge_guard.changeover import order_product
from edge_guard.commands.fetching import fetch_bundle
from edge_guard.commands.reading import Clock, RefusedError, command_id, read_command
from edge_guard.commands.settings import Settings
from edge_guard.errors import EdgeGuardError, GuaranteeError, StoreError
from edge_guard.publish.messages import (
    Acknowledge,
    Capture,
    ChangeProduct,
    Command,
    InService,
    OfferBundle,
    OutOfService,
    Reply,
    Shelve,
    Tighten,
    Unshelve,
)
from edge_guard.publish.outbox import Numbered, Outbox
from edge_guard.publish.stamp import clock_synchronised
from edge_guard.stream import Stream
from edge_guard.tightening import Tightened, check_products

log = logging.getLogger(__name__)

CAPTURE_SECONDS = 5.0
"""How long the next frame may take."""
_MOST_WAITING = 100
_MOST_LETTERS = 500  # of a reply, which may quote what somebody sent
_STOP_SECONDS = 15.0


class Device(Protocol):
    """What commands work on; ``daemon.Daemon`` is one."""

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The streams of now, by name."""
        ...

    def reload_bundle(
        self, stream: str, path: str | Path, *, product: str = "", other_model: bool = False
    ) -> str:
        """Let another bundle guard a stream; return its id."""
        ...


class Answer(NamedTuple):
    """What became of a command."""

    outcome: Any
    message: str
    event_id: str | None = None


def read_clock() -> Clock:
    """Return what this machine knows of the time."""
    return Clock(time.time(), clock_synchronised())


class Commands:
    """The commands of one device.

    Parameters
    ----------
    name : str
        The device's id.
    device : Device
    outbox : Outbox
    annunciator : Annunciator
    settings : Settings
    repeat : callable
        ``repeat(topic, payload)`` publishes a reply that was given before.
    changed : callable
        Called when the state that others see has changed.
    folder : Path
        Where offered bundles are fetched to.
    ca_file : str or None
        The plant's own CA, for bundles offered by https.
    clock : callable
        Returns what is known of the time.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        outbox: Outbox,
        annunciator: Annunciator,
        settings: Settings,
        repeat: Callable[[str, bytes], None],
        changed: Callable[[], None],
        folder: Path,
        ca_file: str | None = None,
        clock: Callable[[], Clock] = read_clock,
    ) -> None:
        self._name = name
        self._device = device
        self._outbox = outbox
        self._annunciator = annunciator
        self._settings = settings
        self._repeat = repeat
        self._changed = changed
        self._folder = folder
        self._ca_file = ca_file
        self._clock = clock
        self._unspooled: set[str] = set()  # answered while the disk refused
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        self._thread = threading.Thread(target=self._run, name="commands", daemon=True)
        self._actions: dict[type, Callable[[Command, Any], Answer]] = {
            Capture: self._capture,
            Acknowledge: self._acknowledge,
            Shelve: self._shelve,
            Unshelve: self._unshelve,
            OutOfService: self._serve,
            InService: self._serve,
            Tighten: self._tighten,
            OfferBundle: self._take_bundle,
            ChangeProduct: self._change_product,
        }

    def start(self) -> None:
        """Start doing what is commanded."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the command at hand, within bounds; those behind it come again."""
        while True:
            try:
                self._waiting.put_nowait(None)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._waiting.get_nowait()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def take(self, payload: bytes) -> None:
        """Take a command in; returns at once. Where too many wait, it has to come again."""
        try:
            self._waiting.put_nowait(payload)
        except queue.Full:
            log.warning("a command is not taken in: %d wait already", _MOST_WAITING)

    def _run(self) -> None:
        while (payload := self._waiting.get()) is not None:
            try:
                self._handle(payload)
            except Exception:  # whatever a command does, the next one is heard
                log.exception("a command failed")

    def _handle(self, payload: bytes) -> None:
        name = command_id(payload)
        if name is None:
            log.warning("a command without a usable id cannot be answered: %.200r", payload)
            return
        try:
            before = self._outbox.spool.reply(name)
        except StoreError as error:
            log.error("command %s waits until it comes again: %s", name, error)
            return
        if before is not None:
            self._repeat(self._outbox.topics.reply(), before)
        elif name not in self._unspooled:
            self._reply(name, self._answer(payload))

    def _answer(self, payload: bytes) -> Answer:
        try:
            command = read_command(payload, self._name, self._clock())
        except RefusedError as refusal:
            return Answer("refused", str(refusal))
        streams = self._device.streams
        if command.action.stream not in streams:
            known = ", ".join(streams)
            words = f"there is no stream {command.action.stream!r}: the device has {known}"
            return Answer("refused", words)
        try:
            answer = self._actions[type(command.action)](command, command.action)
        except GuaranteeError as error:
            return Answer("refused", str(error))
        except EdgeGuardError as error:
            return Answer("failed", str(error))
        except Exception as error:
            log.exception("command %s failed", command.id)
            return Answer("failed", f"{type(error).__name__}: {error}")
        self._changed()
        return answer

    def _reply(self, name: str, answer: Answer) -> None:
        log.info("command %s: %s, %s", name, answer.outcome, answer.message)
        sequence = self._outbox.post(
            "reply", self._outbox.topics.reply(), partial(_reply, name, answer)
        )
        if sequence is None:
            self._unspooled.add(name)

    def _capture(self, command: Command, action: Capture) -> Answer:
        stream = self._device.streams[action.stream]
        capture = stream.captures.want(command.id)
        if not capture.wait(CAPTURE_SECONDS) and stream.captures.give_up(capture):
            now = stream.snapshot()
            why = f"the source is {now.state}" + (f" ({now.cause})" if now.cause else "")
            return Answer("failed", f"no frame within {CAPTURE_SECONDS:.0f} s: {why}")
        if not capture.wait(CAPTURE_SECONDS) or capture.event_id is None:
            return Answer("failed", "the device's disk does not take the picture")
        return Answer("done", "the picture is on its way", capture.event_id)

    def _acknowledge(self, command: Command, action: Acknowledge) -> Answer:
        try:
            self._annunciator.acknowledge(action.stream, action.alarm, command.by)
        except KeyError:
            return _no_such_alarm(action.stream, action.alarm)
        return self._stands(action.stream, action.alarm)

    def _shelve(self, command: Command, action: Shelve) -> Answer:
        try:
            self._annunciator.shelve(action.stream, action.alarm, action.seconds, command.by)
        except KeyError:
            return _no_such_alarm(action.stream, action.alarm)
        return self._stands(action.stream, action.alarm)

    def _unshelve(self, command: Command, action: Unshelve) -> Answer:
        try:
            self._annunciator.unshelve(action.stream, action.alarm)
        except KeyError:
            return _no_such_alarm(action.stream, action.alarm)
        return self._stands(action.stream, action.alarm)

    def _serve(self, command: Command, action: OutOfService | InService) -> Answer:
        by = command.by if isinstance(action, OutOfService) else ""
        try:
            self._annunciator.serve(action.stream, action.alarm, by)
        except KeyError:
            return _no_such_alarm(action.stream, action.alarm)
        return self._stands(action.stream, action.alarm)

    def _tighten(self, command: Command, action: Tighten) -> Answer:
        wanted = Tightened(action.min_confidence, action.p_limit, action.review_budget)
        guards = self._device.streams[action.stream].guards
        unchanged = check_products(wanted, {name: one.own_limits for name, one in guards.items()})
        self._settings.keep(action.stream, wanted)
        for guard in self._device.streams[action.stream].guards.values():  # maybe new ones
            guard.tighten(self._settings.fitting(action.stream, guard.own_limits))
        limits = ", ".join(f"{name} {value:g}" for name, value in wanted.named().items())
        return Answer("done", "; ".join([limits or "the bundle's own limits hold", *unchanged]))

    def _take_bundle(self, command: Command, action: OfferBundle) -> Answer:
        path = self._folder / f".fetched-{action.sha256}.guard"
        fetch_bundle(action, path, self._ca_file)
        try:
            bundle = self._device.reload_bundle(
                action.stream, path, product=action.product, other_model=action.other_model
            )
        finally:
            path.unlink(missing_ok=True)
        return Answer("done", f"bundle {bundle} guards stream {action.stream}")

    def _change_product(self, command: Command, action: ChangeProduct) -> Answer:
        stream = self._device.streams[action.stream]
        order_product(stream.table, self._folder.parent, action.product)
        bundle = stream.guards[action.product].bundle_id
        words = f"frames are product {action.product} from now on, judged by bundle {bundle}"
        return Answer("done", words)

    def _stands(self, stream: str, alarm: str) -> Answer:
        return Answer("done", f"the alarm is {self._annunciator.standing(stream, alarm).isa}")


def _no_such_alarm(stream: str, alarm: str) -> Answer:
    return Answer("refused", f"stream {stream} has had no alarm {alarm!r}")


def _reply(name: str, answer: Answer, numbered: Numbered) -> Reply:
    return Reply(
        **numbered,
        command_id=name,
        outcome=answer.outcome,
        message=answer.message.replace("\0", "")[:_MOST_LETTERS],
        event_id=answer.event_id,
    )
