"""A device without a camera, in a process of its own: posts, says so on stdout, and publishes.

python sender.py FOLDER PORT COUNT    COUNT 0: until it is killed; else until all is stored
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from accounts import Produced
from devices import describe, open_outbox, post_alarm, post_event, post_summary

from edge_guard.config import MqttTable
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher

TIMING = {"receipt_seconds": 1.0, "reconnect_seconds": (0.05, 0.3)}


def publisher(outbox: Outbox, port: int, **settings: object) -> Publisher:
    """Return one that is in a hurry."""
    config = MqttTable(host="127.0.0.1", port=port, **settings)  # type: ignore[arg-type]
    return Publisher(config, outbox, "device", lambda: describe(outbox), **TIMING)  # type: ignore[arg-type]


def post(outbox: Outbox, number: int, produced: Produced, picture: bytes = b"\xff\xd8\xff" * 300):
    """Post an event, sometimes a summary, now and then an alarm."""
    if number % 5 == 3:
        kind, sequence = "summary", post_summary(outbox, number)
    elif number % 7 == 4:
        kind, sequence = "alarm", post_alarm(outbox, "raised" if number % 2 else "cleared")
    else:
        kind, sequence = "event", post_event(outbox, picture + number.to_bytes(4))
    if sequence is None:
        assert kind == "event"
        produced.refused += 1
    else:
        produced.note(outbox.spool.boot_id, sequence, kind)
    return kind, sequence


class Sender:
    """The process, and what it has said."""

    def __init__(self, folder: Path, port: int, count: int = 0) -> None:
        command = [sys.executable, __file__, str(folder), str(port), str(count)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._lines: list[bytes] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def said(self, lines: int, seconds: float = 30.0) -> None:
        """Return when it has posted so many messages."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._lines) >= lines, seconds)

    def kill(self) -> None:
        self._process.kill()
        self.finish()

    def finish(self, seconds: float = 60.0) -> int:
        """Return its exit code once it has ended."""
        code = self._process.wait(seconds)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return code

    def tell(self, produced: Produced) -> None:
        """Note what it has said; a line that the kill has cut off was said to nobody."""
        for line in self._lines:
            boot, sequence, kind = json.loads(line)
            produced.note(boot, sequence, kind)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *_: type[BaseException] | TracebackType | BaseException | None) -> None:
        if self._process.poll() is None:
            self.kill()


def main() -> None:
    folder, port, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    outbox = open_outbox(folder)
    running = publisher(outbox, port)
    running.start()
    number = 0
    while not count or number < count:
        number += 1
        kind, sequence = post(outbox, number, Produced())
        print(json.dumps([outbox.spool.boot_id, sequence, kind]), flush=True)
    deadline = time.monotonic() + 50
    while outbox.spool.backlog() and time.monotonic() < deadline:
        time.sleep(0.02)
    running.stop(0.0)
    sys.exit(outbox.spool.backlog() != 0)


if __name__ == "__main__":
    main()
