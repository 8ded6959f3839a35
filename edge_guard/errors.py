"""Every error edge-guard raises on purpose, and the exit code that the command line gives it.

    EdgeGuardError        EG-ERROR       1
    ├── ConfigError       EG-CONFIG      2   usage, device or collector configuration
    ├── ArtifactError     EG-ARTIFACT    3   model, card or bundle
    │   ├── ModelError    EG-MODEL
    │   ├── CardError     EG-CARD
    │   └── BundleError   EG-BUNDLE
    ├── ReferencesError   EG-REFERENCES  4   not enough or unsuitable references
    ├── SourceError       EG-SOURCE      5   camera, video, folder or image
    ├── LinkError         EG-LINK        6   broker or store
    │   ├── BrokerError   EG-BROKER
    │   └── StoreError    EG-STORE
    └── GuaranteeError    EG-GUARANTEE   7   guarantee not attainable

A message is one line: what is wrong, with the file, key or address, then what to do about it. The
command line adds the code, under which docs/troubleshooting.md says more.
"""

from __future__ import annotations


class EdgeGuardError(Exception):
    """Something that fits none of the other kinds.

    Parameters
    ----------
    problem : str
        What is wrong, naming the file, key, value or address.
    remedy : str, optional
        What the reader can do about it.
    """

    code = "EG-ERROR"
    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{problem}: {remedy}" if remedy else problem)


class ConfigError(EdgeGuardError):
    """Wrong usage, or a configuration file that cannot be used."""

    code = "EG-CONFIG"
    exit_code = 2


class ArtifactError(EdgeGuardError):
    """A file that describes or holds a model cannot be used."""

    code = "EG-ARTIFACT"
    exit_code = 3


class ModelError(ArtifactError):
    """The model cannot be loaded, tapped or run."""

    code = "EG-MODEL"


class CardError(ArtifactError):
    """The model card is wrong or contradicts its model."""

    code = "EG-CARD"


class BundleError(ArtifactError):
    """The bundle is damaged, hostile, from the future, or does not fit this device."""

    code = "EG-BUNDLE"


class ReferencesError(EdgeGuardError):
    """The reference images are too few or unsuitable."""

    code = "EG-REFERENCES"
    exit_code = 4


class SourceError(EdgeGuardError):
    """A camera, video, folder or image cannot be opened or read."""

    code = "EG-SOURCE"
    exit_code = 5


class LinkError(EdgeGuardError):
    """The way to the control room is blocked."""

    code = "EG-LINK"
    exit_code = 6


class BrokerError(LinkError):
    """The MQTT broker cannot be reached or refuses."""

    code = "EG-BROKER"


class StoreError(LinkError):
    """A spool, database or picture store cannot be used."""

    code = "EG-STORE"


class GuaranteeError(EdgeGuardError):
    """The guarantee asked for cannot be given from these references."""

    code = "EG-GUARANTEE"
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
