"""Bad networks, slow subscribers, long outages: everything arrives, and live events first."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from accounts import Produced, account
from brokers import Mosquitto
from clocks import wrong_clock
from core import Core
from devices import describe, open_outbox, post_event
from proxy import Proxy
from resender import wait_until
from sender import TIMING, post, publisher
from sqlalchemy import text

from edge_guard.collector.ingest import Ingest
from edge_guard.config import MqttTable
from edge_guard.publish import suspects
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.publisher import Publisher

Times = Callable[[int, int], int]
JPEG = b"\xff\xd8\xff"
LIVE_SECONDS = 2.0
DROPPED = "Outgoing messages are being dropped"


def core(folder: Path, port: int, **settings: object) -> Core:
    return Core(folder, MqttTable(host="127.0.0.1", port=port, **settings))  # type: ignore[arg-type]


def drain(outbox: Outbox, seconds: float = 60.0) -> None:
    wait_until(lambda: outbox.spool.backlog() == 0, seconds)


def test_flaps_and_resets(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Both the device and the collector sit behind a network that is cut again and again."""
    repetitions, chance = times(12, 200), random.Random(5)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with Proxy(broker.port) as near, Proxy(broker.port) as far, core(tmp_path, far.port):
        running = publisher(outbox, near.port)
        running.start()
        for number in range(repetitions):
            for more in range(10):
                post(outbox, 10 * number + more, produced, JPEG + bytes(20_000))
            time.sleep(chance.uniform(0.0, 0.4))
            (far if number % 4 == 3 else near).cut()
        drain(outbox)
        running.stop(0.0)
        remark = f"{near.accepted} connections"
    books = account("network flaps and resets", repetitions, produced, tmp_path, remark)
    assert not any(books.given_up.values())


def test_bytes_that_come_in_drips(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    repetitions = times(20, 200)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with Proxy(broker.port) as proxy, core(tmp_path, broker.port):
        proxy.bytes_per_second = 20_000
        running = publisher(outbox, proxy.port)
        running.start()
        for number in range(repetitions):
            post(outbox, number, produced, JPEG + bytes(500))
        drain(outbox)
        running.stop(0.0)
    account("20 kB/s in drips", repetitions, produced, tmp_path)


def test_half_open_connections(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Nothing passes any more, and nobody says so: noticed within 1.5 keep-alives at both ends."""
    repetitions, keepalive = times(1, 10), 5
    produced, outbox = Produced(), open_outbox(tmp_path)
    noticed: list[float] = []
    with (
        Proxy(broker.port) as near,
        Proxy(broker.port) as far,
        core(tmp_path, far.port, keepalive_seconds=keepalive) as collector,
    ):
        running = publisher(outbox, near.port, keepalive_seconds=keepalive)
        running.start()
        for number in range(repetitions):
            wait_until(lambda: collector.status() == "connected" and running.causes == (), 30)
            near.silence()
            far.silence()
            begun = time.monotonic()
            for more in range(10):
                post(outbox, 10 * number + more, produced)
            before = (near.accepted, far.accepted)
            for proxy, accepted in zip((near, far), before, strict=True):
                wait_until(_more(proxy, accepted), 3 * keepalive)
                noticed.append(time.monotonic() - begun)
        drain(outbox)
        running.stop(0.0)
    remark = f"noticed after {max(noticed):.1f} s at most, keep-alive {keepalive} s"
    account("half-open connections", repetitions, produced, tmp_path, remark)
    assert max(noticed) < 1.5 * keepalive + 1.5  # and a reconnection


def _more(proxy: Proxy, accepted: int) -> Callable[[], bool]:
    return lambda: proxy.accepted > accepted


def test_a_subscriber_too_slow_for_the_brokers_queue(
    broker: Mosquitto, tmp_path: Path, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mosquitto forgets what is more than 1000 messages behind; the spool does not."""
    count = times(1300, 10_000)
    batch = Ingest._batch

    def slowly(self: Ingest) -> object:
        fast.wait(0.5)
        return batch(self)

    fast = threading.Event()
    monkeypatch.setattr(Ingest, "_batch", slowly)
    monkeypatch.setattr("edge_guard.collector.ingest.MOST_IN_BATCH", 1)
    produced, outbox = Produced(), open_outbox(tmp_path)
    for number in range(count):
        post_bare(outbox, number, produced)
    with core(tmp_path, broker.port):
        running = publisher(outbox, broker.port)
        running.start()
        wait_until(lambda: DROPPED in broker.log.read_text(), 60)
        monkeypatch.setattr("edge_guard.collector.ingest.MOST_IN_BATCH", 200)
        fast.set()
        drain(outbox, 240)
        running.stop(0.0)
    account(
        "slow subscriber, default queue limit", 1, produced, tmp_path, "the broker dropped some"
    )


def post_bare(outbox: Outbox, number: int, produced: Produced) -> None:
    sequence = post_event(outbox)
    assert sequence is not None
    produced.note(outbox.spool.boot_id, sequence)


def test_a_days_outage(
    broker: Mosquitto, tmp_path: Path, times: Times, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's messages wait; while they drain over a slow line, live events are there in 2 s."""
    n = times(100, 2400)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with wrong_clock(monkeypatch) as clock:
        for number in range(n):
            clock.seconds = (number / n - 1) * 86_400
            post(outbox, number, produced, JPEG + random.Random(number).randbytes(20_000))
    behind = outbox.spool.backlog()
    delays: list[float] = []
    with Proxy(broker.port) as proxy, core(tmp_path, broker.port) as collector:
        proxy.bytes_per_second = 400_000
        running = publisher(outbox, proxy.port)
        running.start()
        wait_until(lambda: collector.stored() > 5, 30)
        while outbox.spool.backlog() > 10 and len(delays) < times(15, 200):
            sequence = post_event(outbox)
            assert sequence is not None
            produced.note(outbox.spool.boot_id, sequence)
            begun = time.monotonic()
            wait_until(_stored(collector, outbox.spool.boot_id, sequence), 30)
            delays.append(time.monotonic() - begun)
        proxy.bytes_per_second = 50_000_000
        drain(outbox, 240)
        running.stop(0.0)
    delays.sort()
    median, worst = delays[len(delays) // 2], delays[-1]
    remark = f"{behind} behind; live events stored after {median:.2f} s, {worst:.2f} s at most"
    account("an outage of a day", 1, produced, tmp_path, remark)
    assert worst < LIVE_SECONDS


def _stored(collector: Core, boot: str, sequence: int) -> Callable[[], bool]:
    query = text(
        "SELECT 1 FROM events JOIN boots ON boots.id = events.boot_id"
        " WHERE boots.boot = :boot AND events.sequence = :sequence"
    )

    def there() -> bool:
        with collector.store.engine.connect() as connection:
            values = {"boot": boot, "sequence": sequence}
            return connection.execute(query, values).first() is not None

    return there


@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_message_too_large_for_the_broker(
    tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its picture is given up, and the connection stands; a small one gets through."""
    monkeypatch.setattr(suspects, "_PAUSE_SECONDS", 0.1)
    produced, outbox = Produced(), open_outbox(tmp_path)
    settings = ("max_packet_size 40000",)
    timing = TIMING | {"reconnect_seconds": (0.05, 0.1)}
    with Mosquitto(tmp_path, settings=settings) as broker, core(tmp_path, broker.port):
        config = MqttTable(host="127.0.0.1", port=broker.port, version=version)  # type: ignore[arg-type]
        running = Publisher(config, outbox, "device", lambda: describe(outbox), **timing)  # type: ignore[arg-type]
        running.start()
        for number in range(12):
            size = 60_000 if number in (2, 9) else 5000
            post(outbox, number, produced, JPEG + bytes(size))
        drain(outbox, 60)
        running.stop(0.0)
    causes = {"5": "too large for the broker", "3.1.1": "breaks the connection"}
    assert outbox.spool.losses() == {f"image/{causes[version]}": 2}
    account(f"too large for the broker, MQTT {version}", 2, produced, tmp_path)
