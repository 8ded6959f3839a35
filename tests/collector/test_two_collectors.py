"""Two collectors that write to one database at the same time, each a random half of everything."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from reports import Reporter, Sent, picture

from edge_guard.collector.feed import REFRESH_S, Feed
from edge_guard.collector.link import LinkStatus
from edge_guard.collector.parse import Message, parse
from edge_guard.collector.pictures import PictureStore
from edge_guard.collector.queries import Queries
from edge_guard.collector.store import Store
from edge_guard.publish.messages import BootReceipt, State, decode, encode

DEVICES, EVENTS = 6, 12


@pytest.fixture
def both(store_url: str, tmp_path: Path) -> Iterator[list[Store]]:
    stores = [Store(store_url, PictureStore(tmp_path / "frames")) for _ in range(2)]
    yield stores
    for store in stores:
        store.close()


def parsed(sent: list[Sent]) -> list[Message | str]:
    messages = [parse(*one, "edge-guard/v1") for one in sent]
    return [message for message in messages if message is not None]


@pytest.mark.parametrize("seed", range(4))
def test_any_share_of_the_messages_ends_the_same(both: list[Store], seed: int) -> None:
    """Events go to one, their pictures to the other, some to both; devices are new to both."""
    chance = random.Random(seed)
    devices = [Reporter(f"cam-{n}", boot=f"boot-{n}") for n in range(DEVICES)]
    sent: list[Sent] = []
    for n in range(EVENTS):
        for number, device in enumerate(devices):
            parts = device.event(picture(n % 7 + 10 * (number % 2)))
            sent += [one for one in parts if one is not None]
            sent += [device.result(), device.alarm("raised" if n % 2 else "cleared")]
    messages = sent + chance.choices(sent, k=60)
    chance.shuffle(messages)
    shares: list[list[Sent]] = [[], []]
    for message in messages:
        shares[chance.randrange(2)].append(message)

    def work(store: Store, share: list[Sent]) -> None:
        for at in range(0, len(share), 17):
            assert store.apply(parsed(share[at : at + 17])).refused == []

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(work, both, shares))
    whole = BootReceipt("", 3 * EVENTS, 3 * EVENTS)
    for device, store in zip(devices, both * DEVICES, strict=False):
        applied = store.apply(parsed([device.state()]))
        (boots,) = applied.receipts.values()
        assert boots[device.boot] == msgspec.structs.replace(whole, boot_id=device.boot)
    queries = Queries(both[0].engine)
    rows = queries.events(1000)
    assert len({row.event.event_id for row in rows}) == len(rows) == DEVICES * EVENTS
    assert all(row.has_picture for row in rows)
    assert all(row.events == EVENTS and row.missing == 0 for row in queries.devices())


def test_what_one_stores_is_on_the_pages_of_the_other(both: list[Store]) -> None:
    one, other = both
    feed = Feed(Queries(other.engine), LinkStatus("connected", ""), shared=True)
    first = feed.since(0)
    assert first is not None and first.devices == []
    device = Reporter()
    event, image = device.event(picture(1))
    assert image is not None
    one.apply(parsed([event, device.alarm(), device.state()]))
    feed.refresh(time.monotonic() + REFRESH_S)
    news = feed.since(first.version)
    assert news is not None
    assert [row.device for row in news.devices] == ["cam-1"]
    assert [row.has_picture for row in news.events] == [False]
    assert [row.alarm.cause for row in news.alarms] == ["illumination"]
    one.apply(parsed([image, device.reply("order-1")]))
    feed.refresh(time.monotonic() + REFRESH_S)
    later = feed.since(news.version)
    assert later is not None
    assert [row.has_picture for row in later.events] == [True]
    assert [reply.command_id for reply in later.replies] == ["order-1"]
    feed.refresh(time.monotonic() + REFRESH_S)
    assert feed.since(later.version) is None  # an idle plant costs its pages nothing


def test_an_overtaken_state_is_not_taken_for_the_newest(both: list[Store]) -> None:
    device = Reporter()
    early, late = device.state(backlog=9), device.state(backlog=1)
    both[0].apply(parsed([late]))
    both[1].apply(parsed([early]))
    (row,) = Queries(both[0].engine).devices()
    assert row.state is not None and row.state.backlog == 1
    will = msgspec.structs.replace(decode(early[1], State), state="offline", streams=())
    both[1].apply(parsed([(early[0], encode(will))]))  # written when the device connected
    (row,) = Queries(both[0].engine).devices()
    assert row.state is not None and row.state.state == "offline"
