"""The real daemon with a pretended model, in a process of its own.

python guarded.py FOLDER PORT PICTURES LOOP TIMEOUT   prints [boot, last sequence] after each frame
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "daemon")]

from accounts import Produced  # noqa: E402  found through the path above


class Guarded:
    """The process, and what it has said."""

    def __init__(
        self, folder: Path, port: int, pictures: Path, *, loop: bool = True, timeout: float = 10.0
    ) -> None:
        command = [sys.executable, __file__, str(folder), str(port), str(pictures)]
        command += [str(int(loop)), str(timeout)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self._lines: list[bytes] = []
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def said(self, lines: int, seconds: float = 60.0) -> None:
        """Return when it has judged so many frames."""
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
        """Note how far each boot has come."""
        for line in self._lines:
            boot, sequence = json.loads(line)
            produced.note(boot, sequence)

    def __enter__(self) -> Guarded:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.kill()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.endswith(b"\n"):
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()


def main() -> None:
    from pretend import TIMING, Pretender, device

    from edge_guard.daemon import Daemon

    folder, port, pictures = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    settings: dict[str, Any] = {"loop": sys.argv[4] == "1", "publish": "all"}
    settings |= {"summary_seconds": 0.2, "model_timeout_seconds": float(sys.argv[5])}
    config = device(folder, port, pictures, **settings)

    def tell(_item: object, _result: object) -> None:
        spool = daemon.outbox.spool
        print(json.dumps([spool.boot_id, spool.produced()]), flush=True)

    daemon = Daemon(config, tell, open_inspector=Pretender, timing=TIMING)
    signal.signal(signal.SIGTERM, lambda *_: daemon.stop())
    daemon.run()


if __name__ == "__main__":
    main()
