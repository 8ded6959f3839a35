"""The thread that takes rollouts on."""

from __future__ import annotations

import logging
import threading

from sqlalchemy.exc import SQLAlchemyError

from edge_guard.collector.rollouts.book import Rollouts

log = logging.getLogger(__name__)

STEP_S = 1.0


class Conductor:
    """Advances rollouts, one step a second, until stopped.

    Parameters
    ----------
    rollouts : Rollouts
    """

    def __init__(self, rollouts: Rollouts) -> None:
        self._rollouts = rollouts
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="collector-rollouts", daemon=True)

    def start(self) -> None:
        """Start advancing."""
        self._thread.start()

    def stop(self) -> None:
        """Return when the step at hand is done."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(STEP_S):
            try:
                self._rollouts.advance()
            except SQLAlchemyError as error:
                log.error("rollouts wait for the store (%s): trying again every second", error)
            except Exception:  # one rollout's trouble must not end those to come
                log.exception("rollouts cannot be advanced: trying again every second")
