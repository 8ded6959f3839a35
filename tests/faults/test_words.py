"""Words that lie: forged receipts, hostile payloads and topics, clocks that jump."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
from accounts import Produced, account, note
from brokers import Listener, Mosquitto
from clocks import wrong_clock
from core import Core
from devices import TOPICS, open_outbox
from reports import Reporter, picture
from resender import wait_until
from sender import post, publisher

from edge_guard.config import MqttTable
from edge_guard.publish.messages import BootReceipt, Receipt, encode
from edge_guard.publish.outbox import Outbox
from edge_guard.publish.rows import OVERDUE_ROUNDS

Times = Callable[[int, int], int]


def core(folder: Path, port: int) -> Core:
    return Core(folder, MqttTable(host="127.0.0.1", port=port))


def test_receipts_duplicated_reordered_lost_and_forged(tmp_path: Path, times: Times) -> None:
    """Against a collector that is modelled exactly: a row goes only when its message is stored."""
    repetitions, chance = times(200, 1000), random.Random(6)
    outbox, produced = open_outbox(tmp_path), Produced()
    boot = outbox.spool.boot_id
    stored: set[int] = set()
    spoken: list[BootReceipt] = [BootReceipt(boot, 0, 0)]
    n_forged = 0
    for number in range(repetitions):
        post(outbox, number, produced, b"p" * 50)
        rows = outbox.spool.take(chance.randint(0, 6), 10**6, 4)
        whole = [row for row in rows if chance.random() < 0.8]  # the rest is lost on the way
        stored |= {row.sequence for row in whole if row.part == 0}
        complete = _complete(stored, outbox, boot)
        spoken.append(_receipt(boot, complete))
        for receipt in chance.choices(spoken, k=2):  # old ones, twice, in any order
            outbox.spool.release(receipt)
        n_forged += _forge(outbox, boot, chance)
        if chance.random() < 0.3:
            outbox.spool.send_again([row for row in rows if row not in whole])
        outbox.spool.next_round()
        assert _waiting(outbox, boot) >= set(range(1, produced.last[boot] + 1)) - stored
    for _ in range(OVERDUE_ROUNDS):
        outbox.spool.next_round()
    kept = {row.sequence for row in outbox.spool.take(10**5, 10**9, 10**5) if row.part == 0}
    assert kept | stored == set(range(1, produced.last[boot] + 1))
    remark = f"{n_forged} forged ones, all refused"
    note("receipts doubled, reordered, lost, forged", repetitions, remark, kept=produced.last[boot])


def _complete(stored: set[int], outbox: Outbox, boot: str) -> set[int]:
    """A collector confirms an event with its picture only; here all that left whole is whole."""
    rows = outbox.spool._query("SELECT sequence FROM message WHERE epoch=0 AND boot_id=?", boot)
    return stored - {sequence for (sequence,) in rows}


def _waiting(outbox: Outbox, boot: str) -> set[int]:
    rows = outbox.spool._query("SELECT sequence FROM message WHERE part=0 AND boot_id=?", boot)
    return {sequence for (sequence,) in rows}


def _receipt(boot: str, complete: set[int]) -> BootReceipt:
    highest = max(complete, default=0)
    contiguous = next(n for n in range(len(complete) + 1) if n + 1 not in complete)
    gaps = [(n, n) for n in range(contiguous + 1, highest) if n not in complete]
    return BootReceipt(boot, contiguous, highest, tuple(gaps))


def _forge(outbox: Outbox, boot: str, chance: random.Random) -> int:
    """Try receipts that nobody could have sent; return how many. None may delete anything."""
    before = outbox.spool.backlog()
    far = 10 ** chance.randint(4, 15)
    forged = (
        BootReceipt(boot, far, far),
        BootReceipt(boot, 0, far, ((1, 2),)),
        BootReceipt(boot, -far, -1),
        BootReceipt(boot, 2, 1),
        BootReceipt(boot, 0, 3, ((3, 2),)),
        BootReceipt("f" * 12, far, far),
    )
    for one in forged:
        with suppress(ValueError):
            assert outbox.spool.release(one) == 0
    assert outbox.spool.backlog() == before
    return len(forged)


def test_only_the_collector_may_send_receipts(tmp_path: Path) -> None:
    """The shipped access rules: a device cannot write a receipt, neither another's nor its own."""
    users = {"device": "one", "other": "two", "collector": "three"}
    acl = (Path(__file__).parents[2] / "deploy" / "mosquitto.acl").read_text()
    outbox, produced = open_outbox(tmp_path), Produced()
    secret = tmp_path / "secret"
    secret.write_text("one")
    with Mosquitto(tmp_path, users=users, acl=acl) as broker:
        login = {"username": "device", "password_file": str(secret)}
        running = publisher(outbox, broker.port, **login)
        running.start()
        for number in range(20):
            post(outbox, number, produced)
        boot = outbox.spool.boot_id
        wait_until(lambda: outbox.spool._query("SELECT max(sent) FROM boot")[0][0] == 20)
        forged = encode(Receipt("collector", (BootReceipt(boot, 20, 20),)))
        for tried, (user, password) in enumerate((("other", "two"), ("device", "one")), 1):
            with Listener(broker.port, "x", username=user, password=password) as forger:
                for _ in range(5):
                    forger.publish(TOPICS.receipt(), forged)
                wait_until(partial(_denied, broker, 5 * tried))
        with Listener(broker.port, "x", username="collector", password="three") as collector:
            assert outbox.spool.backlog() == 20
            collector.publish(TOPICS.receipt(), forged)  # now it is the collector's word
            wait_until(lambda: outbox.spool.backlog() < 20)
        running.stop(0.0)
    note("receipts sent by other devices", 10, "refused by the access rules", kept=20)


def _denied(broker: Mosquitto, times: int) -> bool:
    return broker.log.read_text().count("Denied PUBLISH") >= times


def test_hostile_payloads_and_topics(broker: Mosquitto, tmp_path: Path, times: Times) -> None:
    """Garbage of all kinds between honest messages: counted, and nothing honest is lost."""
    repetitions, chance = times(1000, 10_000), random.Random(7)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with core(tmp_path, broker.port) as collector, Listener(broker.port, "none") as enemy:
        wait_until(lambda: collector.status() == "connected")
        running = publisher(outbox, broker.port)
        running.start()
        for number, (topic, payload) in enumerate(hostile(repetitions, chance)):
            enemy.publish(topic, payload)
            if number % 100 == 0:
                post(outbox, number // 100, produced)
            if number % 500 == 499:
                wait_until(_quiet(collector), 60)
        wait_until(lambda: outbox.spool.backlog() == 0, 60)
        running.stop(0.0)
        refused = sum(collector.queries.refusals().values())
        assert collector.ingest.alive
        assert collector.trouble() == ""
    books = account(
        "hostile payloads and topics", repetitions, produced, tmp_path, f"{refused} refused"
    )
    assert refused > repetitions // 2
    assert set(books.stored) >= set(produced.last)


def _quiet(collector: Core) -> Callable[[], bool]:
    return lambda: collector.ingest._queue.qsize() == 0


def hostile(n: int, chance: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield topics and payloads: bent ones, foreign ones, and pure noise."""
    device = Reporter("evil")
    event, image = device.event(picture(1))
    assert image is not None
    honest = [
        event,
        image,
        device.summary(),
        device.alarm(),
        device.state(),
        device.dropped((1, 2)),
    ]
    levels = ["", " ", "..", "a" * 500, "é", "\u202e", "<script>", "event", "image", "receipt", "0"]
    for _ in range(n):
        topic, payload = chance.choice(honest)
        way = chance.randrange(6)
        if way == 0:
            payload = chance.randbytes(chance.randint(0, 2000))
        elif way == 1:
            payload = _bent(payload, chance)
        elif way == 2:
            payload = payload[: chance.randrange(len(payload) + 1)]
        elif way == 3:
            payload = b"[" * chance.randint(1, 5000) + payload
        elif way == 4:
            payload = payload.replace(b":1", b":" + b"9" * chance.choice((5, 20, 400)))
        parts = topic.split("/")
        if way == 5 or chance.random() < 0.2:
            parts[chance.randrange(2, len(parts))] = chance.choice(levels)
        yield "/".join(parts), payload


def _bent(payload: bytes, chance: random.Random) -> bytes:
    bent = bytearray(payload)
    for _ in range(chance.randint(1, 8)):
        bent[chance.randrange(len(bent))] = chance.randrange(256)
    return bytes(bent)


def test_clocks_that_jump(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: Times
) -> None:
    """Ten years back, an hour forward, and in between: order and delivery do not care."""
    repetitions = times(3, 20)
    produced, outbox = Produced(), open_outbox(tmp_path)
    with core(tmp_path, broker.port) as collector:
        running = publisher(outbox, broker.port)
        running.start()
        for number in range(repetitions):
            for jump in (0.0, -10 * 365.25 * 86_400, 3600.0, -1e9):
                with wrong_clock(monkeypatch) as clock:
                    clock.seconds = jump
                    for more in range(7):
                        post(outbox, 28 * number + more, produced)
        wait_until(lambda: outbox.spool.backlog() == 0, 60)
        running.stop(0.0)
        rows = collector.queries.events(500)
    sequences = [row.event.sequence for row in rows]
    assert len(set(sequences)) == len(sequences)
    account("clock back 10 years, forward 1 hour", 4 * repetitions, produced, tmp_path)
