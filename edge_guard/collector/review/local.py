"""A collector's labels straight from its database, whether it runs or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge_guard.collector.judgements import Judgements
from edge_guard.collector.pictures import open_pictures
from edge_guard.collector.review.exchange import (
    Given,
    Labelled,
    Outcome,
    all_labelled,
    take_in,
)
from edge_guard.collector.store import Store
from edge_guard.config import CollectorConfig


class LocalLabels:
    """Reads and writes labels in a store.

    Parameters
    ----------
    store : Store
    who : str
        In whose name labels are taken in.
    """

    def __init__(self, store: Store, who: str) -> None:
        self._store, self._who = store, who

    def labelled(self) -> Iterator[Labelled]:
        """Yield every event on which a word stands, by number."""
        return all_labelled(self._store)

    def take_in(self, given: Sequence[Given]) -> list[Outcome]:
        """Return what became of each label."""
        return take_in(self._store, Judgements(self._store), given, self._who)


@contextmanager
def opened(config: CollectorConfig, who: str) -> Iterator[LocalLabels]:
    """Give a collector's labels.

    Raises
    ------
    StoreError
        The database cannot be opened.
    """
    store = Store(config.store.url, open_pictures(config.store))
    try:
        yield LocalLabels(store, who)
    finally:
        store.close()
