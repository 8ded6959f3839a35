"""Every error edge-guard raises on purpose, and the exit code that the command line gives it.

    EdgeGuardError
    ├── ConfigError       2   usage, device or collector configuration
    ├── ArtifactError     3   model, card or bundle
    │   ├── ModelError
    │   ├── CardError
    │   └── BundleError
    ├── ReferencesError  4   not enough or unsuitable references
    ├── SourceError       5   camera, video, folder or image
    ├── LinkError         6   broker or store
    │   ├── BrokerError
    │   └── StoreError
    └── GuaranteeError    7   guarantee not attainable

A message is one line: what is wrong, with the file, key or address, then what to do about it.
"""

from __future__ import annotations


class EdgeGuardError(Exception):
    """Base of the tree.

    Parameters
    ----------
    problem : str
        What is wrong, naming the file, key, value or address.
    remedy : str, optional
        What the reader can do about it.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}: {remedy}" if remedy else problem)


class ConfigError(EdgeGuardError):
    """Wrong usage, or a configuration file that cannot be used."""

    exit_code = 2


class ArtifactError(EdgeGuardError):
    """A file that describes or holds a model cannot be used."""

    exit_code = 3


class ModelError(ArtifactError):
    """The model cannot be loaded, tapped or run."""


class CardError(ArtifactError):
    """The model card is wrong or contradicts its model."""


class BundleError(ArtifactError):
    """The bundle is damaged, hostile, from the future, or does not fit this device."""


class ReferencesError(EdgeGuardError):
    """The reference images are too few or unsuitable."""

    exit_code = 4


class SourceError(EdgeGuardError):
    """A camera, video, folder or image cannot be opened or read."""

    exit_code = 5


class LinkError(EdgeGuardError):
    """The way to the control room is blocked."""

    exit_code = 6


class BrokerError(LinkError):
    """The MQTT broker cannot be reached or refuses."""


class StoreError(LinkError):
    """A spool, database or picture store cannot be used."""


class GuaranteeError(EdgeGuardError):
    """The guarantee asked for cannot be given from these references."""

    exit_code = 7


def missing_extra(library: str, extra: str) -> ConfigError:
    """Return the error for an optional library that is not installed.

    Parameters
    ----------
    library : str
        The import name that failed.
    extra : str
        The extra of this package that brings it.
    """
    return ConfigError(
        f"this command needs {library}, which is not installed",
        f"pip install 'edge-guard[{extra}]'",
    )
