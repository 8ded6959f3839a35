"""An operator clears the review queue in a real browser."""

from __future__ import annotations

import json
import sqlite3
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from plant import Plant
from reports import FUSED, Reporter, picture
from resender import wait_until
from running import Running

from edge_guard.publish.messages import HeatGrid, Resembled
from edge_guard.types import Reason

EVIL = "<img src=x onerror=\"document.title='owned'\">"
HEAT = HeatGrid(4, 4, bytes(range(0, 256, 16)), (0, 0, 64, 48))
DESK = "document.querySelector('.desk-main')"
SHOWN = f"{DESK}?.dataset.shown === 'true'"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("review")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile", 1440, 900) as browser,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        yield Plant(collector, sender, browser)


@pytest.fixture(autouse=True)
def no_complaints(plant: Plant) -> Iterator[None]:
    plant.browser.complaints.clear()
    yield
    assert plant.browser.evaluate("document.title") != "owned"
    assert plant.browser.complaints == [], plant.browser.complaints


def flag(plant: Plant, device: Reporter, n: int, **changes: Any) -> None:
    """Send frames with heat and references."""
    for _ in range(n):
        near = Resembled("ok/7.png", "surface", "surface", picture(9))
        fields = {"heatmap": HEAT, "nearest": (near,), "incident": f"i{device.sequence}"}
        plant.send(*device.event(picture(device.sequence), **(fields | changes)))
    plant.wait_stored(device.device, device.sequence)


def press(plant: Plant, name: str) -> None:
    code = {"Enter": 13, "Backspace": 8}.get(name) or ord(name.upper())
    text = {"text": name} if len(name) == 1 else {}
    for kind in ("keyDown", "keyUp"):
        plant.browser.command(
            "Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **text
        )


def item(plant: Plant) -> str | None:
    shown: str | None = plant.browser.evaluate(f"{DESK}?.dataset.item")
    return shown


def answer(plant: Plant, name: str) -> None:
    """Press a key once the picture is there, and wait for the next frame."""
    plant.browser.wait(SHOWN)
    before = item(plant)
    press(plant, name)
    plant.browser.wait(f"{DESK}?.dataset.item !== '{before}'")


def words(plant: Plant) -> dict[int, list[tuple[str, str | None]]]:
    """Return all that was said, by event."""
    rows = plant.collector.get("/api/events?limit=500&kind=all")["events"]
    return {
        row["id"]: [
            (one["answer"], one["label"])
            for one in plant.collector.get(f"/api/events/{row['id']}/judgements")
        ]
        for row in rows
    }


def open_queue(plant: Plant, path: str = "/review") -> None:
    plant.open(path)
    plant.browser.wait(SHOWN)


def test_twenty_frames_by_keyboard(plant: Plant) -> None:
    device = Reporter("cam-1", boot="twenty")
    plant.send(device.summary())
    flag(plant, device, 20)
    open_queue(plant)
    assert "20 of 20 left" in plant.browser.text()
    began = time.monotonic()
    for name in ["Enter", "y", "n", "2", "1", "u", *("y" * 14)]:
        answer(plant, name)
    seconds = time.monotonic() - began
    assert seconds < 20.0, "slower than one frame a second"
    plant.browser.wait("document.body.innerText.includes('Nothing waits for review here')")
    wait_until(lambda: sum(len(said) for said in words(plant).values()) == 20)
    said = [one for _, (one,) in sorted(words(plant).items())]
    assert said[:6] == [
        ("right", None),
        ("right", None),
        ("wrong", None),
        ("wrong", "scratch"),
        ("right", None),
        ("unsure", None),
    ]
    assert set(said[6:]) == {("right", None)}
    plant.browser.wait("document.querySelector('.desk-hour').innerText === '20'")


def test_answers_can_be_taken_back_and_frames_skipped(plant: Plant) -> None:
    device = Reporter("cam-2", boot="undo")
    flag(plant, device, 3)
    known = set(words(plant))
    open_queue(plant)
    first = item(plant)
    answer(plant, "n")
    answer(plant, "Backspace")
    assert item(plant) == first
    answer(plant, "y")
    answer(plant, "s")
    skipped = item(plant)
    answer(plant, "z")
    assert item(plant) != skipped
    for _ in range(2):
        answer(plant, "y")
    mine = sorted(known)[-3:]
    wait_until(lambda: all(words(plant)[event] for event in mine))
    judged = [words(plant)[event] for event in mine]
    assert judged == [[("wrong", None), ("withdrawn", None), ("right", None)]] + 2 * [
        [("right", None)]
    ]


def test_marks_keys_and_buttons(plant: Plant) -> None:
    flag(plant, Reporter("cam-3", boot="marks"), 1)
    browser = plant.browser
    open_queue(plant)
    marks = "document.querySelectorAll('.desk .heat svg, .desk .outline').length"
    assert browser.evaluate(marks) == 2
    assert "ok/7.png" in browser.text()
    press(plant, "h")
    browser.wait(f"{marks} === 0")
    press(plant, "h")
    press(plant, "?")
    browser.wait("document.querySelector('.desk-help')?.innerText.includes('the model is right')")
    press(plant, "?")
    browser.wait("!document.querySelector('.desk-help')")
    for size in ((1440, 900), (768, 1024), (390, 844)):
        browser.resize(*size)
        assert browser.overflow() == []
        small: list[str] = browser.evaluate(
            "[...document.querySelectorAll('.desk button, .desk select')].filter(b =>"
            " b.getBoundingClientRect().height < 44).map(b => b.innerText)"
        )
        assert small == []
    browser.resize(1440, 900)
    browser.evaluate("document.querySelector('.desk-key.is-right').click()")
    browser.wait("!document.querySelector('.desk-main')")


def test_hostile_words_stay_words(plant: Plant) -> None:
    device = Reporter("cam-4", boot="evil", stream="top")
    reason = Reason("fused", EVIL, 4.2, (None, 3.1), FUSED.box)
    near = Resembled(EVIL, EVIL, EVIL, None)
    flag(plant, device, 1, reasons=(reason,), label=EVIL, nearest=(near,))
    open_queue(plant)
    assert plant.browser.text().count("<img src=x") >= 4
    field = "document.querySelector('.desk-other input')"
    plant.browser.evaluate(f"{field}.focus()")
    plant.browser.command("Input.insertText", text=EVIL + "2")
    plant.browser.wait("!document.querySelector('.desk-other button').disabled")
    plant.browser.evaluate("document.querySelector('.desk-other button').click()")
    plant.browser.wait("!document.querySelector('.desk-main')")
    newest = max(words(plant))
    wait_until(lambda: words(plant)[newest] == [("wrong", EVIL + "2")])


def test_a_part_of_the_queue_is_chosen(plant: Plant) -> None:
    one, two = Reporter("cam-5", boot="part"), Reporter("cam-6", boot="part", line="line-9")
    flag(plant, one, 1)
    flag(plant, two, 2)
    open_queue(plant, "/review?line=plant/line-9")
    assert "2 of 2 left" in plant.browser.text()
    plant.browser.evaluate(
        "(() => { const s = document.querySelector('[data-filter=line]'); s.value = '';"
        " s.dispatchEvent(new Event('change')); })()"
    )
    plant.browser.wait("document.querySelector('.desk-left')?.innerText === '3'")
    plant.browser.wait(SHOWN)
    for _ in range(3):
        answer(plant, "y")


def test_what_cannot_be_saved_is_shown_and_saved_later(plant: Plant) -> None:
    flag(plant, Reporter("cam-7", boot="late"), 2)
    open_queue(plant)
    plant.collector.kill()
    answer(plant, "y")
    answer(plant, "u")
    plant.browser.wait("document.querySelector('.desk-unsaved')?.innerText === '2'")
    plant.collector.start()
    newest = sorted(words(plant))[-2:]
    wait_until(lambda: [words(plant)[event] for event in newest] == [RIGHT, UNSURE], 30)
    plant.open("/events")
    plant.browser.complaints.clear()  # of the connection that was lost


def test_a_forgotten_page_gives_its_frames_back_and_asks_for_nothing(plant: Plant) -> None:
    flag(plant, Reporter("cam-9", boot="forgotten"), 2)
    open_queue(plant)
    answer(plant, "y")
    plant.browser.wait(SHOWN)
    lent, browser = int(item(plant) or 0), plant.browser
    browser.evaluate(
        "(() => { const now = Date.now, ask = fetch; window.asks = 0; Date.now = () => now() +"
        " 301000; window.fetch = (...all) => { window.asks += 1; return ask(...all); }; })()"
    )
    browser.wait("document.body.innerText.includes('nobody was here')")
    other = "0123456789abcdef"
    wait_until(lambda: post(plant, "take", holder=other) == 200 and held(plant) == {other}, 10)
    browser.evaluate("(() => { const now = Date.now; Date.now = () => now() + 301000; })()")
    beats = "new Promise(done => setTimeout(() => done(window.asks), 1500))"
    told = browser.command(
        "Runtime.evaluate", expression=beats, awaitPromise=True, returnByValue=True
    )
    assert told["result"]["value"] == 0
    assert post(plant, "leave", holder=other) == 200
    press(plant, "z")  # wakes the page, and takes nothing back
    browser.wait(SHOWN)
    assert int(item(plant) or 0) == lent
    newest = sorted(words(plant))[-2:]
    assert sorted(words(plant)[event] for event in newest) == [[], RIGHT]
    answer_all(plant)


def held(plant: Plant) -> set[str]:
    """Return whose leases there are."""
    with sqlite3.connect(plant.collector.folder / "c.sqlite") as database:
        rows = database.execute("SELECT holder FROM review_items WHERE holder IS NOT NULL")
        return {holder for (holder,) in rows}


def answer_all(plant: Plant) -> None:
    while item(plant) is not None:
        answer(plant, "y")


RIGHT, UNSURE = [("right", None)], [("unsure", None)]


def post(plant: Plant, path: str, **body: Any) -> int:
    request = urllib.request.Request(
        f"{plant.collector.url}/api/review/{path}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        return int(refusal.code)


def test_unfit_requests_are_refused(plant: Plant) -> None:
    key = "0123456789abcdef"
    assert post(plant, "take", holder="short") == 422
    assert post(plant, "take", holder=key + "\n") == 422
    assert post(plant, "take", holder=key, most=1000) == 422
    assert post(plant, "take", holder=key, most=0) == 200
    assert post(plant, "answers", request=key, item=1, answer="perhaps") == 422
    assert post(plant, "answers", request=key, item=1, answer="wrong", label="a\0b") == 422
    assert post(plant, "answers", request=key, item=10**9, answer="right") == 404
    assert post(plant, "undo", request=key, of=key, holder=key) == 404
    assert post(plant, "settle", request=key, event=10**9, answer="right") == 404


def test_the_agreement_page_asks_for_a_second_person(plant: Plant) -> None:
    plant.open("/review/agreement")
    plant.browser.wait("document.body.innerText.includes('This needs a second person')")
    assert "5.0 % of all judged frames" in plant.browser.text()
    for size in ((1440, 900), (390, 844)):
        plant.browser.resize(*size)
        assert plant.browser.overflow() == []
    plant.browser.resize(1440, 900)


def test_words_are_taken_back_on_the_event_page(plant: Plant) -> None:
    flag(plant, Reporter("cam-8", boot="back"), 1)
    event = max(words(plant))
    plant.open(f"/event/{event}")
    plant.browser.wait("window.did_handshake === true")
    plant.browser.evaluate("document.querySelector('.answer.is-right').click()")
    plant.browser.wait("!!document.querySelector('.take-back')")
    plant.browser.evaluate("document.querySelector('.take-back').click()")
    plant.browser.wait("document.querySelector('.judgement-list').innerText.includes('taken back')")
    assert words(plant)[event] == [("right", None), ("withdrawn", None)]
