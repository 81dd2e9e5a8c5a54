"""What the README shows runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import rxfeed
from rxfeed.sim import Exchange
from tests.support.collect import Collected

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


(STUDY,) = (block for block in BLOCKS if "def study(" in block)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`rxfeed.Feed` goes to the local exchange, which ends it."""
    with Exchange(seed=3, auto=False, rate=2) as exchange:

        class LocalFeed(rxfeed.Feed):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args, url=exchange.url)

            def run(self, scheduler: Any = None, *, seconds: float | None = None, flush: float | None = None) -> None:
                got = Collected(self)
                self.connect()
                exchange.wait_for_clients()
                exchange.step(500)
                got.wait_for(exchange.sent.frames)
                self.close(flush=flush)

        monkeypatch.setattr(rxfeed, "Feed", LocalFeed)
        yield


@pytest.mark.usefixtures("local")
def test_the_first_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    """As it stands, but against the local exchange, and ended by it."""
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d BTC-USD \d+\.\d+ vwap \d+\.\d\d \(partial\)$", out, re.MULTILINE)
    assert re.search(r"(buy|sell) \d+\.\d+ \d+", out)


@pytest.mark.usefixtures("local")
def test_a_study_says_the_same_over_live_and_replay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, but against the local exchange."""
    monkeypatch.chdir(tmp_path)
    exec(compile(STUDY, "README.md", "exec"), {})
    windows = capsys.readouterr().out.splitlines()
    half = len(windows) // 2
    assert half > 1
    assert windows[:half] == windows[half:]


def test_the_other_blocks(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, in a folder that has a recording."""
    monkeypatch.chdir(tmp_path)
    record_in("recordings")
    for block in BLOCKS[1:]:
        if block is STUDY:
            continue
        exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "Subscriptions(" in out
    assert "Ticker(" in out
    assert "vwap" in out  # of the table's head
    assert "PaperOpen(" in out


def record_in(folder: str) -> None:
    with Exchange(["BTC-USD"], seed=3, auto=False, rate=2) as exchange:
        feed = rxfeed.Feed("BTC-USD", ["level2_batch", "matches", "heartbeat"], url=exchange.url)
        got = Collected(feed)
        feed.pipe(rxfeed.record(folder)).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.advance(120)
            got.wait_for(exchange.sent.frames)


def test_the_first_pipeline_is_about_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
