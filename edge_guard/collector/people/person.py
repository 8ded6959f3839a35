"""A person or program that asks for something, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Role = Literal["viewer", "operator", "engineer"]
ROLES: tuple[Role, ...] = get_args(Role)
"""From what may least to what may most; each may what those before it may."""

Scope = Literal["read", "label", "command", "retune", "rollout", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a token may be made for; ``admin`` contains the others."""

NEEDS: dict[Scope, Role] = {
    "read": "viewer",
    "label": "operator",
    "command": "operator",
    "retune": "engineer",
    "rollout": "engineer",
    "admin": "engineer",
}
"""The role that a person needs for what a token needs the scope for."""

USUAL: dict[Role, Scope] = {"viewer": "read", "operator": "label", "engineer": "admin"}
"""The scope that a token needs where a role is needed, unless another is named."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes
    ----------
    name : str
        As it is written into the audit trail.
    role : str
        ``viewer``, ``operator`` or ``engineer``.
    scopes : frozenset of str, optional
        Of a program with a token; None: a person at the page, whose role alone counts.
    signed_in : bool
        False where nobody has to sign in: the name says nothing then.
    """

    name: str
    role: Role
    scopes: frozenset[Scope] | None = None
    signed_in: bool = True

    def may(self, role: Role, scope: Scope | None = None) -> bool:
        """Tell whether this is allowed what needs a role, of tokens the scope.

        Parameters
        ----------
        role : str
        scope : str, optional
            Default: ``read`` for viewers, ``label`` for operators, ``admin`` for engineers.
        """
        if self.scopes is not None:
            return bool(self.scopes & {scope or USUAL[role], "admin"})
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL = Person("local", "engineer", signed_in=False)
"""Whoever sits at a collector that asks nobody to sign in."""
