"""Makes retuned bundles in the background: ``edge-guard retune`` in a process of its own.

The command runs the model for the new bundle's self-test, which the collector itself never does.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_guard.bundle import read_bundle
from edge_guard.collector.bundles import BundleStore, BusyError
from edge_guard.collector.people import Person
from edge_guard.collector.retunes.desk import Desk, Retune
from edge_guard.collector.retunes.reading import bundle_of, frames_of
from edge_guard.collector.store import Store
from edge_guard.collector.trail import Trail
from edge_guard.errors import BundleError, ConfigError, EdgeGuardError
from edge_guard.retune.frames import Frames, gathered, write_labels
from edge_guard.retune.outcome import Outcome, settle
from edge_guard.retune.settings import Wishes

LONGEST_S = 600.0
_RENEW_S = 10.0
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Parent:
    """The bundle that a stream runs.

    Attributes
    ----------
    bundle : str
        Its id.
    sha256 : str
        Of its file; empty: it is not in the store.
    signed : bool
    """

    bundle: str
    sha256: str
    signed: bool


@dataclass(frozen=True, slots=True)
class Sight:
    """What labels make of a bundle."""

    frames: Frames
    outcome: Outcome


class Retunes:
    """Begins retunes and works on them; each in a thread, with a process.

    Parameters
    ----------
    store : Store
    bundles : BundleStore
    trail : Trail

    Attributes
    ----------
    desk : Desk
        What was begun and what came of it.
    """

    def __init__(self, store: Store, bundles: BundleStore, trail: Trail) -> None:
        self.desk = Desk(store, trail)
        self._store, self._bundles = store, bundles
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(
        self,
        device: int,
        stream: str,
        digest: str,
        wishes: Wishes,
        who: Person,
        newest: int | None = None,
    ) -> Retune:
        """Return the retune, which is now made in the background.

        Parameters
        ----------
        device : int
        stream : str
        digest : str
            Of the bundle to start from, which must be stored.
        wishes : Wishes
        who : Person
        newest : int, optional
            As for `Desk.begin`.

        Raises
        ------
        ConfigError
            The bundle is not stored.
        UnknownStreamError, TakenError
            As `Desk.begin`.
        """
        held = self._bundles.hold(digest)
        if held is None:
            raise not_stored(digest)
        begun = self.desk.begin(device, stream, (held.bundle, digest), wishes, who, newest)
        thread = threading.Thread(target=self._work, args=(begun,), name="retune", daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()
        return begun

    def parent(self, device: int, stream: str) -> Parent | None:
        """Return the bundle that a stream runs as far as is known; None: nothing is known of it."""
        with self._store.engine.connect() as connection:
            running = bundle_of(connection, device, stream)
        if running is None:
            return None
        held = next((one for one in self._bundles.held() if one.bundle == running), None)
        return Parent(running, held.sha256 if held else "", bool(held and held.signed_by))

    def look(self, device: int, stream: str, digest: str, wishes: Wishes) -> Sight:
        """Return what the labels of a stream make of a bundle; nothing is written.

        Raises
        ------
        EdgeGuardError
            The bundle is not stored, or the wishes cannot be met.
        """
        path = self._bundles.path(digest)
        if path is None:
            raise not_stored(digest)
        parent = read_bundle(path)
        with self._store.engine.connect() as connection:
            frames = gathered(frames_of(connection, device, stream, parent.id))
        return Sight(frames, settle(parent, frames, wishes))

    def stop(self) -> None:
        """End what is under way; it counts as failed, and leaves nothing behind."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(10.0)

    def _work(self, begun: Retune) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="edge-guard-retune-") as folder:
                told = self._made(begun, Path(folder))
                identity, digest = self._stored(Path(folder) / "new.guard")
            self.desk.end(begun.id, told, identity, digest)
        except (_FailedError, EdgeGuardError) as error:
            self.desk.end(begun.id, str(error))
        except Exception as error:  # whatever breaks is told where people look for the result
            self.desk.end(begun.id, f"it broke off: {type(error).__name__}: {error}")

    def _made(self, begun: Retune, folder: Path) -> str:
        """Write ``new.guard`` and return what is certified in words."""
        with self._store.engine.connect() as connection:
            frames = frames_of(connection, begun.device_id, begun.stream, begun.parent)
        write_labels(frames, folder / "labels.csv")
        parent = self._bundles.path(begun.parent_sha256)
        if parent is None:
            raise _FailedError("its bundle has been removed from the store: upload it again")
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(_command(begun, parent, folder), stdout=out, stderr=err)
            try:
                self._wait(process, begun.id)
            finally:
                process.kill()
                process.wait()
        if process.returncode:
            lines = (folder / "err").read_text("utf-8", "replace").splitlines() or ["no word why"]
            raise _FailedError(lines[-1].removeprefix("edge-guard: "))
        records = [json.loads(line) for line in (folder / "out").read_text().splitlines()]
        return str(records[0]["words"])

    def _wait(self, process: subprocess.Popen[bytes], number: int) -> None:
        """Return when the process has ended, renewing the retune meanwhile."""
        began = renewed = time.monotonic()
        while process.poll() is None:
            if self._stopping.wait(0.05):
                raise _FailedError("the collector stopped: start it again")
            now = time.monotonic()
            if now - began > LONGEST_S:
                raise _FailedError(f"it took longer than {LONGEST_S:.0f} s")
            if now - renewed > _RENEW_S:
                self.desk.renew(number)
                renewed = now

    def _stored(self, path: Path) -> tuple[str, str]:
        """Return the id and digest of the new bundle once it is in the store."""
        for _ in range(100):
            try:
                with self._bundles.receive() as upload, path.open("rb") as file:
                    while piece := file.read(_PIECE):
                        upload.add(piece)
                    digest, identity = upload.finish()
                    return identity, digest
            except BusyError:
                if self._stopping.wait(0.3):
                    break
            except (BundleError, OSError) as error:
                raise _FailedError(f"the new bundle cannot be stored: {error}") from error
        raise _FailedError("another bundle was being uploaded all the while: start it again")


def not_stored(digest: str) -> ConfigError:
    """Return the error for a bundle that this collector does not have."""
    return ConfigError(
        f"the bundle {digest[:12]}… is not in this collector's store", "upload it first"
    )


class _FailedError(Exception):
    """The retune came to nothing; the words are for people."""


def _command(begun: Retune, parent: Path, folder: Path) -> list[str]:
    wishes = begun.wishes
    options: dict[str, Any] = {
        "--labels": folder / "labels.csv",
        "--output": folder / "new.guard",
        "--target": wishes.target,
        "--confidence": wishes.confidence,
        "--cost-escape": wishes.cost_escape,
        "--cost-look": wishes.cost_look,
        "--review-budget": wishes.review_budget,
    }
    given = [f"{name}={value}" for name, value in options.items() if value is not None]
    given += ["--references"] if wishes.references else []
    base = [sys.executable, "-P", "-m", "edge_guard.cli.main", "retune", str(parent)]
    return [*base, *given, f"--who={begun.who}", "--unsigned", "--json"]
