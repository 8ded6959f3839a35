"""Delivers notices: one thread a webhook, so that one that hangs holds up no other."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from edge_guard import __version__
from edge_guard.collector.webhooks.deliveries import Claimed, Deliveries, Standing
from edge_guard.collector.webhooks.post import TIMEOUT_S, Reached, post
from edge_guard.collector.webhooks.signature import read_key, signed
from edge_guard.config import WebhookTable

log = logging.getLogger(__name__)

LOOK_S = 0.5
TIDY_S = 60.0
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 900.0


class Sender:
    """Delivers to all webhooks until stopped.

    Parameters
    ----------
    deliveries : Deliveries
    webhooks : sequence of WebhookTable
    timeout_s : float
        Of one attempt.

    Raises
    ------
    ConfigError
        The file of a secret holds no key.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        webhooks: tuple[WebhookTable, ...],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._deliveries = deliveries
        self._ending = threading.Event()
        self._couriers = [
            _Courier(deliveries, webhook.url, place, read_key(webhook.secret_file), timeout_s)
            for place, webhook in enumerate(webhooks, 1)
        ]

    def start(self, hear: Callable[[str], None] = lambda words: None) -> None:
        """Start delivering.

        Parameters
        ----------
        hear : callable
            Gets in words which webhooks take no notices, whenever that changes; empty: all do.
        """
        if self._couriers:
            self._deliveries.begin()
        for courier in self._couriers:
            courier.changed = lambda: hear(self._words())
            threading.Thread(
                target=courier.run, args=(self._ending,), name="collector-webhook", daemon=True
            ).start()

    def again(self) -> int:
        """Have what was given up delivered after all; return how many notices."""
        return sum(self._deliveries.revive(courier.url) for courier in self._couriers)

    def forget(self) -> int:
        """Forget what was given up; return how many notices."""
        return sum(self._deliveries.forget(courier.url) for courier in self._couriers)

    def stop(self) -> None:
        """Deliver nothing more; what is under way is sent again by the next run."""
        self._ending.set()

    def standing(self) -> list[Standing]:
        """Return how it stands with each webhook."""
        return [courier.standing() for courier in self._couriers]

    def _words(self) -> str:
        return "; ".join(courier.words for courier in self._couriers if courier.words)


class _Courier:
    """Delivers to one webhook, oldest first; nothing passes a notice while the receiver is down."""

    def __init__(
        self, deliveries: Deliveries, url: str, place: int, key: bytes, timeout_s: float
    ) -> None:
        self.url = url
        self._name = name_of(url, place)
        self._deliveries = deliveries
        self._key = key
        self._timeout_s = timeout_s
        self._failures = 0
        self._tidy = 0.0
        self.words = ""
        self.changed: Callable[[], None] = lambda: None

    def run(self, ending: threading.Event) -> None:
        """Deliver until ``ending``; the store's trouble is waited out."""
        while not ending.is_set():
            try:
                wait = self._step()
            except SQLAlchemyError as error:
                cause = error.orig if isinstance(error, DBAPIError) else error  # without parameters
                log.error("notices for %s cannot be read (%s): trying again", self._name, cause)
                wait = LOOK_S
            ending.wait(wait)

    def standing(self) -> Standing:
        """Return how it stands with the webhook."""
        return self._deliveries.standing(self.url, self._name)

    def _step(self) -> float:
        """Deliver what is due; return how long to wait."""
        if time.monotonic() >= self._tidy:
            self._tidy = time.monotonic() + TIDY_S
            if given_up := self._deliveries.tidy():
                log.error("%d notices were taken by no webhook in a day: given up", given_up)
            self._tell()
        notice = self._deliveries.claim(self.url)
        if notice is None:
            return LOOK_S
        reached = self._post(notice)
        if reached.taken:
            if self._failures:
                log.info("webhook %s takes notices again", self._name)
            self._deliveries.delivered(notice)
            if self._failures:
                self._failures = 0
                self._tell()
            return 0.0
        return self._put_off(notice, reached)

    def _post(self, notice: Claimed) -> Reached:
        body = notice.body.encode()
        headers = {"Content-Type": "application/json", "User-Agent": f"edge-guard/{__version__}"}
        headers |= signed(self._key, notice.message, int(time.time()), body)
        return post(self.url, body, headers, self._timeout_s)

    def _tell(self) -> None:
        """Say in words how it stands, where that has changed."""
        known = self.standing()
        words = f"{known.dead} notices for {self._name} were given up" if known.dead else ""
        if self._failures:
            words = f"{self._name} takes none ({known.trouble}), {known.waiting} notices wait"
        if words != self.words:
            self.words = words
            self.changed()

    def _put_off(self, notice: Claimed, reached: Reached) -> float:
        """Wait with this notice, and with all others where the receiver does not work."""
        if self._failures == 0:
            log.warning("webhook %s %s: trying for a day", self._name, reached.trouble)
        self._failures += 1
        attempts = notice.attempts if reached.alive else self._failures
        wait = max(wait_s(attempts), reached.retry_after_s)
        self._deliveries.failed(notice, reached.trouble, wait)
        self._tell()
        return 0.0 if reached.alive else wait


def name_of(url: str, place: int) -> str:
    """Return what a webhook is called: the path and query of its address are secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc} (webhook {place})"


def wait_s(attempts: int) -> float:
    """Return how long to wait after so many attempts: doubling, bounded, with jitter."""
    longest = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(attempts - 1, 20))
    return random.uniform(longest / 2, longest)
