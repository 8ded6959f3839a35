"""From the payload of a command to what is to be done, or to why it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec

from edge_guard.publish.messages import MOST_COMMAND_BYTES, Command, CommandId, decode


class _Named(msgspec.Struct, frozen=True):
    """The one thing that a payload must have to be answered."""

    id: CommandId


class RefusedError(Exception):
    """A command that is not obeyed; the text is the answer."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What a device knows of the time.

    Attributes
    ----------
    wall_s : float
        Since the Unix epoch.
    synchronised : bool
    """

    wall_s: float
    synchronised: bool


def command_id(payload: bytes) -> str | None:
    """Return the id under which a payload is answered; None: it has none that can be used."""
    if len(payload) > MOST_COMMAND_BYTES:
        return None
    try:
        return decode(payload, _Named).id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_command(payload: bytes, device: str, clock: Clock) -> Command:
    """Return the command in a payload.

    Parameters
    ----------
    payload : bytes
    device : str
        The id of this device.
    clock : Clock

    Raises
    ------
    RefusedError
        It is no command that this version knows (an unknown field or kind is named), is for
        another device, or has expired. Only a synchronised clock can tell that it has.
    """
    try:
        command = decode(payload, Command)
        expires = datetime.fromisoformat(command.expires_wall_time)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise RefusedError(f"this is not a command that the device knows: {error}") from None
    if command.device != device:
        raise RefusedError(f"the command is for device {command.device!r}, this is {device!r}")
    if expires.tzinfo is None:
        raise RefusedError(f"expires_wall_time {command.expires_wall_time!r} has no time zone")
    if clock.synchronised and clock.wall_s >= expires.timestamp():
        raise RefusedError(f"the command has expired at {command.expires_wall_time}")
    return command
