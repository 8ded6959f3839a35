"""Who uses the collector: people with roles, their sessions, and tokens of programs."""

from __future__ import annotations

from edge_guard.collector.people.person import LOCAL, NEEDS, ROLES, SCOPES, Person, Role, Scope

__all__ = ["LOCAL", "NEEDS", "ROLES", "SCOPES", "Person", "Role", "Scope"]
