"""What hostile devices and people write is text on the plant, device, stream and datasets pages."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from plant import Plant
from reports import Reporter, picture
from resender import wait_until
from running import Running

from edge_guard.publish.messages import Moments
from edge_guard.types import Reason, Verdict

CORPUS = (
    "<script>window.owned=1</script>",
    "<img src=x onerror=window.owned=1>",
    "<svg/onload=window.owned=1>",
    "\"><iframe srcdoc='<script>parent.owned=1</script>'>",
    "' onmouseover='window.owned=1' x='",
    "javascript:window.owned=1//",
    "</style><script>window.owned=1</script>",
    "</div></html><script>window.owned=1</script>",
    "{{constructor.constructor('window.owned=1')()}}",
    "${window.owned=1}",
    "<a href=javascript:window.owned=1 id=trap>click</a>",
    "&lt;script&gt;window.owned=1&lt;/script&gt;",
    "\u202e<b onclick=window.owned=1>\u0000x".replace("\0", ""),
)
DEVICES = 13
"""One more than have cards: the lines are shown at a glance."""


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("hostile")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile") as browser,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        yield Plant(collector, sender, browser)


def tell(plant: Plant, evil: str, number: int) -> Reporter:
    """Have a device say the same hostile words wherever it can say any."""
    device = Reporter(
        f"cam-{number}", line=topic(evil), boot=f"boot{number:08}", stream=topic(evil)
    )
    reason = (Reason(evil, evil, 4.2, (None, 3.1)),)
    drift = {f"drift.{evil}": (1,) * 22}
    plant.send(
        device.state("degraded", causes=(evil,)),
        *device.event(
            picture(number), reasons=reason, label=evil, incident=f"i{number}", part_id=part(evil)
        ),
        device.event(sampled=0.1, verdict=Verdict.ACCEPT, reasons=(), label=evil)[0],
        device.alarm(incident=f"i{number}"),
        device.drift(words=evil),
        device.summary(
            reasons={evil: 4},
            statistics={evil: Moments(9, 1.0, 1.0, 0.0, 2.0)},
            histograms=drift,
            references=drift,
            bins=1,
        ),
    )
    return device


def topic(words: str) -> str:
    """Return words as a level of a topic."""
    return "".join(c for c in words if c not in "/+#" and c.isprintable())


def part(words: str) -> str:
    """Return words as a part id."""
    return "".join(c for c in words if c.isprintable())


def check(plant: Plant, path: str, words: list[str]) -> None:
    plant.open(path)
    for word in words:
        plant.browser.wait(f"document.body.textContent.includes({json.dumps(word)})")
    nodes = (
        "document.querySelectorAll('.body script, .body iframe, .body [onerror], .body [onload],"
    )
    nodes += " .body [onclick], .body [onmouseover], .body [href^=javascript], #trap').length"
    assert plant.browser.evaluate(nodes) == 0, path
    assert plant.browser.evaluate("window.owned === undefined"), path


def test_hostile_words_are_text_on_every_page(plant: Plant) -> None:
    devices = [tell(plant, evil, n) for n, evil in enumerate(CORPUS)]
    assert len(devices) == DEVICES
    for device in devices:
        plant.wait_stored(device.device, 4)
    known = {d["device"]: d["id"] for d in plant.collector.get("/api/devices")}
    for event in plant.collector.get("/api/events?limit=100")["events"]:
        said = {"answer": "wrong", "label": event["event"]["label"]}
        address = f"{plant.collector.url}/api/events/{event['id']}/judgements"
        send(address, said)
    made = send(
        f"{plant.collector.url}/api/datasets",
        {"name": CORPUS[1], "wish": {"parts": ["flagged", "random"], "boxed": [CORPUS[0]]}},
    )
    assert made["counts"]["frames"] == 2 * DEVICES
    check(plant, "/", [CORPUS[0], CORPUS[1], "degraded"])
    check(plant, "/datasets", [CORPUS[1]])
    for evil in CORPUS[::4]:
        check(plant, f"/events?kind=all&part={quote(part(evil), safe='')}", [f"part {part(evil)}"])
    for n, evil in enumerate(CORPUS):
        if n % 3 == 0:
            number = known[f"cam-{n}"]
            check(plant, f"/device/{number}", [evil])
            stream = quote(topic(evil), safe="")
            check(plant, f"/stream/{number}/{stream}", [topic(evil), "more light"])
    assert [c for c in plant.browser.complaints if "favicon" not in c] == []


def test_the_plant_at_a_glance_is_filtered_and_leads_to_a_device(plant: Plant) -> None:
    device = Reporter("press-9", line="line-9", boot="press", stream="top")
    plant.send(device.state())
    plant.open("/")
    card = "[...document.querySelectorAll('.line-card')].find(c => c.innerText.includes('line-9'))"
    plant.browser.wait(f"!!{card}")
    plant.browser.wait("window.did_handshake === true")
    all_lines = plant.browser.evaluate("document.querySelectorAll('.line-card').length")
    chip = "[...document.querySelectorAll('.chip')].find(c => c.innerText.includes('healthy'))"
    plant.browser.evaluate(f"{chip}.click()")
    plant.browser.wait(f"document.querySelectorAll('.line-card').length < {all_lines}")
    assert plant.browser.evaluate(f"!!{card} && {chip}.ariaPressed === 'true'")
    plant.open(plant.browser.evaluate(f"{card}.querySelector('.dot').getAttribute('href')"))
    plant.browser.wait("document.querySelector('.device-card')?.innerText.includes('press-9')")
    plant.send(device.state("offline", causes=("gone home",)))
    plant.browser.wait(
        "document.querySelector('.device-card .mark.square')?.innerText === 'offline'"
    )


def test_a_time_that_is_past_is_shown_and_left_again(plant: Plant) -> None:
    device = Reporter("press-10", boot="past", stream="side")
    clock = time.time()
    plant.send(
        device.summary(clock - 60), *(device.summary(clock - 7300, window=n) for n in (1, 2))
    )
    plant.wait_stored("press-10", 3)
    rows = plant.collector.get("/api/devices")
    number = next(row["id"] for row in rows if row["device"] == "press-10")
    plant.open(f"/stream/{number}/side?until={int((clock - 7200) * 1000)}")
    plant.browser.wait("document.querySelector('.tile-value').innerText === '200'", 30)
    links = "[...document.querySelectorAll('.spans .button')]"
    plant.open(
        plant.browser.evaluate(f"{links}.find(a => a.innerText === 'now').getAttribute('href')")
    )
    plant.browser.wait("document.querySelector('.tile-value').innerText === '100'", 30)
    assert plant.browser.overflow() == []


def send(address: str, body: dict[str, object]) -> dict[str, dict[str, int]]:
    """POST JSON; return the JSON that comes back."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        found: dict[str, dict[str, int]] = json.load(answer)
        return found
