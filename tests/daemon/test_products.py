"""A stream that shows several products: each with its bundle, and no frame lost at a changeover."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from brokers import Mosquitto
from devices import Counter, wait_until
from pretend import ACCEPTED, FLAGGED, device, write_pictures
from test_bundle_offered import offer, pages  # noqa: F401
from test_commands_obeyed import ask, order
from test_daemon import decoded
from test_reload import bundle, running

from edge_guard import account
from edge_guard import daemon as daemon_module
from edge_guard.changeover import order_product
from edge_guard.config import DeviceConfig, ProductTable
from edge_guard.daemon import Daemon
from edge_guard.errors import EdgeGuardError
from edge_guard.publish.messages import (
    ChangeProduct,
    Event,
    FrameResult,
    State,
    Summary,
    Tighten,
    decode,
)
from edge_guard.tightening import Tightened

PRODUCTS = ("bracket", "flange", "cover")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody sends receipts in some of these tests."""
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 0.3)


def line(tmp_path: Path, broker: Mosquitto, levels: list[int], **stream: Any) -> DeviceConfig:
    """A device whose one stream shows three products, on which nobody has said a word."""
    tables = tuple(
        ProductTable(name=name, bundle=str(bundle(tmp_path, f"{name}-1", model=name)))
        for name in PRODUCTS
    )
    folder = write_pictures(tmp_path / "in", *levels)
    settings = {"loop": True, "publish": "all", "product": tables, "bundle": "", **stream}
    return device(tmp_path, broker.port, folder, **settings)


def change(product: str) -> bytes:
    return order(ChangeProduct(stream="s", product=product))


def shown(daemon: Daemon) -> tuple[str, str]:
    stream = daemon.describe().streams[0]
    return stream.product, stream.bundle


def test_products_change_under_load_and_every_frame_is_accounted_for(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 30.0)
    levels = [ACCEPTED, ACCEPTED, ACCEPTED, FLAGGED]
    config = line(tmp_path, broker, levels, frames_per_second=200.0, summary_seconds=0.5)
    seen: list[int] = []
    with Counter(broker.port) as collector:
        with running(config, on_result=lambda item, _: seen.append(item.sequence)) as daemon:
            wait_until(lambda: len(seen) > 10, 30)
            assert shown(daemon) == ("bracket", "bracket-1")
            for name in itertools.islice(itertools.cycle(PRODUCTS[1:] + PRODUCTS[:1]), 9):
                reply = ask(collector, change(name))
                assert (reply.outcome, f"judged by bundle {name}-1" in reply.message) == (
                    "done",
                    True,
                )
                count = len(seen) + 6  # beyond the four that may wait in the queue
                wait_until(lambda count=count: len(seen) > count, 30)
                assert shown(daemon) == (name, f"{name}-1")
            daemon.stop()
        boot = daemon.outbox.spool.boot_id
        collector.wait_for(boot, daemon.final_counts[0], 30)
        results = decoded(collector, "result", FrameResult)
        events = decoded(collector, "event", Event)
        summaries = decoded(collector, "summary", Summary)
        states = [decode(p, State) for p in collector.listener.on("state")]
        dropped = sum(daemon.streams["s"].dropped().values())
    judged = {one.frame_sequence: one for one in results}
    assert sorted(judged) == seen == list(range(len(seen))) and len(results) == len(seen)
    assert dropped <= 5  # what waited in the queue when the device was told to stop
    assert sorted(e.frame_sequence for e in events) == [n for n in seen if levels[n % 4] == FLAGGED]
    for said in (*results, *events):
        assert said.label in (f"{said.product}-1", "b") and said.bundle == f"{said.product}-1"
    runs = [name for name, _ in itertools.groupby(judged[n].product for n in seen)]
    assert runs == ["bracket", *itertools.islice(itertools.cycle(PRODUCTS[1:] + PRODUCTS[:1]), 9)]
    assert {p for s in states for p in s.streams[0].products.items()} == {
        (name, f"{name}-1") for name in PRODUCTS
    }
    assert {s.streams[0].product for s in states} == set(PRODUCTS)
    for name in PRODUCTS:
        told = sum(s.frames for s in summaries if s.product == name)
        assert told == sum(one.product == name for one in results), name
        assert {s.bundle for s in summaries if s.product == name} == {f"{name}-1"}
    assert len({s.window for s in summaries}) == len(summaries)


def test_part_ids_choose_the_product_of_each_frame_and_unknown_ones_go_to_a_person(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(daemon_module, "DRAIN_SECONDS", 30.0)
    parts = {"bracket": ("BR-*",), "flange": ("FL-1*", "FM-*"), "cover": ("CO-?",)}
    config = line(tmp_path, broker, [], loop=False, summary_seconds=0.2, part_name="*+{part}")
    table = config.stream[0]
    products = tuple(msgspec.structs.replace(p, parts=parts[p.name]) for p in table.product)
    table = msgspec.structs.replace(table, product=products)
    ids = ["BR-1", "FL-12", "", "CO-7", "FL-2", "BR-", "CO-77", "FM-x"] * 40
    known = ["bracket", "flange", "", "cover", "", "bracket", "", "flange"] * 40
    write_pictures(tmp_path / "in", *[ACCEPTED] * len(ids))
    for path, part in zip(sorted((tmp_path / "in").iterdir()), ids, strict=True):
        path.rename(path.with_name(f"{path.stem}+{part}.png"))
    with Counter(broker.port) as collector:
        config = msgspec.structs.replace(config, stream=(table,))
        with running(config) as daemon:
            wait_until(lambda: daemon.describe().streams[0].frames == len(ids), 30)
            shown_at_last = daemon.describe().streams[0]
        collector.wait_for(daemon.outbox.spool.boot_id, daemon.final_counts[0], 30)
        results = decoded(collector, "result", FrameResult)
        events = decoded(collector, "event", Event)
        summaries = decoded(collector, "summary", Summary)
    judged = {one.frame_sequence: one for one in results}
    assert sorted(judged) == list(range(len(ids))) and len(results) == len(ids)
    for number, product in enumerate(known):
        one = judged[number]
        assert (one.product, one.bundle) == (product, f"{product}-1" if product else ""), number
        assert one.verdict == ("accept" if product else "review")
        assert one.label == (one.bundle or None)
    assert sorted(e.frame_sequence for e in events) == [
        n for n, name in enumerate(known) if not name
    ]
    assert {e.reasons[0].guard for e in events} == {"no product"}
    words = {e.reasons[0].message for e in events}
    assert any("part id 'CO-77' belongs to no product" in one for one in words)
    assert any("came without a part id" in one for one in words) and len(words) == 3
    told = dict.fromkeys(("", *PRODUCTS), 0)
    for summary in summaries:
        told[summary.product] += summary.frames
    assert told == {name: known.count(name) for name in told}
    assert shown_at_last.product == known[-1]


def test_a_word_given_without_a_broker_holds_over_a_restart(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    spool = Path(config.spool.path)
    with running(config) as daemon:
        wait_until(lambda: shown(daemon) == ("bracket", "bracket-1"), 30)
        order_product(config.stream[0], spool, "cover")
        wait_until(lambda: shown(daemon) == ("cover", "cover-1"), 30)
    with running(config) as daemon:
        assert shown(daemon) == ("cover", "cover-1")
    (spool / "changeover-s.json").write_text("{")
    with running(config) as daemon:
        assert shown(daemon) == ("bracket", "bracket-1")


def test_a_timetable_under_a_clock_that_nobody_sets_is_a_cause_for_concern(
    broker: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    first, *others = config.stream[0].product
    timed = (msgspec.structs.replace(first, times=("06:00",)), *others)
    table = msgspec.structs.replace(config.stream[0], product=timed)
    monkeypatch.setattr(account, "clock_synchronised", lambda: False)
    with running(config) as daemon:
        assert daemon.describe().causes == ()
        daemon._reloader.take_config(msgspec.structs.replace(config, stream=(table,)))
        assert daemon.describe().causes == (f"s: {account.UNTIMELY}",)
        monkeypatch.setattr(account, "clock_synchronised", lambda: True)
        assert daemon.describe().causes == ()


def test_an_unknown_product_is_refused_with_those_there_are(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    with Counter(broker.port) as collector, running(config) as daemon:
        reply = ask(collector, change("gear"))
        assert reply.outcome == "failed"
        assert reply.message == "stream s has no product 'gear': it has bracket, flange, cover"
        assert shown(daemon) == ("bracket", "bracket-1")


def test_a_bundle_is_offered_to_one_product_and_the_others_stay(
    broker: Mosquitto,
    tmp_path: Path,
    pages: str,  # noqa: F811
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    with Counter(broker.port) as collector:
        with running(config) as daemon:
            cover = daemon.streams["s"].guards["cover"]
            newer = bundle(tmp_path, "flange-2", model="flange")
            reply = ask(collector, order(offer(pages, newer, product="flange")))
            assert (reply.outcome, reply.message) == ("done", "bundle flange-2 guards stream s")
            assert daemon.streams["s"].guards["cover"] is cover
            nobodys = ask(collector, order(offer(pages, newer)))
            assert nobodys.outcome == "failed" and "which product" in nobodys.message
            foreign = bundle(tmp_path, "flange-3", model="other")
            refused = ask(collector, order(offer(pages, foreign, product="flange")))
            assert "another model" in refused.message
            assert shown(daemon) == ("bracket", "bracket-1")
        with running(config) as daemon:
            known = {n: g.bundle_id for n, g in daemon.streams["s"].guards.items()}
            assert known == {"bracket": "bracket-1", "flange": "flange-2", "cover": "cover-1"}


def test_a_new_configuration_adds_and_takes_products_and_leaves_the_others_alone(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    bracket, flange, _ = config.stream[0].product
    gear = ProductTable(name="gear", bundle=str(bundle(tmp_path, "gear-1")))
    table = msgspec.structs.replace(config.stream[0], product=(bracket, gear))
    with running(config) as daemon:
        before = daemon.streams["s"].guards
        order_product(config.stream[0], Path(config.spool.path), flange.name)
        wait_until(lambda: shown(daemon)[0] == "flange", 30)
        daemon._reloader.take_config(msgspec.structs.replace(config, stream=(table,)))
        guards = daemon.streams["s"].guards
        assert list(guards) == ["bracket", "gear"] and guards["bracket"] is before["bracket"]
        assert before["flange"].closed and before["cover"].closed
        assert not before["bracket"].closed
        assert shown(daemon)[0] == "bracket"  # nobody's word is of a product that is there


def test_stricter_limits_hold_for_every_product(broker: Mosquitto, tmp_path: Path) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    with Counter(broker.port) as collector, running(config) as daemon:
        assert ask(collector, order(Tighten(stream="s", min_confidence=0.9))).outcome == "done"
        limits = [g.tightened.min_confidence for g in daemon.streams["s"].guards.values()]
        assert limits == [0.9] * 3


def test_a_limit_that_is_stricter_than_some_products_own_holds_for_those(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    with Counter(broker.port) as collector, running(config) as daemon:
        guards = daemon.streams["s"].guards
        guards["bracket"].own_limits = Tightened(min_confidence=0.95)  # it runs now
        reply = ask(collector, order(Tighten(stream="s", min_confidence=0.9, p_limit=0.02)))
        words = "not product bracket: min_confidence 0.9 is looser than the bundle's 0.95"
        assert reply.outcome == "done" and words in reply.message
        assert "not product bracket: the bundle has no p_limit" in reply.message
        limits = {name: guard.tightened.named() for name, guard in guards.items()}
        both = {"min_confidence": 0.9, "p_limit": 0.02}
        assert limits == {"bracket": {}, "flange": both, "cover": both}
        refused = ask(collector, order(Tighten(stream="s", min_confidence=0.4)))
        assert refused.outcome == "refused" and "looser" in refused.message


def test_one_damaged_offer_gives_way_alone_and_the_alarm_names_its_product(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=50.0)
    with running(config) as daemon:
        for name in ("flange", "cover"):
            daemon.reload_bundle("s", bundle(tmp_path, f"{name}-2", model=name), product=name)
    (kept,) = (tmp_path / "spool" / "bundles").glob("s+flange-*.guard")
    kept.write_text("torn")
    with running(config) as daemon:
        known = {n: g.bundle_id for n, g in daemon.streams["s"].guards.items()}
        assert known == {"bracket": "bracket-1", "flange": "flange-1", "cover": "cover-2"}
        (cause,) = refusals(daemon)
        assert "product flange: the offered bundle gives way to the configured: " in cause
        with pytest.raises(EdgeGuardError):
            daemon.reload_bundle("s", tmp_path / "nowhere", product="cover")
        assert "product flange" in refusals(daemon)[0] and "product cover" in refusals(daemon)[0]
        newer = bundle(tmp_path, "flange-3", model="flange")
        daemon.reload_bundle("s", newer, product="flange")
        (cause,) = refusals(daemon)  # that of another product stands
        assert "product cover: the new bundle is not used, the old one goes on: " in cause
        assert "flange" not in cause
        newer = bundle(tmp_path, "cover-3", model="cover")
        daemon.reload_bundle("s", newer, product="cover")
        assert refusals(daemon) == []


def refusals(daemon: Daemon) -> list[str]:
    return [cause for cause in daemon.describe().causes if "bundle" in cause]


def test_the_self_test_tries_every_product_and_names_the_one_that_fails(
    broker: Mosquitto, tmp_path: Path
) -> None:
    config = line(tmp_path, broker, [ACCEPTED] * 4, frames_per_second=5.0)
    bundle(tmp_path, "flange-1", model="flange", failure="a dark picture was accepted")
    with running(config) as daemon:
        wait_until(lambda: daemon.streams["s"].self_test is not None, 30)
        report = daemon.streams["s"].self_test
        assert report is not None and report.trials == 3
        assert report.failures == ("product flange: a dark picture was accepted",)


def test_states_of_older_devices_are_read_without_products() -> None:
    state = {"name": "s", "state": "running", "cause": "", "bundle": "b", "frames": 0}
    more = {"last_frame_wall_time": None, "frames_per_second": 0, "verdicts": {}, "dropped": {}}
    stamp = {"device": "d", "boot_id": "b", "wall_time": "", "monotonic_ns": 0}
    whole = {**stamp, "clock_synchronised": True, "state": "online", "causes": [], "version": "0"}
    read = decode(json.dumps(whole | {"streams": [state | more]}).encode(), State)
    assert (read.streams[0].product, read.streams[0].products) == ("", {})
