"""The guide's code runs, block after block, as a reader would run it."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import rxfeed.compat
from rxfeed import Credentials
from rxfeed.compat.hosts import VARIABLE, Servers, redirect
from rxfeed.sim import Exchange
from rxfeed.venues import VENUES
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE

GUIDE = (Path(__file__).parents[2] / "docs" / "how_to" / "old_bot.md").read_text()
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BLOCKS = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


class Printed:
    """In place of `print`, for a test that waits for lines."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._changed = threading.Condition()

    def __call__(self, *words: Any) -> None:
        with self._changed:
            self.lines.append(" ".join(map(str, words)))
            self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.lines) >= count, 10), self.lines


class Time:
    """In place of the module `time`: its `sleep` calls *wait* instead."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self.sleep = lambda seconds: wait()

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)


@contextmanager
def redirected(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All clients and feeds without a URL use *exchange* within this block."""
    for venue in VENUES:
        redirect(Servers(exchange.url, exchange.rest_url, Credentials("key", "c2VjcmV0", "phrase")), venue)
    monkeypatch.setattr(COINBASE_EXCHANGE, "default_url", exchange.url)
    try:
        yield
    finally:
        for venue in VENUES:
            redirect(None, venue)


def run(block: str, names: dict[str, Any], wait: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    module = Time(wait)
    monkeypatch.setitem(sys.modules, "time", module)
    names["time"] = module  # as the first block has imported it
    exec(compile(block, "docs/how_to/old_bot.md", "exec"), names)
    monkeypatch.undo()


def test_guide_steps_run_and_print_equal_minutes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    names: dict[str, Any] = {}
    minutes: list[list[tuple[str, float]]] = []
    for number, block in enumerate(BLOCKS[:4]):
        printed = Printed()
        # The same market for each, so that they can be compared.
        with (
            Exchange(["BTC-USD"], seed=3, auto=False, rate=20, start=NOON) as exchange,
            redirected(exchange, monkeypatch),
        ):

            def wait(exchange: Exchange = exchange, printed: Printed = printed, number: int = number) -> None:
                exchange.wait_for_clients()
                exchange.advance(150)
                printed.wait_for(4 if number == 2 else 2)

            names["print"] = printed
            run(block, names, wait, monkeypatch)
        found = [re.search(r"(\d\d:\d\d) volume ([\d.]+)", line) for line in printed.lines]
        minutes.append([(match[1], round(float(match[2]), 6)) for match in found if match])
    old, reconnecting, half, new = minutes
    assert [minute for minute, _ in old[:2]] == ["12:00", "12:01"]
    assert reconnecting[:2] == old[:2]
    assert sorted(half[:4]) == sorted(old[:2] * 2)  # the old handler's and the pipeline's
    assert new[:2] == old[:2]
    assert capsys.readouterr().out == ""  # no hook of the parent's prints


@pytest.mark.filterwarnings("ignore:.*OrderBook stands on level2")
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("block", BLOCKS[4:6])
def test_guide_order_books_run_without_keys(block: str, venue: str, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed()
    monkeypatch.setenv(VARIABLE, venue)
    names: dict[str, Any] = {"cbpro": rxfeed.compat, "print": printed}
    with (
        Exchange(["BTC-USD"], seed=3, auto=False, start=NOON, venue=venue) as exchange,
        redirected(exchange, monkeypatch),
    ):

        def wait() -> None:
            exchange.wait_for_clients()
            exchange.advance(0.5)
            while not names["book"].ready:
                time.sleep(0.01)

        run(block, names, wait, monkeypatch)
    assert printed.lines
    for line in printed.lines:
        assert re.fullmatch(r"(ready True )?bid \d+(\.\d+)? ask \d+(\.\d+)?( orders 1)?", line)


def test_guide_block_of_advanced_trade_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = Printed()
    names: dict[str, Any] = {"cbpro": rxfeed.compat, "print": printed}
    (block,) = BLOCKS[6:]
    with (
        Exchange(["BTC-USD"], seed=3, auto=False, start=NOON, venue="coinbase_advanced") as exchange,
        redirected(exchange, monkeypatch),
    ):
        run(block, names, lambda: printed.wait_for(1), monkeypatch)
    assert re.search(r"bid \d+(\.\d+)? ask \d+(\.\d+)?", printed.lines[-1])


def test_guide_begins_with_what_works_with_which_keys() -> None:
    first_screen = GUIDE.splitlines()[:25]
    rows = [line for line in first_screen if line.startswith("|")]
    assert [cell.strip() for cell in rows[0].split("|")[2:5]] == [
        "without keys",
        "with Exchange keys (`auth=True`)",
        "with CDP keys",
    ]
    assert any("out of scope" in row for row in rows)
