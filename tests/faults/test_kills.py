"""kill -9 of device, collector and broker, again and again."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from accounts import Produced, account
from brokers import Mosquitto, free_port
from core import Core
from devices import open_outbox
from resender import wait_until
from sender import Sender, post, publisher

from edge_guard.config import MqttTable
from edge_guard.publish.outbox import Outbox

HERE = Path(__file__).parent
Times = Callable[[int, int], int]


def core(folder: Path, port: int) -> Core:
    return Core(folder, MqttTable(host="127.0.0.1", port=port))


def drain(outbox: Outbox, seconds: float = 60.0) -> None:
    wait_until(lambda: outbox.spool.backlog() == 0, seconds)


def test_the_device_killed(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    chance, produced = random.Random(1), Produced()
    repetitions = times(3, 50)
    with core(tmp_path, broker.port):
        for _ in range(repetitions):
            with Sender(tmp_path, broker.port) as sender:
                sender.said(chance.randint(1, 60))
                sender.kill()
                sender.tell(produced)
        with Sender(tmp_path, broker.port, 20) as last:
            assert last.finish() == 0
            last.tell(produced)
    account("kill -9 of the publishing device", repetitions, produced, tmp_path)


DOOMED = """
import os, random, signal, sys
sys.path[:0] = sys.argv[3:]
from pathlib import Path
from core import Core
from edge_guard.collector.receipts import Receipts
from edge_guard.config import MqttTable
left = [random.Random(int(sys.argv[2]) + os.getpid()).randint(1, 8)]
def doom(self, applied):
    left[0] -= bool(applied.receipts)
    if left[0] <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
    note(self, applied)
note, Receipts.note = Receipts.note, doom
with Core(Path(sys.argv[1]), MqttTable(host="127.0.0.1", port=int(sys.argv[2]))):
    signal.pause()
"""
"""A collector that dies after a commit, before it acknowledges or answers."""


def test_the_collector_killed_between_commit_and_receipt(
    broker: Mosquitto, tmp_path: Path, times: Times
) -> None:
    repetitions = times(3, 50)
    produced, outbox = Produced(), open_outbox(tmp_path)
    paths = [str(HERE.parent), str(HERE.parent / "collector")]
    arguments = [sys.executable, "-c", DOOMED, str(tmp_path), str(broker.port), *paths]
    running = publisher(outbox, broker.port)
    running.start()
    for number in range(repetitions):
        process = subprocess.Popen(arguments)
        posted = 0
        while process.poll() is None and posted < 2000:
            post(outbox, posted, produced)
            posted += 1
        assert process.wait(60) == -9, number
    with core(tmp_path, broker.port):
        drain(outbox)
    running.stop(0.0)
    account("kill -9 of the collector after commit", repetitions, produced, tmp_path)


def test_mosquitto_killed_with_a_backlog(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Without a collector it acknowledges everything, and forgets it when it is killed."""
    repetitions = times(2, 20)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with core(tmp_path, broker.port):
        pass  # from now on the broker queues for it, in memory
    running = publisher(outbox, broker.port)
    running.start()
    for _ in range(repetitions):
        before = outbox.spool.produced()
        for number in range(100):
            post(outbox, number, produced)
        wait_until(partial(_sent, outbox, before + 100), 30)
        broker.kill()
        broker.start()
    assert outbox.spool.backlog() == outbox.spool.produced()
    with core(tmp_path, broker.port):
        drain(outbox)
    running.stop(0.0)
    account("kill -9 of Mosquitto with a backlog", repetitions, produced, tmp_path)


def _sent(outbox: Outbox, sequence: int) -> bool:
    return int(outbox.spool._query("SELECT max(sent) FROM boot")[0][0]) >= sequence


def test_mosquitto_killed_in_mid_stream(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    repetitions = times(2, 20)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with core(tmp_path, broker.port):
        running = publisher(outbox, broker.port)
        running.start()
        for _ in range(repetitions):
            for number in range(60):
                post(outbox, number, produced)
            broker.kill()
            broker.start()
        drain(outbox)
        running.stop(0.0)
    account("kill -9 of Mosquitto in mid-stream", repetitions, produced, tmp_path)


class Embedded:
    """The demo's broker, as a process."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.secret = folder / "password"
        self.secret.write_text("secret")
        self._login = folder / "login"
        self._login.write_text("user:secret")
        self.settings = {"username": "user", "password_file": str(self.secret), "version": "3.1.1"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        module = [sys.executable, "-m", "edge_guard.demo.broker", str(self.port), str(self._login)]
        with Path(os.devnull).open("wb") as nowhere:
            self._process = subprocess.Popen(module, stdout=nowhere, stderr=nowhere)
        wait_until(self._answers, 30)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True


@contextmanager
def embedded(folder: Path) -> Iterator[Embedded]:
    broker = Embedded(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.kill()


def test_the_embedded_broker_killed(tmp_path: Path, times: Times) -> None:
    pytest.importorskip("amqtt")
    repetitions = times(2, 20)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with embedded(tmp_path) as broker:
        config = MqttTable(host="127.0.0.1", port=broker.port, **broker.settings)  # type: ignore[arg-type]
        with Core(tmp_path, config):
            running = publisher(outbox, broker.port, **broker.settings)
            running.start()
            for _ in range(repetitions):
                for number in range(60):
                    post(outbox, number, produced)
                broker.kill()
                broker.start()
            drain(outbox)
            running.stop(0.0)
    account("kill -9 of the embedded broker", repetitions, produced, tmp_path)
