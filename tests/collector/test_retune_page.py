"""Retuning a stream on the page and in the interface: labels in, a new stored bundle out."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from reports import Reporter
from resender import wait_until
from running import Running

from edge_guard.bundle import read_bundle
from edge_guard.cli.main import main
from edge_guard.types import Verdict

PARENT = Path(__file__).parents[2] / "models" / "demo_line.guard"
FRAMES = 800
EVIL = "<img src=x onerror=\"document.title='owned'\">"


class Plant:
    """A collector with one stream of made-up frames under the shipped bundle, all judged."""

    def __init__(self, collector: Running, sender: Listener, browser: Browser) -> None:
        self.collector, self.sender, self.browser = collector, sender, browser
        self.bundle = read_bundle(PARENT).id
        self.digest = sha256(PARENT.read_bytes()).hexdigest()
        self.device = Reporter("cam-retune", boot="retune", stream="top")

    def send_frames(self, n: int) -> None:
        rng = np.random.default_rng(1)
        state = self.device.stream_state(bundle=self.bundle)
        fields = {"verdict": Verdict.ACCEPT, "reasons": (), "sampled": 0.1, "bundle": self.bundle}
        for confidence in rng.beta(6.0, 0.8, n):
            self.sender.publish(*self.device.event(confidence=float(confidence), **fields)[0])
        self.sender.publish(*self.device.state(streams=(state,)))
        wait_until(lambda: sum(d["stored"] for d in self.collector.get("/api/devices")) >= n, 60)

    def judge(self, first: int, last: int) -> None:
        """Say of these events that all were right."""
        said = [{"event": i, "answer": "right", "who": "Ada"} for i in range(first, last + 1)]
        for start in range(0, len(said), 500):
            self.post("/api/labels", {"labels": said[start : start + 500]})

    def post(self, path: str, body: object, headers: dict[str, str] | None = None) -> Any:
        request = urllib.request.Request(
            self.collector.url + path,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
            {"Content-Type": "application/json"} | (headers or {}),
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)

    def refusal(self, path: str, body: object) -> tuple[int, str]:
        with pytest.raises(urllib.error.HTTPError) as refusal:
            self.post(path, body)
        return refusal.value.code, json.load(refusal.value)["detail"]

    def ended(self, number: int) -> Any:
        find = f"/api/retunes/{number}"
        wait_until(lambda: self.collector.get(find)["state"] != "running", 60)
        return self.collector.get(find)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("retune")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile") as browser,
    ):
        wait_until(lambda: collector.get("/api/health")["broker"]["state"] == "connected")
        made = Plant(collector, sender, browser)
        made.send_frames(FRAMES)
        yield made


def test_what_is_missing_is_told_before_anything_is_made(plant: Plant) -> None:
    wanted = {"device_id": 1, "stream": "top"}
    code, words = plant.refusal("/api/retunes", wanted)
    assert (code, "not in this collector's store" in words) == (409, True)
    plant.browser.open(f"{plant.collector.url}/retune/1/top")
    plant.browser.wait("document.body.innerText.includes('upload that file first')")
    stored = plant.post(
        "/api/bundles", PARENT.read_bytes(), {"Content-Type": "application/octet-stream"}
    )
    assert stored["sha256"] == plant.digest
    plant.judge(1, 200)
    told = plant.post("/api/retunes/preview", wanted)
    assert not told["certified"]
    assert "more labelled" in told["words"]
    failed = plant.ended(plant.post("/api/retunes", wanted)["id"])
    assert failed["state"] == "failed"
    assert "more labelled" in failed["told"]
    assert failed["bundle"] == ""
    assert plant.refusal("/api/retunes", wanted | {"device_id": 9})[0] == 404
    assert plant.refusal("/api/retunes", wanted | {"bundle": "0" * 64})[0] == 409
    assert plant.refusal("/api/retunes", wanted | {"target": 2})[0] == 422
    assert plant.refusal("/api/retunes", wanted | {"stream": EVIL, "newest": 0})[0] == 404


def test_an_engineer_turns_the_dials_and_makes_a_bundle(plant: Plant) -> None:
    plant.judge(201, FRAMES)
    browser = plant.browser
    browser.complaints.clear()
    browser.open(f"{plant.collector.url}/retune/1/top")
    browser.wait("document.body.innerText.includes('certified: at most 1.00% of what is')")
    assert browser.evaluate("document.querySelectorAll('.risk-line').length") == 1
    assert browser.evaluate("document.querySelectorAll('.risk-now, .risk-then').length") == 2
    text = browser.text()
    assert "Now: 100.0% of the frames accepted" in text
    assert "people look at about" in text
    browser.wait("!document.querySelector('.retune-dials button').disabled")
    browser.evaluate("document.querySelector('.retune-dials button').click()")
    browser.wait("document.querySelectorAll('.retune-row .is-done').length === 1", 60)
    (made,) = [r for r in plant.collector.get("/api/retunes?device=1") if r["state"] == "done"]
    assert made["parent_sha256"] == plant.digest
    link = browser.evaluate("document.querySelector('.retune-row a').getAttribute('href')")
    assert link == f"/rollouts/new?bundle={made['sha256']}"
    with urllib.request.urlopen(
        f"{plant.collector.url}/api/bundles/{made['sha256']}", timeout=20
    ) as answer:
        file = plant.collector.folder / "made.guard"
        file.write_bytes(answer.read())
    new = read_bundle(file)
    assert (new.id, new.manifest.retuned.parent) == (made["bundle"], plant.bundle)
    assert new.manifest.retuned.labels == FRAMES
    assert new.manifest.certificate.wrong == 0
    assert browser.complaints == []


def test_whoever_comes_second_is_told_and_a_repeated_request_is_one(plant: Plant) -> None:
    known = plant.collector.get("/api/retunes?limit=1")[0]["id"]
    wanted = {"device_id": 1, "stream": "top", "newest": known}
    key = {"Idempotency-Key": "once"}
    first = plant.post("/api/retunes", wanted, key)
    assert plant.post("/api/retunes", wanted, key)["id"] == first["id"]
    code, words = plant.refusal("/api/retunes", wanted)
    assert code == 409
    assert "retun" in words
    assert plant.ended(first["id"])["state"] == "done"
    assert plant.refusal("/api/retunes", wanted)[0] == 409
    assert len(plant.collector.get("/api/retunes?stream=top")) == 3


def test_the_command_reads_the_collectors_database(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ["--collector", str(plant.collector.config), "--stream", "top"]
    given = ["retune", str(PARENT), *place, "--json", "--device"]
    assert main([*given, "cam-retune"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["labels"], told["audited"], told["certified"]) == (FRAMES, FRAMES, True)
    assert main([*given, "cam-9"]) == 2
    assert "0 devices in this database are called 'cam-9'" in capsys.readouterr().err
