"""The embedded MQTT broker: amqtt in a process of its own, for this machine only.

``python -m edge_guard.demo.broker PORT CREDENTIALS`` serves 127.0.0.1:PORT until SIGTERM or
SIGINT. CREDENTIALS is a file with ``user:password`` on its only line; nobody else gets in.
"""

from __future__ import annotations

import asyncio
import hmac
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from amqtt.broker import Broker
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session


class Credentials(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in the one user of the credentials file."""

    async def authenticate(self, *, session: Session) -> bool:
        """Return whether user name and password are those of the file."""
        given = f"{session.username}:{session.password}"
        expected = Path(self.config.file).read_text().strip()
        return hmac.compare_digest(given.encode(), expected.encode())

    @dataclass
    class Config:
        """Where the credentials are."""

        file: str


async def serve(port: int, credentials: Path) -> None:
    """Serve until the process is told to stop."""
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
            "plugins": {"edge_guard.demo.broker.Credentials": {"file": str(credentials)}},
        }
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await broker.start()
    await stop.wait()
    await broker.shutdown()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
