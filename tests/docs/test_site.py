"""The built site: its links, its names, what it requests, and its search in a browser. `scripts/docs` builds it."""

from __future__ import annotations

import functools
import http.server
import importlib
import inspect
import os
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

import pytest

import rxfeed

pytestmark = pytest.mark.skipif("RXFEED_SITE" not in os.environ, reason="scripts/docs builds the site")

SITE = Path(os.environ.get("RXFEED_SITE", ""))
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
# With a new, empty profile, and without any request of the browser's own.
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OPTIONS += ["--disable-component-update", "--disable-sync"]
FIRST_PAGE = 5  # results, which are shown without scrolling
# What people look for, and the page with the answer.
ANSWERS = {
    "stop reconnecting": "how_to/reconnect/",
    "missed trades": "understand/gaps/",
    "level2 authentication": "troubleshooting/",
    "Decimal to float": "troubleshooting/",
    "notebook event loop": "how_to/notebook/",
    "parquet": "how_to/parquet/",
    "order book imbalance": "how_to/join/",
    "what does complete mean": "understand/gaps/",
    "slow subscriber": "understand/threads/",
    "mongodb duplicate key": "how_to/mongodb/",
    "back-test latency": "how_to/replay/",
    "test my bot": "how_to/test_your_bot/",
    "cbpro drop-in": "how_to/old_bot/",
    "proxy": "how_to/proxy/",
    "memory grows": "understand/threads/",
}
# Packages of which every public class and function is described. Of the others, those for users are.
WHOLE = ("archive", "audit", "backtest", "compat", "errors", "metrics", "sim", "sim.faults", "sinks", "tape", "testing")
# ... except what only other packages of rxfeed use.
INTERNAL = {f"rxfeed.errors.{name}" for name in ("install_command", "needs_extra", "picklable")}
INTERNAL |= {"rxfeed.sinks.RetryPolicy", "rxfeed.sinks.Spill"} | {
    f"rxfeed.audit.{name}" for name in ("AuditState", "FileRecord", "certified", "last_of", "read_file")
}


class Page(HTMLParser):
    """The ids, links and requested files of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.requested: list[str] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.update(found[name] for name in ("id", "name") if name in found)
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel", "") not in ("canonical", "prev", "next", "preconnect"):
            self.requested.append(found.get("href", ""))
        if tag in ("img", "script", "iframe", "source", "object") and "src" in found:
            self.requested.append(found["src"])


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    """All pages, by their path from the root of the site."""
    return {path.relative_to(SITE).as_posix(): Page(path) for path in sorted(SITE.rglob("*.html"))}


def target(page: str, link: str) -> tuple[str, str]:
    """The file and the anchor that *link* on *page* leads to."""
    path, anchor = urldefrag(urljoin(f"/{page}", link))
    path = unquote(urlsplit(path).path).lstrip("/")
    return (f"{path}index.html" if path.endswith("/") or not path else path), unquote(anchor)


def test_no_link_and_no_anchor_is_broken(pages: dict[str, Page]) -> None:
    broken: list[str] = []
    count = 0
    for name, page in pages.items():
        if name == "404.html":  # its links are absolute, for any address
            continue
        for link in page.links + page.requested:
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            count += 1
            path, anchor = target(name, link)
            if not (SITE / path).is_file() or (anchor and path in pages and anchor not in pages[path].ids):
                broken.append(f"{name}: {link}")
    assert count > 1000
    assert broken == []


def test_no_page_requests_a_file_of_another_host(pages: dict[str, Page]) -> None:
    foreign = {link for page in pages.values() for link in page.requested if urlsplit(link).netloc}
    assert foreign == set()
    styles = [path for path in SITE.rglob("*.css") if "url(http" in path.read_text("utf-8").replace('"', "")]
    pictures = [path for path in SITE.rglob("*.svg") if "url(http" in path.read_text("utf-8").replace('"', "")]
    assert styles + pictures == []


def test_every_public_name_has_an_entry(pages: dict[str, Page]) -> None:
    described = set().union(*(page.ids for page in pages.values()))
    names = {f"rxfeed.{name}" for name in rxfeed.__all__ if not name.startswith("__")}
    for package in WHOLE:
        module = importlib.import_module(f"rxfeed.{package}")
        own = getattr(module, "__all__", [name for name, value in vars(module).items() if _is_of(value, module)])
        for name in (name for name in own if not name.startswith("_")):
            value = getattr(module, name)
            public = f"rxfeed.{name}" if getattr(rxfeed, name, None) is value else f"rxfeed.{package}.{name}"
            if inspect.isclass(value) or inspect.isfunction(value):
                names.add(public)
    assert sorted(names - described - INTERNAL) == [], "add them to a page of docs/reference/python, or to INTERNAL"


def test_examples_of_docstrings_are_blocks_of_code(pages: dict[str, Page]) -> None:
    text = (SITE / "reference" / "python" / "operators" / "index.html").read_text("utf-8")
    assert text.count('<span class="gp">&gt;&gt;&gt; </span>') > 50
    assert "<blockquote>\n<blockquote>" not in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: scripts/docs installs it"
    )
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"no browser ({', '.join(BROWSERS)}) is installed")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def served() -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()


@pytest.mark.timeout(180)
def test_search_brings_the_answer_on_its_first_page(browser: Any, served: str) -> None:
    page = browser.new_page()
    foreign: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(served) else foreign.append(request.url))
    found: dict[str, list[str]] = {}
    for question in ANSWERS:
        page.goto(served)  # so that no results of the question before are there
        page.click(".md-search__input")
        page.fill(".md-search__input", question)
        page.keyboard.press("End")  # the page searches when a key is released
        page.wait_for_selector(".md-search-result__item > a")
        links = page.eval_on_selector_all(".md-search-result__item > a", "all => all.map(each => each.href)")
        found[question] = [urlsplit(link).path.lstrip("/") for link in links[:FIRST_PAGE]]
    assert {question: pages for question, pages in found.items() if ANSWERS[question] not in pages} == {}
    assert foreign == []


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def _is_of(value: object, module: object) -> bool:
    return getattr(value, "__module__", "") == getattr(module, "__name__", None)
