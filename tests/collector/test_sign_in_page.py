"""Signing in, looking after people and signing out, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import free_port
from browser import Browser
from running import Running
from visitor import PASSWORD, people

EVIL = "<img src=x onerror=document.title='owned'>"
ROW = "[...document.querySelectorAll('.people-row')].find(r => r.innerText.includes({name!r}))"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Browser]]:
    folder = tmp_path_factory.mktemp("page")
    collector = Running(folder, free_port())
    people(collector.config, "add", str(collector.config), "Ada", "--role", "engineer")
    people(collector.config, "add", str(collector.config), EVIL, "--role", "viewer")
    with collector, Browser(folder / "profile") as browser:
        yield collector, browser


def go(page: tuple[Running, Browser], path: str) -> Browser:
    collector, browser = page
    browser.command("Page.navigate", url=collector.url + path)
    return browser


def sign_in(browser: Browser, name: str, password: str) -> None:
    browser.wait("location.pathname === '/sign-in' && !!document.querySelector('form')")
    for field, value in (("name", name), ("password", password)):
        browser.evaluate(f"document.querySelector('[name={field}]').value = {value!r}")
    browser.evaluate("document.querySelector('.button').click()")


def test_a_person_signs_in_looks_after_people_and_signs_out(
    page: tuple[Running, Browser], tmp_path: Path
) -> None:
    browser = go(page, "/events?kind=all")
    sign_in(browser, "Ada", "not the password")
    browser.wait("(document.body?.innerText ?? '').includes('Name or password is wrong.')")
    browser.complaints.clear()  # Chromium complains of the status 401
    sign_in(browser, "Ada", PASSWORD)
    browser.wait("location.pathname === '/events' && location.search === '?kind=all'")
    browser.wait("(document.querySelector('.head-who')?.innerText ?? '').includes('engineer')")
    go(page, "/people")
    browser.wait(f"!!({ROW.format(name='onerror')}) && window.did_handshake === true")
    assert "signed in on 1 browser" in browser.evaluate(f"{ROW.format(name='Ada')}.innerText")
    fields = "[...document.querySelectorAll('.people-form input')]"
    for place, value in ((0, "Bob"), (1, PASSWORD)):
        browser.evaluate(f"{fields}[{place}].focus()")
        browser.command("Input.insertText", text=value)
    browser.evaluate("document.querySelector('.people-form button').click()")
    browser.wait(f"!!({ROW.format(name='Bob')})")
    for width in (1280, 390):
        browser.resize(width, 800)
        assert browser.overflow() == []
    browser.resize(1280, 800)
    go(page, "/trail")
    browser.wait("(document.querySelector('table')?.innerText ?? '').includes('person.add')")
    assert "Bob" in browser.text()
    browser.evaluate("document.querySelector('.head-out').click()")
    browser.wait("location.pathname === '/sign-in'")
    go(page, "/trail")
    browser.wait("location.pathname === '/sign-in'")
    assert browser.evaluate("document.cookie") == ""
    assert browser.evaluate("document.title") == "Plant North"
    assert browser.complaints == []


def test_a_viewer_sees_no_buttons_and_is_told_so(page: tuple[Running, Browser]) -> None:
    browser = go(page, "/people")
    sign_in(browser, EVIL, PASSWORD)
    browser.wait("(document.body?.innerText ?? '').includes('This needs the role engineer')")
    go(page, "/")
    browser.wait("(document.querySelector('.head-who')?.innerText ?? '').includes('viewer')")
    assert "<img" in browser.text()
    assert "People" not in browser.evaluate("document.querySelector('.head-menu').innerText")
    assert browser.evaluate("document.title") == "Plant North"


def test_an_open_page_goes_to_the_form_when_its_session_ends(page: tuple[Running, Browser]) -> None:
    collector, _ = page
    browser = go(page, "/")
    browser.wait("!!document.querySelector('.head-who') && window.did_handshake === true")
    people(collector.config, "remove", str(collector.config), EVIL)
    browser.wait("location.pathname === '/sign-in'", 20)
