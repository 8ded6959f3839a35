"""Limits that are stricter than a bundle's: more frames go to a person, never fewer."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from edge_guard.errors import GuaranteeError
from edge_guard.manifest import Manifest


class Tightened(msgspec.Struct, frozen=True, omit_defaults=True):
    """Limits of one stream; None: the bundle's own.

    Attributes
    ----------
    min_confidence : float or None
        Answers below it go to a person.
    p_limit : float or None
        Frames with a p-value up to it go to a person.
    review_budget : float or None
        Share of the frames that people can look at.
    """

    min_confidence: float | None = None
    p_limit: float | None = None
    review_budget: float | None = None

    def named(self) -> dict[str, float]:
        """Return the limits that there are, by name."""
        return {
            name: value
            for name in self.__struct_fields__
            if (value := getattr(self, name)) is not None
        }

    def check(self, own: Tightened) -> None:
        """Return if every limit is at least as strict as the bundle's.

        Raises
        ------
        GuaranteeError
            One is looser, which would break what the bundle promises, or the bundle has nothing
            that it could tighten.
        """
        theirs = own.named()
        for name, value in self.named().items():
            if name not in theirs:
                raise GuaranteeError(f"the bundle has no {name} to tighten", "offer another bundle")
            if value < theirs[name]:
                raise GuaranteeError(
                    f"{name} {value:g} is looser than the bundle's {theirs[name]:g}",
                    "offer a bundle that was calibrated for it",
                )


def check_products(wanted: Tightened, own: Mapping[str, Tightened]) -> list[str]:
    """Return what limits that hold for several products do not change, in words.

    Parameters
    ----------
    wanted : Tightened
    own : mapping of str to Tightened
        The limits of each product's own bundle.

    Raises
    ------
    GuaranteeError
        A limit is at least as strict as no bundle's.
    """
    unchanged: list[str] = []
    for name, value in wanted.named().items():
        refused: dict[str, GuaranteeError] = {}
        for product, limits in own.items():
            try:
                Tightened(**{name: value}).check(limits)
            except GuaranteeError as error:
                refused[product] = error
        if len(refused) == len(own):
            raise next(iter(refused.values()))
        unchanged += [f"not product {one}: {error.problem}" for one, error in refused.items()]
    return unchanged


def own_limits(manifest: Manifest) -> Tightened:
    """Return the limits that a bundle comes with; None where it has nothing of the kind."""
    dials = manifest.dials
    certified = manifest.certificate.min_confidence if manifest.certificate else 0.0
    return Tightened(
        min_confidence=max(certified, dials.cost_confidence or 0.0) if manifest.labels else None,
        p_limit=manifest.promise.p_limit,
        review_budget=None if dials.budget_confidence is None else dials.review_budget or 0.0,
    )
