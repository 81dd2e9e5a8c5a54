"""The README's code runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import rxfeed
from rxfeed.feed import Subscribed
from rxfeed.sim import Exchange
from rxfeed.venues import VENUES
from tests.support.collect import Collected

README = (Path(__file__).parents[1] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


(STUDY,) = (block for block in BLOCKS if "def study(" in block)
(BACKTEST,) = (block for block in BLOCKS if "PaperMarket(" in block)


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`rxfeed.Feed` goes to the local exchange of its venue, which ends it."""
    with ExitStack() as stack:
        exchanges = {name: stack.enter_context(Exchange(venue=name, seed=3, auto=False, rate=2)) for name in VENUES}

        class LocalFeed(rxfeed.Feed):
            def __init__(self, *args: Any, venue: str = "coinbase_exchange", **named: Any) -> None:
                self.exchange = exchanges[venue]
                super().__init__(*args, **({"url": self.exchange.url, "venue": venue} | named))

            def run(self, scheduler: Any = None, *, seconds: Any = None, flush: Any = None) -> None:
                exchange = self.exchange
                got, before = Collected(self), exchange.sent.frames
                status = Collected(self.status)
                self.connect()
                status.wait_for(lambda items: any(isinstance(each, Subscribed) and not each.missing for each in items))
                exchange.step(500)
                got.wait_for(lambda items: self.stats.frames >= exchange.sent.frames - before)
                self.close(flush=flush)

        monkeypatch.setattr(rxfeed, "Feed", LocalFeed)
        yield


@pytest.mark.usefixtures("local")
def test_first_pipeline_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The code is unchanged, but connects to the local exchange, which ends it."""
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert re.search(r"^\d\d:\d\d BTC-USD \d+\.\d+ vwap \d+\.\d\d \(partial\)$", out, re.MULTILINE)
    assert re.search(r"(buy|sell) \d+\.\d+ \d+", out)


@pytest.mark.usefixtures("local")
def test_second_venue_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (block,) = (block for block in BLOCKS if 'venue="coinbase_advanced"' in block)
    exec(compile(block, "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert out.count("VolumeWindow ") >= 2
    assert "(Decimal(" in out


@pytest.mark.usefixtures("local")
def test_study_is_equal_over_live_and_replay(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code is unchanged, but connects to the local exchange."""
    monkeypatch.chdir(tmp_path)
    exec(compile(STUDY, "README.md", "exec"), {})
    windows = capsys.readouterr().out.splitlines()
    half = len(windows) // 2
    assert half > 1
    assert windows[:half] == windows[half:]


@pytest.mark.usefixtures("local")
def test_sections_run_in_order(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The code is unchanged, and run in order: the back-test uses the recording of an earlier section."""
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    for block in BLOCKS:
        exec(compile(block, "README.md", "exec"), {})
        said.append(capsys.readouterr().out)
    everything, (backtest,) = "".join(said), (out for out in said if "Paper" in out)
    assert "Subscriptions(" in everything
    assert "Ticker(" in everything
    assert "vwap" in backtest  # of the table's head
    assert backtest.count("PaperOpen ") == 1
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_back_test_orders_once_with_two_products_recorded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    record_in("recordings", ["level2_batch", "matches", "heartbeat"])
    exec(compile(BACKTEST, "README.md", "exec"), {})
    assert capsys.readouterr().out.count("PaperOpen ") == 1


def test_back_test_of_a_recording_without_books_warns_once(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    record_in("recordings", ["matches", "heartbeat"])
    exec(compile(BACKTEST, "README.md", "exec"), {})
    assert "Paper" not in capsys.readouterr().out
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert re.search(r"PaperMarket of BTC-USD: no snapshot .* level2 or level2_batch", warning)


def record_in(folder: str, channels: list[str]) -> None:
    products = ["BTC-USD", "ETH-USD"]
    with Exchange(products, seed=3, auto=False, rate=2) as exchange:
        feed = rxfeed.Feed(products, channels, url=exchange.url)
        got = Collected(feed)
        feed.pipe(rxfeed.record(folder)).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.advance(120)
            got.wait_for(exchange.sent.frames)


def test_first_pipeline_has_about_ten_lines() -> None:
    assert len([line for line in BLOCKS[0].splitlines() if line.strip()]) <= 10
