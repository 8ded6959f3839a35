"""Which answers a stream's model gives, as far as the collector has heard."""

from __future__ import annotations

import threading

from sqlalchemy import select

from edge_guard.collector.schema import judgements, review_items, summaries
from edge_guard.collector.store import Store
from edge_guard.publish.messages import Summary, decode

NEWEST = 20
"""Summaries that are looked at."""
MOST_JUDGEMENTS = 500
"""Newest judgements, of all streams, whose labels are looked at."""
MOST = 200


class Labels:
    """Remembers each stream's labels in the order in which they are offered; thread-safe.

    What was learned at once is in alphabetical order, what came later is added at the end: a label
    keeps its key while the collector runs.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[tuple[int, str], list[str]] = {}

    def of(self, device: int, stream: str, answers: set[str]) -> list[str]:
        """Return a stream's labels.

        Parameters
        ----------
        device : int
        stream : str
        answers : set of str
            Answers of the model that are about to be shown.
        """
        with self._lock:
            known = self._known.get((device, stream))
            if known is None or not answers <= set(known):
                known = known or []
                new = (self._heard(device, stream) | answers) - set(known)
                self._known[device, stream] = known = (known + sorted(new))[:MOST]
            return known

    def _heard(self, device: int, stream: str) -> set[str]:
        reports = (
            select(summaries.c.body)
            .where(summaries.c.device_id == device, summaries.c.stream == stream)
            .order_by(summaries.c.occurred_ms.desc())
            .limit(NEWEST)
        )
        item = review_items.c
        newest = (
            select(judgements).order_by(judgements.c.id.desc()).limit(MOST_JUDGEMENTS).subquery()
        )
        said = (
            select(newest.c.label)
            .join(review_items, item.event_id == newest.c.event_id)
            .where(item.device_id == device, item.stream == stream, newest.c.label.isnot(None))
            .distinct()
        )
        with self._store.engine.connect() as connection:
            bodies = connection.scalars(reports).all()
            labels = {label for label in connection.scalars(said) if label}
        for body in bodies:
            labels |= set(decode(body.encode(), Summary).labels)
        return labels
