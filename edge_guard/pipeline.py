"""Frame → Result: the order of things, and nothing else. No I/O, no clock, no threads."""

from __future__ import annotations
