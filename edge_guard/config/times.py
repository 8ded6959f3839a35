"""Times of the week as people write them: ``06:00``, ``mon-fri 14:00``, ``sat,sun 22:30``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
_DAY = f"(?:{'|'.join(DAYS)})"
_SPAN = f"{_DAY}(?:-{_DAY})?"

TimeOfWeek = Annotated[
    str,
    Meta(
        pattern=rf"^(?:{_SPAN}(?:,{_SPAN})* )?(?:[01][0-9]|2[0-3]):[0-5][0-9]$(?!\n)",
        extra={"reason": "is no time: write '06:00', 'mon-fri 06:00' or 'sat,sun 22:30'"},
    ),
]


def minutes_of_week(text: str) -> tuple[int, ...]:
    """Return the minutes since Monday 00:00 that a ``TimeOfWeek`` names, ascending.

    >>> minutes_of_week("sat,sun 00:30")
    (7230, 8670)
    >>> len(minutes_of_week("06:00"))
    7
    """
    days, _, clock = text.rpartition(" ")
    hour, _, minute = clock.partition(":")
    within = int(hour) * 60 + int(minute)
    named = _days(days) if days else set(range(7))
    return tuple(day * DAY_MINUTES + within for day in sorted(named))


def _days(text: str) -> set[int]:
    days: set[int] = set()
    for span in text.split(","):
        first, _, last = span.partition("-")
        start, end = DAYS.index(first), DAYS.index(last or first)
        days |= {(start + step) % 7 for step in range((end - start) % 7 + 1)}
    return days
