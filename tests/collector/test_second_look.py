"""Two people sign in: a second look is blind, by somebody else, and given once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from brokers import Listener, Mosquitto
from browser import Browser
from reports import Reporter, picture
from resender import wait_until
from running import Running
from visitor import PASSWORD, people

SHOWN = "document.querySelector('.desk-main')?.dataset.shown === 'true'"
KEYS = ("first-request", "other-request")


class Desk:
    """The review page of whoever is signed in."""

    def __init__(self, url: str, browser: Browser) -> None:
        self.url, self.browser = url, browser

    def sign_in(self, name: str) -> None:
        browser = self.browser
        browser.command("Network.clearBrowserCookies")
        browser.command("Page.navigate", url=f"{self.url}/sign-in?next=%2Freview&{name}")
        browser.wait(f"location.search.endsWith('{name}') && !!document.querySelector('form')")
        for field, value in (("name", name), ("password", PASSWORD)):
            browser.evaluate(f"document.querySelector('[name={field}]').value = {value!r}")
        browser.evaluate("document.querySelector('.button').click()")
        browser.wait("location.pathname === '/review' && !!document.querySelector('.desk')")

    def click(self, answer: str) -> None:
        self.browser.wait(SHOWN)
        self.browser.evaluate(f"document.querySelector('.desk-key.is-{answer}').click()")
        self.browser.wait("document.body.innerText.includes('Nothing waits for review here')")

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return status and answer of a request in the name of who is signed in."""
        options: dict[str, Any] = {}
        if body is not None:
            headers = {"Content-Type": "application/json"}
            options = {"method": "POST", "headers": headers, "body": json.dumps(body)}
        script = (
            f"fetch('/api/{path}', {json.dumps(options)})"
            ".then(async a => JSON.stringify([a.status, await a.json()]))"
        )
        told = self.browser.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return json.loads(told["result"]["value"])

    def answer(self, item: int, answer: str, request: str) -> int:
        body = {"request": request, "item": item, "answer": answer}
        return int(self.ask("review/answers", body)[0])

    def words(self) -> list[tuple[str, str, bool]]:
        said = self.ask("events/1/judgements")[1]
        return [(one["who"], one["answer"], one["blind"]) for one in said]


def test_a_second_look_is_by_another_person_and_given_once(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker:
        collector = Running(tmp_path, broker.port, more="[review]\nsecond_share = 1.0\n")
        for name in ("Anna", "Bo"):
            people(collector.config, "add", str(collector.config), name, "--role", "engineer")
        with (
            collector,
            Listener(broker.port) as sender,
            Browser(tmp_path / "profile", 1440, 900) as browser,
        ):
            for part in Reporter().event(picture(1)):
                if part is not None:
                    sender.publish(*part)
            two_people(Desk(collector.url, browser))


def two_people(desk: Desk) -> None:
    desk.sign_in("Anna")
    desk.click("right")
    wait_until(lambda: desk.words() == [("Anna", "right", False)])
    assert desk.answer(2, "wrong", KEYS[0]) == 403
    desk.sign_in("Bo")
    desk.browser.wait(SHOWN)
    assert "Anna" not in desk.browser.text()
    desk.click("wrong")
    both = [("Anna", "right", False), ("Bo", "wrong", True)]
    wait_until(lambda: desk.words() == both)
    assert desk.answer(2, "unsure", KEYS[0]) == 409
    assert desk.words() == both
    (pair,) = desk.ask("review/agreement")[1]["open"]
    assert [pair[name]["who"] for name in ("first", "second")] == ["Anna", "Bo"]
    assert desk.answer(1, "unsure", KEYS[1]) == 200
    assert desk.answer(1, "right", KEYS[1]) == 409
