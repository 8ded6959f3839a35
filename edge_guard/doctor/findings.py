"""What the doctor finds: one line each, with the remedy."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from edge_guard.errors import (
    BrokerError,
    BundleError,
    ConfigError,
    EdgeGuardError,
    SourceError,
    StoreError,
)


class Level(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    """The device works, but not as well or as safely as it could."""
    PROBLEM = "problem"
    """The device will not do what it is there for."""


class Area(StrEnum):
    """What was looked at; in the order in which it is told."""

    CONFIGURATION = "configuration"
    PERMISSIONS = "permissions"
    DISK = "disk"
    CLOCK = "clock"
    TEMPERATURE = "temperature"
    BUNDLE = "bundle"
    CAMERA = "camera"
    BROKER = "broker"


EXIT_CODES: dict[Area, int] = {
    Area.CONFIGURATION: ConfigError.exit_code,
    Area.PERMISSIONS: ConfigError.exit_code,
    Area.DISK: StoreError.exit_code,
    Area.CLOCK: ConfigError.exit_code,
    Area.TEMPERATURE: EdgeGuardError.exit_code,
    Area.BUNDLE: BundleError.exit_code,
    Area.CAMERA: SourceError.exit_code,
    Area.BROKER: BrokerError.exit_code,
}
"""Of a problem: that of the error which the daemon would end with."""


class Finding(msgspec.Struct, frozen=True):
    """One finding.

    Attributes
    ----------
    area : Area
    level : Level
    message : str
        One sentence that names the file, stream or address.
    remedy : str
        What to do; empty where nothing is wrong.
    fixed : bool
        The doctor has just put it right.
    """

    area: Area
    level: Level
    message: str
    remedy: str = ""
    fixed: bool = False


def fine(area: Area, message: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(area, Level.OK, message)


def warning(area: Area, message: str, remedy: str) -> Finding:
    """Return a finding that should be looked after."""
    return Finding(area, Level.WARNING, message, remedy)


def problem(area: Area, message: str, remedy: str) -> Finding:
    """Return a finding that must be put right."""
    return Finding(area, Level.PROBLEM, message, remedy)


def from_error(area: Area, error: EdgeGuardError) -> Finding:
    """Return an error as a problem."""
    return problem(area, error.problem, error.remedy)
