"""Audited frames from the device's message to the judgement, on the page and in the interface."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from reports import Reporter, picture
from resender import wait_until
from running import Running

from edge_guard.publish.messages import AccuracyBasis, AccuracyCounts
from edge_guard.types import Verdict

BASIS = AccuracyBasis("bins", (0.7, 0.9, 0.99), 0.95, 500, -0.002, 0.01, 16, 0.01)
COUNTS = AccuracyCounts((10, 20, 970), BASIS)
EVIL = "<img src=x onerror=\"document.title='owned'\">"


class Line:
    """One stream with summaries, flags and audited frames, stored and shown."""

    def __init__(self, collector: Running, sender: Listener, browser: Browser) -> None:
        self.collector, self.sender, self.browser = collector, sender, browser
        self.device = Reporter("cam-audit", boot="audit")

    def send(self, *sent: tuple[str, bytes] | None) -> None:
        for one in sent:
            if one is not None:
                self.sender.publish(*one)
        wait_until(
            lambda: any(
                row["stored"] >= self.device.sequence for row in self.collector.get("/api/devices")
            )
        )

    def summary(self, **changes: Any) -> None:
        verdicts = {"accept": 1000, "review": 8, "invalid": 2}
        fields = {"verdicts": verdicts, "frames": 1010, "accuracy": COUNTS}
        self.send(self.device.summary(window=self.device.sequence, **(fields | changes)))

    def audited(self, sampled: float = 0.02) -> int:
        """Send an accepted frame that was drawn; return its place in the list."""
        sent = self.device.event(
            picture(self.device.sequence), verdict=Verdict.ACCEPT, reasons=(), sampled=sampled
        )
        self.send(*sent)
        rows = self.collector.get("/api/events?kind=audit&limit=1")["events"]
        return int(rows[0]["id"])

    def judge(self, event: int, headers: dict[str, str] | None = None, **said: Any) -> Any:
        request = urllib.request.Request(
            f"{self.collector.url}/api/events/{event}/judgements",
            json.dumps(said).encode(),
            {"Content-Type": "application/json"} | (headers or {}),
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def refusal(self, event: int, headers: dict[str, str] | None = None, **said: Any) -> int:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            self.judge(event, headers, **said)
        return refusal.value.code

    def accuracy(self) -> Any:
        return self.collector.get("/api/accuracy?device=1&stream=top")


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    folder = tmp_path_factory.mktemp("audit")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile") as browser,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        made = Line(collector, sender, browser)
        made.send(made.device.state())
        yield made


@pytest.fixture(autouse=True)
def no_complaints(line: Line) -> Iterator[None]:
    line.browser.complaints.clear()
    yield
    assert line.browser.evaluate("document.title") != "owned"
    assert line.browser.complaints == []


def test_an_audited_frame_is_no_flag(line: Line) -> None:
    before = len(line.collector.get("/api/events")["events"])
    event = line.audited()
    flagged, _ = line.device.event(sampled=0.5)
    line.send(flagged)
    assert len(line.collector.get("/api/events")["events"]) == before + 1
    (device,) = line.collector.get("/api/devices")
    assert device["events"] == before + 1
    kinds = {
        kind: [row["id"] for row in line.collector.get(f"/api/events?kind={kind}")["events"]]
        for kind in ("audit", "waiting", "all")
    }
    assert event in kinds["audit"]
    assert kinds["audit"] == kinds["waiting"] == kinds["all"]
    line.browser.open(line.collector.url + "/")
    line.browser.wait("document.querySelectorAll('.event-card').length === 1")
    line.browser.open(f"{line.collector.url}/event/{event}")
    text = line.browser.text()
    assert "Accepted; drawn at random for an audit." in text
    assert "with a chance of 2.0 %" in text
    assert "Why it was flagged" not in text


def test_judgements_are_kept_and_may_be_repeated(line: Line) -> None:
    event = line.audited()
    first = line.judge(event, answer="wrong", label="scratch", who="Anna")
    assert line.judge(event, answer="wrong", label="scratch", who="Anna") == first
    second = line.judge(event, answer="right", who="Bo")
    assert second["id"] > first["id"]
    said = line.collector.get(f"/api/events/{event}/judgements")
    assert [(one["who"], one["answer"], one["label"]) for one in said] == [
        ("Anna", "wrong", "scratch"),
        ("Bo", "right", None),
    ]
    rows = line.collector.get("/api/events?kind=audit&limit=1")["events"]
    assert (rows[0]["id"], rows[0]["judged"]) == (event, "right")
    waiting = line.collector.get("/api/events?kind=waiting")["events"]
    assert event not in [row["id"] for row in waiting]


def test_unfit_judgements_are_refused(line: Line) -> None:
    event = line.audited()
    silent, _ = line.device.event(label=None, verdict=Verdict.INVALID)
    line.send(silent)
    withheld = line.collector.get("/api/events?limit=1")["events"][0]["id"]
    assert line.refusal(event, answer="perhaps") == 422
    assert line.refusal(event, answer="right", who="x" * 129) == 422
    assert line.refusal(event, answer="wrong", label="a\0b") == 422
    assert line.refusal(event, answer="right", colour="blue") == 422
    assert line.refusal(event, {"Content-Type": "text/plain"}, answer="right") == 415
    assert line.refusal(event, {"Origin": "http://elsewhere.example"}, answer="right") == 403
    assert line.refusal(event, answer="right", who="x" * 20_000) == 413
    assert line.refusal(10**6, answer="right") == 404
    assert line.refusal(withheld, answer="right") == 409
    assert line.collector.get(f"/api/events/{event}/judgements") == []


def test_a_person_judges_on_the_page(line: Line) -> None:
    event = line.audited()
    line.browser.open(f"{line.collector.url}/event/{event}")
    line.browser.wait("document.querySelectorAll('.judgement .answer').length === 3")
    line.browser.wait("window.did_handshake === true")
    assert "Nobody has judged it yet." in line.browser.text()
    for place, words in enumerate(("a dent", EVIL)):
        field = f"document.querySelectorAll('.judgement input')[{place}]"
        line.browser.evaluate(f"{field}.focus()")
        line.browser.command("Input.insertText", text=words)
    line.browser.evaluate("document.querySelector('.judgement .answer.is-wrong').click()")
    line.browser.wait("document.querySelector('.judgement-list').innerText.includes('a dent')")
    (said,) = line.collector.get(f"/api/events/{event}/judgements")
    assert (said["answer"], said["label"], said["who"]) == ("wrong", "a dent", EVIL)
    for width in (1280, 390):
        line.browser.resize(width, 800)
        assert line.browser.overflow() == []
    line.browser.resize(1280, 800)


def test_the_stream_shows_both_estimates(line: Line) -> None:
    line.summary()
    found = line.accuracy()
    assert found["hidden"] == ""
    assert found["estimate"]["frames"] == 1000
    assert found["estimate"]["accuracy"] == pytest.approx((7 + 18 + 970 * 0.99) / 1000)
    for _ in range(3):
        line.judge(line.audited(), answer="right", who="Cy")
    audit = line.accuracy()["audit"]
    line.browser.open(f"{line.collector.url}/stream/1/top")
    line.browser.wait("document.body.innerText.includes('estimated accuracy')")
    text = line.browser.text()
    assert "estimated accuracy .985 (.97–.999) from 1 000 frames without labels" in text.replace(
        "\u202f", " "
    )
    right = audit["accuracy"]
    assert f"audits: {right['yes']} right of {right['n']} → ≥ " in text
    assert "false flags: promised at most 1.0 %, " in text
    line.browser.evaluate("[...document.querySelectorAll('.accuracy a')][0].click()")
    line.browser.wait("(document.body?.innerText ?? '').includes('that nobody has judged')")


def test_a_drift_alarm_hides_the_estimate(line: Line) -> None:
    line.send(line.device.drift("raised"))
    assert line.accuracy()["estimate"] is None
    line.browser.open(f"{line.collector.url}/stream/1/top")
    line.browser.wait("document.body.innerText.includes('hidden because an alarm stands')")
    line.send(line.device.drift("cleared"))
    assert line.accuracy()["estimate"] is not None


def test_many_flags_hide_the_estimate(line: Line) -> None:
    line.summary(verdicts={"accept": 900, "review": 400}, reasons={"fused": 400}, frames=1300)
    found = line.accuracy()
    assert found["estimate"] is None
    assert "times the promised" in found["hidden"]
