"""The site: built strictly, complete, needs no internet; its troubleshooting knows all errors."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import docs_pictures
import pytest
import write_errors
from browser import Browser
from mkdocs.commands.build import build
from mkdocs.config import load_config
from pages import DOCS, ROOT

from edge_guard import errors
from edge_guard.errors import EdgeGuardError

LOADING = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
"""Elements that fetch something as the page opens, and where from."""


class Loads(HTMLParser):
    """Notes what a page fetches, and its language, title and first heading."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADING and given.get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(given.get(LOADING[tag]) or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    config = load_config(str(ROOT / "mkdocs.yml"), strict=True, site_dir=str(folder))
    build(config)  # strict: a broken link, anchor or a page that is not in the menu is an error
    return folder


def test_every_page_is_in_the_site_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) >= len(list(DOCS.rglob("*.md")))
    for page in pages:
        addresses = Loads(page.read_text("utf-8")).addresses
        assert len(addresses) >= 4
        for address in addresses:
            assert not re.match(r"(https?:)?//", address), (page.name, address)


def test_styles_fetch_nothing_from_elsewhere(site: Path) -> None:
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//", sheet.read_text("utf-8")), sheet


def test_pages_opened_from_a_folder_can_be_searched_and_fit_a_phone(
    site: Path, tmp_path: Path
) -> None:
    with Browser(tmp_path, width=390, height=844) as browser:
        for page in ("troubleshooting.html", "index.html"):
            browser.command("Page.navigate", url=(site / page).as_uri())
            here = f"location.href.endsWith({page!r}) && document.readyState == 'complete'"
            browser.wait(here, 30)
            assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        browser.evaluate("document.querySelector('.md-search__input').focus()")
        browser.command("Input.insertText", text="EG-SOURCE")
        browser.wait("document.querySelectorAll('.md-search-result__item').length > 1", 60)
        assert "camera" in browser.evaluate(
            "document.querySelector('.md-search-result__list').innerText"
        )
        assert [one for one in browser.complaints if site.as_uri() not in one] == []


def test_shipped_files_that_pages_link_to_are_in_the_site(site: Path) -> None:
    shipped = ROOT / "deploy" / "mosquitto.acl"
    assert (site / "deploy" / "mosquitto.acl").read_bytes() == shipped.read_bytes()


def test_codes_are_their_own_and_stand_on_the_page() -> None:
    page = (DOCS / "troubleshooting.md").read_text("utf-8")
    kinds = list(write_errors.kinds())
    named = [vars(errors)[name] for name in dir(errors) if name.endswith("Error")]
    assert set(kinds) == set(named)
    codes = [vars(kind)["code"] for kind in kinds]
    assert len(set(codes)) == len(codes)
    for kind in kinds:
        assert f"\n| [{kind.code}](#{kind.code.lower()}) |" in page
        assert f"\n### {kind.code}\n" in page


def test_problems_are_read_from_the_code(tmp_path: Path) -> None:
    (tmp_path / "cellar.py").write_text(
        "def look(n):\n"
        '    raise SourceError(f"rack {n} is " "empty|dry", f"buy {n} " + "bottles")\n'
        "def fall(e):\n    raise StoreError(str(e))\n"
    )
    (found,) = write_errors.problems(tmp_path)
    assert found == ("SourceError", "rack … is empty|dry", "buy … bottles")
    page = write_errors.troubleshooting(tmp_path)
    assert "| rack … is empty\\|dry | buy … bottles |" in page
    assert page.count("###") == len(list(write_errors.kinds(EdgeGuardError)))


@pytest.mark.parametrize("name", docs_pictures.PICTURES)
def test_the_pictures_of_concepts_are_those_that_the_code_draws(name: str) -> None:
    """Words and marks; their places may differ in the last digits from one processor to another."""
    drawn = docs_pictures.PICTURES[name]()
    kept = (DOCS / "images" / name).read_text("utf-8")
    words = [re.findall(r">([^<]+)</text>", picture) for picture in (drawn, kept)]
    assert words[0] == words[1], "out of date: run python tools/docs_pictures.py"
    assert drawn.count("<path") == kept.count("<path")
