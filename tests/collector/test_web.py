"""The page in a real browser, fed through a real broker."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from plant import Plant, alarm_row, click, type_name
from reports import FUSED, Reporter, picture, wall
from resender import wait_until
from running import Running

from edge_guard.publish.messages import Capture, Command, HeatGrid, Moments, Resembled, decode
from edge_guard.types import Reason, Verdict

EVIL = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
LONG = "station-with-a-name-that-nobody-would-choose-but-somebody-did-" + "x" * 60


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("plant")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile") as browser,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        yield Plant(collector, sender, browser)


@pytest.fixture(autouse=True)
def no_complaints(plant: Plant) -> Iterator[None]:
    plant.browser.complaints.clear()
    yield
    assert plant.browser.evaluate("document.title") != "owned"
    assert plant.browser.complaints == []


def test_an_empty_plant_says_what_to_do(plant: Plant) -> None:
    plant.open("/")
    plant.browser.wait("document.body.innerText.includes('No device has reported yet.')")
    assert "No frame has been flagged." in plant.browser.text()
    plant.open("/events")
    assert "There are none here." in plant.browser.text()


def test_a_flagged_frame_is_on_the_screen_within_a_second(plant: Plant) -> None:
    device = Reporter()
    plant.open("/")
    plant.browser.wait("document.body.innerText.includes('connected')")
    plant.send(device.state(), *device.event(picture(0)))
    plant.browser.wait("!!document.querySelector('.event-card img')")
    plant.browser.evaluate("window.kept = document.querySelector('.event-card')")
    delays = []
    for n in range(1, 4):
        event, image = device.event(picture(n, 320, 240))
        shown = (
            f"[...document.querySelectorAll('[data-event=\"{device.boot}-{n + 1}\"] img')]"
            ".some(i => i.complete && i.naturalWidth)"
        )
        begin = time.monotonic()
        plant.send(event, image)
        plant.browser.wait(shown)
        delays.append(time.monotonic() - begin)
    assert min(delays) < 1.0, delays
    first = "document.querySelector('.event-card').dataset.event"
    assert plant.browser.evaluate(first) == f"{device.boot}-4"
    assert plant.browser.evaluate("document.contains(window.kept)"), "the list was built anew"


def test_a_picture_that_comes_later_takes_its_place(plant: Plant) -> None:
    device = Reporter("cam-late", boot="late")
    event, image = device.event(picture(50))
    plant.open("/")
    plant.send(event)
    card = "document.querySelector('[data-event=\"late-1\"]')"
    plant.browser.wait(f"!!{card}")
    assert "on its way" in plant.browser.evaluate(f"{card}.innerText")
    plant.send(image)
    plant.browser.wait(f"!!{card}.querySelector('img')")


def test_a_device_is_followed_in_shape_and_word(plant: Plant) -> None:
    device = Reporter("cam-follow", boot="follow")
    plant.open("/")
    words = (("healthy", "circle"), ("degraded", "triangle"), ("offline", "square"))
    for (word, shape), state in zip(words, ("online", "degraded", "offline"), strict=True):
        causes = () if state == "online" else (f"because of {state}",)
        plant.send(device.state(state, causes=causes))
        plant.browser.wait(
            "[...document.querySelectorAll('.device-card')].some(c =>"
            f" c.innerText.includes('cam-follow') && c.innerText.includes('{''.join(causes)}')"
            f" && c.querySelector('.mark.{shape}').innerText.trim() === '{word}')"
        )


def test_an_alarm_appears_and_goes(plant: Plant) -> None:
    device = Reporter("cam-alarm", boot="alarm")
    plant.open("/")
    plant.send(device.alarm("raised"))
    plant.browser.wait("document.querySelector('.alarms').innerText.includes('brighter')")
    plant.send(device.alarm("cleared"))
    plant.browser.wait("!document.querySelector('.alarm')")


def test_an_alarm_is_acknowledged_and_shelved_on_the_page(plant: Plant) -> None:
    device = Reporter("cam-isa", boot="isa")
    orders: list[Command] = []

    def sent(kind: str) -> Command:
        wait_until(lambda: plant.sender.on("cam-isa/command"))
        found = (decode(p, Command) for p in reversed(plant.sender.on("cam-isa/command")))
        orders.append(next(c for c in found if c.action.__struct_config__.tag == kind))
        return orders[-1]

    plant.send(device.state(), device.alarm("raised", isa_state="unacknowledged", incident="i1"))
    plant.open("/")
    row = alarm_row("cam-isa")
    plant.browser.wait(f"{row}?.querySelector('.mark.square')?.innerText === 'unacknowledged'")
    click(plant, "Acknowledge", row)
    plant.browser.wait("document.body.innerText.includes('Say who you are first')")
    type_name(plant, "Ada")
    click(plant, "Acknowledge", row)
    plant.browser.wait("document.body.innerText.includes('Sent to cam-isa')")
    command = sent("acknowledge")
    (listed,) = [a for a in plant.collector.get("/api/alarms") if a["device"] == "cam-isa"]
    assert (listed["isa_state"], listed["alarm"]["incident"]) == ("unacknowledged", "i1")
    assert (command.by, command.device) == ("Ada", "cam-isa")
    seen = {"isa_state": "acknowledged", "acknowledged": True, "acknowledged_by": "Ada"}
    plant.send(
        device.alarm("raised", incident="i1", **seen),
        device.reply(command.id, "the alarm is acknowledged"),
    )
    plant.browser.wait(f"{row}?.querySelector('.mark.triangle')?.innerText === 'acknowledged'")
    plant.browser.wait(f"{row}.innerText.includes('seen by Ada')")
    plant.browser.wait(
        "document.querySelector('.ordering-said').innerText.includes('cam-isa: done')"
    )
    assert "Acknowledge\n" not in plant.browser.evaluate(f"{row}.innerText")
    click(plant, "Shelve 8 h", row)
    wait_until(
        lambda: plant.collector.get("/api/commands")[0]["command"]["action"]["kind"] == "shelve"
    )
    wait_until(lambda: len(set(plant.sender.on("cam-isa/command"))) == 2)
    assert sent("shelve").action.seconds == 8 * 3600  # type: ignore[union-attr]
    end = {"shelved_until_wall_time": wall(time.time() + 8 * 3600), "shelved_by": "Ada"}
    seen |= {"isa_state": "shelved"}
    plant.send(device.alarm("raised", incident="i1", **seen, **end))
    plant.browser.wait(f"{row}?.querySelector('.mark.pause')?.innerText === 'shelved'")
    plant.browser.wait(f"{row}.innerText.includes('shelved until')")
    assert plant.browser.overflow() == []
    plant.send(device.alarm("cleared", isa_state="normal", acknowledged=True))
    plant.browser.wait(f"!{row}")


def test_alarms_of_one_incident_stand_together(plant: Plant) -> None:
    one, other = (Reporter("cam-flood", boot="flood", stream=name) for name in ("a", "b"))
    other.sequence = 10
    plant.open("/")
    for device in (one, other):
        plant.send(device.alarm("raised", isa_state="unacknowledged", incident="flood-1"))
    plant.browser.wait(
        "document.querySelector('.alarm-group')?.innerText.includes('2 alarms of one incident')"
    )
    assert plant.browser.evaluate("document.querySelectorAll('.alarm-group .alarm').length") == 2
    for device in (one, other):
        plant.send(device.alarm("cleared", isa_state="returned", incident="flood-1"))
    plant.browser.wait("document.querySelectorAll('.alarm-group .mark.diamond').length === 2")
    for device in (one, other):
        plant.send(device.alarm("cleared", isa_state="normal", incident="flood-1"))
    plant.browser.wait("!document.querySelector('.alarm-group')")


def test_frames_of_one_incident_share_a_card(plant: Plant) -> None:
    device = Reporter("cam-burst", boot="burst")
    plant.open("/")
    dark = (Reason("gate.exposure", "the picture is too dark", 80.0),)
    events = [device.event(incident="burst-1", reasons=dark)[0]]
    events += [device.event(incident="burst-1")[0] for _ in range(5)]
    plant.send(*events)
    card = "document.querySelector('[data-event^=\"burst-\"]')"
    plant.browser.wait(f"{card}?.innerText.includes('5 frames of one incident')")
    cards = "document.querySelectorAll('[data-event^=\"burst-\"]').length"
    assert plant.browser.evaluate(cards) == 2  # the one that is dark, and the others
    plant.open("/events")
    plant.browser.wait(f"{card}?.innerText.includes('5 frames of one incident')")
    assert plant.browser.evaluate(cards) == 2
    plant.open(plant.browser.evaluate(f"{card}.getAttribute('href')"))
    plant.browser.wait(f"{cards} === 6")
    assert "Frames of one incident" in plant.browser.text()


def test_a_picture_is_asked_for_on_the_page(plant: Plant) -> None:
    device = Reporter("cam-shot", boot="shot")
    plant.send(device.state())
    plant.open("/")
    card = (
        "[...document.querySelectorAll('.device-card')].find(c => c.innerText.includes('cam-shot'))"
    )
    plant.browser.wait(f"!!{card}")
    type_name(plant, "Ada")
    click(plant, "Picture now", card)
    wait_until(lambda: plant.sender.on("cam-shot/command"))
    command = decode(plant.sender.on("cam-shot/command")[0], Command)
    assert command.action == Capture(stream="top")
    plant.send(device.event(captured=command.id, verdict=Verdict.ACCEPT, reasons=())[0])
    plant.send(device.reply(command.id, "the picture is on its way", event_id="shot-1"))
    plant.browser.wait("document.querySelector('.ordering-said').innerText.includes('on its way')")
    see = "[...document.querySelectorAll('.ordering a')].find(a => a.innerText === 'see it')"
    plant.open(plant.browser.evaluate(f"{see}.getAttribute('href')"))
    plant.browser.wait("document.body.innerText.includes('somebody asked for this picture')")


def test_an_event_tells_everything(plant: Plant) -> None:
    device = Reporter("cam-detail", boot="detail")
    reasons = (
        FUSED,
        Reason("gate.focus", "The frame is out of focus.", 0.21, (0.66, None)),
        Reason("gate.dead", "A statistic could not be computed.", None),
    )
    plant.send(*device.event(picture(9), reasons=reasons, verdict=Verdict.INVALID, label=None))
    plant.wait_stored("cam-detail", 1)
    plant.open(f"/event/{plant.event_id('detail-1')}")
    plant.browser.wait("[...document.images].some(i => i.naturalWidth === 64)")
    text = plant.browser.text()
    for words in (
        "invalid",
        "unlike every reference",
        "4.2, above",
        "expected 3.1 or less",
        "0.21, below",
        "no value",
        "withheld",
        "0.004",
        "nearest",
        "11.80 ms",
        "detail-1",
        "a3f1c09be27d",
        "plant / line-3 / cam-detail",
    ):
        assert words in text, words
    drawn = plant.browser.evaluate(
        """(() => {
            const i = document.querySelector('.picture-frame img').getBoundingClientRect();
            const b = document.querySelector('.outline.is-leading').getBoundingClientRect();
            return [(b.left - i.left) / i.width, (b.top - i.top) / i.height,
                    b.width / i.width, b.height / i.height];
        })()"""
    )
    assert drawn == pytest.approx([16 / 64, 8 / 48, 24 / 64, 20 / 48], abs=0.01)


def test_the_heat_lies_over_the_picture_and_can_be_taken_off(plant: Plant) -> None:
    device = Reporter("cam-heat", boot="heat")
    cells = bytes([0, 64, 255, 40])
    heat = HeatGrid(2, 2, cells, (0.0, -8.0, 64.0, 64.0))  # a letterboxed model's view
    plant.send(*device.event(picture(11), heatmap=heat))
    plant.wait_stored("cam-heat", 1)
    plant.open(f"/event/{plant.event_id('heat-1')}")
    plant.browser.wait("[...document.images].some(i => i.naturalWidth === 64)")
    plant.browser.wait("document.querySelectorAll('.heat rect').length === 3")
    drawn = plant.browser.evaluate(
        """(() => {
            const i = document.querySelector('.picture-frame img').getBoundingClientRect();
            const b = document.querySelector('.heat .hot').getBoundingClientRect();
            return [(b.left - i.left) / i.width, (b.top - i.top) / i.height,
                    b.width / i.width, b.height / i.height];
        })()"""
    )
    assert drawn == pytest.approx([0.0, 24 / 48, 0.5, 32 / 48], abs=0.02)
    assert plant.browser.evaluate("document.querySelector('.heat').checkVisibility()")
    plant.browser.evaluate("document.querySelector('.heat-switch').click()")
    plant.browser.wait("!document.querySelector('.heat').checkVisibility()")


def test_the_references_that_a_frame_resembles_are_shown(plant: Plant) -> None:
    device = Reporter("cam-like", boot="like")
    like = Resembled("good/7.png", "features", "the model's features", picture(21, 96, 64))
    bare = Resembled("good/8.png", "tone", "brightness, contrast and colour")
    plant.send(*device.event(picture(12), nearest=(like, bare)))
    plant.wait_stored("cam-like", 1)
    plant.open(f"/event/{plant.event_id('like-1')}")
    plant.browser.wait("[...document.querySelectorAll('.nearest img')].some(i => i.naturalWidth)")
    shown = plant.browser.evaluate("document.querySelector('.nearest').innerText")
    for words in ("good/7.png", "in the model's features", "good/8.png", "no picture was kept"):
        assert words in shown
    assert plant.browser.overflow() == []


def test_a_stream_is_charted_and_can_be_narrowed(plant: Plant) -> None:
    device = Reporter("cam-chart", boot="chart", stream="side view")
    now = time.time()
    plant.send(*(device.summary(now - 60 * n, window=n) for n in range(30)))
    plant.wait_stored("cam-chart", 30)
    number = next(
        d["id"] for d in plant.collector.get("/api/devices") if d["device"] == "cam-chart"
    )
    plant.open(f"/stream/{number}/side%20view?hours=8")
    plant.browser.wait("document.querySelectorAll('.chart svg').length >= 4")
    assert "Frames by verdict" in plant.browser.text()
    plant.open("/stream/999/none")
    assert "There is no device 999." in plant.browser.text()


def test_the_drift_of_a_stream_shows_its_cause_before_and_after(plant: Plant) -> None:
    device = Reporter("cam-drift", boot="drift")
    now = time.time()
    steady = {"drift.light": Moments(100, 0.1, 90.0, -2, 2)}
    off = {"drift.light": Moments(100, 4.1, 90.0, 2, 6)}
    usual, moved = [0] * 22, [0] * 22
    usual[10], usual[11], moved[19] = 50, 50, 100
    plant.send(
        *(
            device.summary(
                now - 120 * n,
                window=n,
                statistics=off if n < 10 else steady,
                histograms={"drift.light": tuple(moved if n < 10 else usual)},
                bins=1,
            )
            for n in range(60)
        ),
        device.drift("raised", now - 1200),
    )
    plant.wait_stored("cam-drift", 61)
    number = next(
        d["id"] for d in plant.collector.get("/api/devices") if d["device"] == "cam-drift"
    )
    plant.open(f"/stream/{number}/top?hours=8")
    plant.browser.wait("document.querySelectorAll('.drift-picture img').length === 2")
    plant.browser.wait(
        "[...document.querySelectorAll('.drift-picture img')].every(i => i.naturalWidth === 64)"
    )
    plant.browser.wait("document.querySelectorAll('.drift-course svg').length === 1")
    text = plant.browser.text()
    assert "illumination: more light, +2.0 ± 0.5 grey levels" in text
    assert "+2 grey levels (+4.1 σ)" in text
    assert "differs: PSI" in text
    assert plant.browser.evaluate("document.querySelectorAll('.drift-cells rect').length") == 64
    plant.send(device.drift("cleared"))
    plant.browser.wait("document.querySelector('.drift-card .mark').innerText === 'cleared'")


def test_hostile_words_and_long_names_do_no_harm(plant: Plant) -> None:
    device = Reporter(EVIL.replace("/", "\\"), boot="evil", stream=LONG)
    reason = Reason(EVIL, EVIL, 1e300, (None, -1e300), (-5, -5, 2**40, 2**40))
    plant.send(
        device.state(causes=(EVIL,)),
        *device.event(
            picture(13),
            reasons=(reason,),
            label=EVIL,
            scores={EVIL: 1.0},
            nearest=(Resembled(EVIL, EVIL, EVIL), Resembled(LONG, LONG, LONG, b"\xff\xd8\xff<")),
        ),
        device.alarm(),
        device.drift(words=EVIL, cells=(1e300,) * 64, before=EVIL.encode()),
        device.summary(
            reasons={EVIL: 1},
            verdicts={EVIL: 1, "accept": 2},
            statistics={f"drift.{EVIL}": Moments(1, 1e300, 0.0, 0.0, 1e300)},
            histograms={f"drift.{EVIL}": (1, 2), "drift.light": (-1,) * 22},
            bins=1,
        ),
    )
    plant.wait_stored(device.device, 4)
    event = plant.event_id("evil-1")
    number = next(
        d["id"] for d in plant.collector.get("/api/devices") if d["device"] == device.device
    )
    for path in ("/", "/events", f"/event/{event}", f"/stream/{number}/{LONG}"):
        for width, height in ((1280, 800), (820, 1180), (390, 844)):
            plant.browser.resize(width, height)
            plant.open(path)
            plant.browser.wait(
                "document.querySelector('.head .mark').innerText.includes('connected')"
            )
            assert plant.browser.overflow() == [], (path, width)
            assert plant.browser.evaluate("document.title") != "owned"
    plant.browser.resize(1280, 800)


def test_deep_lists_are_paged(plant: Plant) -> None:
    device = Reporter("cam-many", boot="many", stream="many")
    plant.send(*(device.event()[0] for _ in range(60)))
    plant.wait_stored("cam-many", 60)
    plant.open("/events?stream=many")
    assert plant.browser.evaluate("document.querySelectorAll('.event-card').length") == 48
    plant.browser.evaluate("[...document.querySelectorAll('.button')].pop().click()")
    plant.browser.wait("document.querySelectorAll('.event-card').length === 12")
    assert "Newest" in plant.browser.text()


# The JSON interface


def status(plant: Plant, path: str) -> int:
    try:
        with urllib.request.urlopen(plant.collector.url + path, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_the_interface_pages_and_filters(plant: Plant) -> None:
    device = Reporter("cam-api", boot="api", stream="api")
    plant.send(*(part for n in range(5) for part in device.event(picture(100 + n))))
    plant.wait_stored("cam-api", 5)
    first = plant.collector.get("/api/events?limit=3&stream=api")
    rest = plant.collector.get(f"/api/events?limit=3&stream=api&before={first['before']}")
    assert [row["event"]["sequence"] for row in first["events"] + rest["events"]] == [5, 4, 3, 2, 1]
    assert rest["before"] is None
    one = plant.collector.get(f"/api/events/{first['events'][0]['id']}")
    with urllib.request.urlopen(plant.collector.url + one["picture"], timeout=10) as answer:
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.read() == picture(104)
    number = first["events"][0]["device_id"]
    plant.send(device.result(), device.result())
    plant.wait_stored("cam-api", 7)
    rows = plant.collector.get(f"/api/results?device={number}&stream=api")
    assert sum(row["frames"] for row in rows) == 2
    health = plant.collector.get("/api/health")
    assert health["status"] == "ok"
    assert msgspec.json.encode(health)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/events/0", 422),
        ("/api/events/99999999", 404),
        ("/api/events/x", 422),
        ("/api/events?limit=0", 422),
        ("/api/events?limit=100000", 422),
        (f"/api/events?before={10**30}", 422),
        ("/api/pictures/" + "0" * 64, 404),
        ("/api/pictures/" + "0" * 64 + "/small", 404),
        ("/api/pictures/..%2f..%2fc.sqlite", 404),
        ("/api/pictures/%2e%2e/%2e%2e/c.sqlite", 404),
        ("/api/nothing", 404),
        ("/event/x", 422),
    ],
)
def test_wrong_questions_get_an_answer(plant: Plant, path: str, expected: int) -> None:
    assert status(plant, path) == expected


def test_every_answer_carries_the_security_headers(plant: Plant) -> None:
    for path in ("/", "/api/health", "/events"):
        with urllib.request.urlopen(plant.collector.url + path, timeout=10) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Frame-Options"] == "DENY"


def test_the_page_without_broker_says_so(tmp_path: Path, plant: Plant) -> None:
    with Mosquitto(tmp_path) as broker, Running(tmp_path, broker.port) as collector:
        plant.browser.open(collector.url + "/")
        plant.browser.wait("document.body.innerText.includes('connected')")
        broker.kill()
        plant.browser.wait("document.querySelector('.banner').innerText.includes('unreachable')")
        broker.start()
        plant.browser.wait("!document.querySelector('.banner').innerText", 30)
    plant.open("/")
    plant.browser.complaints.clear()  # the second collector is gone: its page said so
