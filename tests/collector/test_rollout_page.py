"""The pages of bundles and rollouts in a real browser: upload, compare, start, watch, take back."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Listener, Mosquitto
from browser import Browser
from offers import DEMO, made_of, variant
from plant import Plant, click
from reports import Reporter
from resender import wait_until
from running import Running

from edge_guard.publish.messages import Command, OfferBundle, decode

EVIL = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("page")
    with (
        Mosquitto(folder) as broker,
        Running(folder, broker.port) as collector,
        Listener(broker.port) as sender,
        Browser(folder / "profile") as browser,
    ):
        yield Plant(collector, sender, browser)


def choose_file(browser: Browser, path: Path) -> None:
    browser.wait("!!document.querySelector('input[type=file]') && window.did_handshake === true")
    root = browser.command("DOM.getDocument")["root"]["nodeId"]
    found = browser.command("DOM.querySelector", nodeId=root, selector="input[type=file]")
    browser.command("DOM.setFileInputFiles", nodeId=found["nodeId"], files=[str(path)])


def says(*words: str) -> str:
    return "!!document.body && " + " && ".join(
        f"document.body.innerText.includes({json.dumps(one)})" for one in words
    )


def test_an_engineer_rolls_a_bundle_out_and_takes_it_back(plant: Plant, tmp_path: Path) -> None:
    browser, device = plant.browser, Reporter("cam-1", line=EVIL[:60])
    old, new = made_of(DEMO), variant(tmp_path, "newer")
    streams = (device.stream_state(bundle=old.bundle),)
    plant.send(device.state(streams=streams), device.summary(bundle=old.bundle, frames=1000))
    plant.wait_stored("cam-1", 1)
    plant.open("/bundles")
    browser.wait(says(f"Devices run {old.bundle}, which the collector does not hold"))
    choose_file(browser, Path(__file__))
    browser.wait(says("Only .guard files"))
    (tmp_path / "cut.guard").write_bytes(DEMO.read_bytes()[:-1])
    choose_file(browser, tmp_path / "cut.guard")
    browser.wait(says("cut.guard is not stored:"))
    for one in (old, new):
        plant.open("/bundles")
        choose_file(browser, one.path)
        card = (
            f"[...document.querySelectorAll('.bundle-name')].some(e => e.innerText=='{one.bundle}')"
        )
        browser.wait(card)
    plant.open(f"/rollouts/new?bundle={new.sha256}")
    browser.wait(says(f"What it changes against {old.bundle}:", "cam-1/top", EVIL[:60]))
    browser.wait("window.did_handshake === true")
    click(plant, "Start the rollout")
    browser.wait(says("Rollout 1", new.bundle, "canary: 1", "Streams"))
    assert answer(plant, device, "rollout-1-1-1") == new.sha256
    plant.send(device.state(streams=(device.stream_state(bundle=new.bundle),)))
    browser.wait(says("soaking", "frames to go"))
    plant.send(device.summary(bundle=new.bundle, frames=500, verdicts={"accept": 499}, window=1))
    browser.wait(says("flagged 0.2 % of 500 frames"))
    click(plant, "Return all to the bundle before")
    assert answer(plant, device, "rollout-1-1-2") == old.sha256
    browser.wait(says("returned", "local wanted it", "back"))
    plant.open("/rollouts")
    browser.wait(says(f"Rollout 1: {new.bundle}"))
    assert browser.evaluate("document.title") != "owned"
    complaints = [one for one in browser.complaints if "favicon" not in one]
    assert complaints == []


def answer(plant: Plant, device: Reporter, name: str) -> str:
    """Answer a command as a device does; return what it was to fetch."""

    def command() -> Command | None:
        known = [decode(one, Command) for one in plant.sender.on("command")]
        return next((one for one in known if one.id == name), None)

    wait_until(lambda: command() is not None)
    found = command()
    assert found is not None
    assert isinstance(found.action, OfferBundle)
    plant.send(device.reply(name))
    return found.action.sha256


def test_the_interface_refuses_in_words(plant: Plant) -> None:
    def refused(path: str, body: object) -> tuple[int, str]:
        request = urllib.request.Request(
            plant.collector.url + path,
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with pytest.raises(urllib.error.HTTPError) as error:
            urllib.request.urlopen(request, timeout=10)
        return error.value.code, json.load(error.value)["detail"]

    order = {"id": "x", "sha256": "0" * 64}
    code, words = refused("/api/rollouts", order)
    assert (code, words[:41]) == (409, "the collector does not hold a bundle with")
    assert refused("/api/rollouts", order | {"shift": 1})[0] == 422
    assert refused("/api/rollouts/77/abort", {}) == (404, "there is no rollout 77")
    assert refused("/api/rollouts/77/explode", {})[0] == 422
