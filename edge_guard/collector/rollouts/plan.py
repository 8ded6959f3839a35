"""How a rollout is to go: its stages, and what counts as bad."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from edge_guard.errors import ConfigError

LONGEST_ANSWER_S = 86_400.0
"""No command is valid for longer."""


class Stage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far the bundle goes before it has to have proved itself."""

    name: Annotated[str, Meta(min_length=1, max_length=32)]
    share: Annotated[float, Meta(ge=0, le=1)]
    """Of all streams of the rollout, those of earlier stages included; one at least."""
    soak_s: Annotated[float, Meta(ge=0, le=30 * 86_400)] = 600.0
    """How long each stream has to do well."""
    frames: Annotated[int, Meta(ge=0, le=10_000_000)] = 200
    """How many frames each stream has to see meanwhile."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When the bundle is bad; a refusal or a failed self-test always is."""

    false_stop: Annotated[float, Meta(ge=1e-6, le=0.5)] = 0.01
    """Bound on the probability that the whole rollout is stopped by flags that have not risen."""
    rise: Annotated[float, Meta(ge=1, le=1000)] = 1.0
    """How many times the share of flags before is no reason to return; for bundles meant to flag
    more."""
    silence_s: Annotated[float, Meta(ge=1, le=86_400)] = 300.0
    """How long a device may say nothing while it has to prove the bundle."""
    alarms: tuple[Annotated[str, Meta(min_length=1, max_length=128)], ...] = (
        "self-test",
        "watchdog",
        "drift",
    )
    """Alarms that must not come up anew."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Stages, rule, and how long devices have to answer."""

    stages: Annotated[tuple[Stage, ...], Meta(min_length=1, max_length=10)] = (
        Stage(name="canary", share=0.0),
        Stage(name="share", share=0.25),
        Stage(name="all", share=1.0),
    )
    rule: Rule = Rule()
    answer_s: Annotated[float, Meta(ge=1, le=LONGEST_ANSWER_S)] = 3600.0
    """How long a device may take to answer an offer before the rest goes on without it."""

    def check(self) -> None:
        """Refuse stages that do not grow up to everything.

        Raises
        ------
        ConfigError
        """
        shares = [stage.share for stage in self.stages]
        if shares != sorted(set(shares)) or shares[-1] != 1.0:
            said = ", ".join(f"{stage.name} {stage.share:g}" for stage in self.stages)
            raise ConfigError(
                f"the stages do not grow from few streams to all ({said})",
                "give each a larger share than the one before, the last one 1",
            )
