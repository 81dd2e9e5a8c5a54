"""The README's code runs and prints what it shows, its links lead to files, and it is short."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rxfeed.compat.hosts import LOCAL_KEYS, Servers, redirect
from rxfeed.sim import Exchange
from tests.support.doc_pages import forms
from tests.support.local_feeds import local_feeds

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
FIRST, OLD = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
(SHOWN,) = re.findall(r"```text\n(.*?)```", README, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with local_feeds(monkeypatch):
        yield


@pytest.mark.usefixtures("local")
def test_first_pipeline_runs_and_prints_what_is_shown(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The code is unchanged, but connects to the local exchange, which ends it."""
    exec(compile(FIRST, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d BTC-USD \d+\.\d+ vwap \d+\.\d\d \(partial\)$", out, re.MULTILINE)
    assert re.search(r"(buy|sell) \d+\.\d+ \d+", out)
    assert set(forms(SHOWN)) <= set(forms(out))  # a minute may end at any of them
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_first_pipeline_has_about_ten_lines() -> None:
    assert len([line for line in FIRST.splitlines() if line.strip()]) <= 10


def test_old_script_prints_its_messages(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: sleep(seconds / 20))
    with Exchange(["BTC-USD"], seed=3, rate=300) as exchange:
        redirect(Servers(exchange.url, exchange.rest_url, LOCAL_KEYS), "coinbase_exchange")
        try:
            exec(compile(OLD, "README.md", "exec"), {})
        finally:
            redirect(None, "coinbase_exchange")
    assert "'type': 'ticker'" in capsys.readouterr().out


def test_commands_are_two_of_one_line_each() -> None:
    assert len(COMMANDS) == 2
    assert all(command.startswith("python3 -m venv .venv && ") for command in COMMANDS)


def test_readme_is_short_and_its_links_lead_to_files() -> None:
    assert len(README.splitlines()) < 200
    links = [link for link in re.findall(r"\]\(([^)#]+)", README) if not link.startswith("http")]
    assert len(links) > 30
    assert [link for link in links if not (ROOT / link).exists()] == []
