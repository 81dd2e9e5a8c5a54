"""The scripts that record, replay, draw and trade: on one recording, which the first of them makes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import Match, Replay
from rxfeed.backtest import PaperFill, PaperMarket
from rxfeed.market import Side
from rxfeed.testing import book, book_update, trade
from tests.examples.conftest import Script, importable
from tests.support.make import at, match
from tests.support.pictures import assert_drawn, ground

HOURS = 0.5


class Recorded(NamedTuple):
    folder: Path
    printed: list[str]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    place = tmp_path_factory.mktemp("recorded")
    folder = place / "recording"
    script = Script("record_and_replay", ("--folder", str(folder), "--hours", str(HOURS), "--rate", "5"), place)
    try:
        yield Recorded(folder, script.end())
    finally:
        script.stop()


def test_live_and_replay_results_equal_the_recording(recorded: Recorded) -> None:
    recording, replayed, *hours, rare, verdict = recorded.printed
    assert recording.startswith("recorded 0.5 hours in ")
    assert replayed.startswith("replayed them in ")
    assert verdict == "the results of live and replay are equal"
    assert " moves of 0.1 % within a minute, " in rare
    messages: list[Any] = []
    replay = Replay(recorded.folder)
    replay.subscribe(messages.append)
    replay.run()
    trades = [message for message in messages if isinstance(message, Match)]
    assert f": {len(messages):,} messages, " in recording
    (hour,) = hours
    assert hour.split()[:3] == ["06:00", "volume", str(sum(trade.size for trade in trades))]
    assert hour.endswith(f"trades {len(trades)} (incomplete)")


def test_folder_that_is_not_empty_is_not_changed(recorded: Recorded, run: Any) -> None:
    script = run("record_and_replay", "--folder", str(recorded.folder))
    assert script.process.wait(20) == 1


def test_outage_is_the_only_finding(recorded: Recorded, shared: None) -> None:
    from shared.market import BACK, LOST, START, Hole, holes  # pyright: ignore[reportMissingImports]

    found: list[Hole] = []
    replay = Replay(recorded.folder)
    replay.pipe(holes("BTC-USD")).subscribe(found.append)
    replay.run()
    seconds = HOURS * 3600
    outage = next(hole for hole in found if hole.end - hole.start > timedelta(seconds=10))
    assert START + timedelta(seconds=LOST * seconds - 1) <= outage.start <= START + timedelta(seconds=LOST * seconds)
    assert START + timedelta(seconds=BACK * seconds) <= outage.end <= START + timedelta(seconds=BACK * seconds + 1)
    # That trades are missing is noticed with the next one.
    assert all(hole.start >= outage.end for hole in found if hole is not outage)


@pytest.mark.parametrize("name", ["plot_volume", "plot_candles", "plot_imbalance"])
def test_recording_is_drawn(name: str, recorded: Recorded, run: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    assert run(name, str(recorded.folder), "--output", str(picture)).end() == [f"drawn in {picture}"]
    assert_drawn(picture)


@pytest.mark.parametrize("name", ["plot_volume", "plot_candles", "plot_imbalance"])
def test_product_not_in_the_recording_is_named(name: str, recorded: Recorded, run: Any) -> None:
    script = run(name, str(recorded.folder), "--product", "ETH-USD")
    assert script.process.wait(20) == 1
    assert "of ETH-USD in the recording" in script._stderr()


@pytest.fixture(scope="module")
def advanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    """A short recording of the other venue."""
    place = tmp_path_factory.mktemp("advanced")
    folder = place / "recording"
    options = ("--folder", str(folder), "--hours", "0.1", "--rate", "5", "--venue", "coinbase_advanced")
    script = Script("record_and_replay", options, place)
    try:
        yield Recorded(folder, script.end())
    finally:
        script.stop()


@pytest.mark.parametrize("name", ["plot_volume", "plot_candles", "plot_imbalance"])
def test_recording_of_another_venue_is_drawn_dark(name: str, advanced: Recorded, run: Any, tmp_path: Path) -> None:
    assert advanced.printed[-1] == "the results of live and replay are equal"
    picture = tmp_path / "picture.png"
    script = run(name, str(advanced.folder), "--dark", "--output", str(picture))
    assert script.end() == [f"drawn in {picture}"]
    assert_drawn(picture)
    assert ground(picture) < 0.15


def test_back_test_trades_in_a_recording_of_another_venue(advanced: Recorded, run: Any) -> None:
    (row,) = rows(run("backtest", str(advanced.folder), "--latency", "0", "--fee", "0.1").end())
    assert int(row[1]) > 0


@pytest.mark.timeout(240)  # it records three hours, in five seconds of an idle machine
def test_missing_recording_is_made(run: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    recording, drawn = run("plot_candles", "--output", str(picture)).end(200)
    assert recording == "recording 3 h of the local exchange ..."
    assert drawn == f"drawn in {picture}"
    assert_drawn(picture)


# ---- the back-test

SPAN = timedelta(minutes=1)


def rows(printed: list[str]) -> list[list[str]]:
    *_, heads, units = [place for place, line in enumerate(printed) if line.split()[:1] in (["latency"], ["s"])]
    assert units == heads + 1
    assert printed[heads].split() == ["latency", "fills", "volume", "most", "held", "fees", "net", "+-", "cost", "+-"]
    assert printed[units].split() == ["s", "BTC", "BTC", "USD", "USD", "USD"]
    assert printed[-1].startswith("net, cost: mean and standard error of ")
    return [line.split() for line in printed[units + 1 : -1]]


@pytest.mark.timeout(240)  # two whole runs of the example
def test_back_test_result_depends_on_latency(recorded: Recorded, run: Any) -> None:
    """The cost of a latency is that of the first one, less what this one earned, in the same spans."""
    arguments = (str(recorded.folder), "--latency", "0", "0.5", "100000", "--fee", "0.1", "--most", "0.03")
    printed = run("backtest", *arguments).end(100)
    fast, slow, never = rows(printed)
    assert never[:7] == ["100000", "0", "0.0000", "0.0000", "0.00", "+0.000", "0.000"]
    assert int(fast[1].replace(",", "")) > 10
    assert slow[1:] != fast[1:]
    assert len(fast) == 7
    for row in (fast, slow):
        assert Decimal(row[4]) > 0
        assert Decimal(row[3]) <= Decimal("0.03")
    for row in (slow, never):
        net, cost, error = (Decimal(row[place].replace(",", "")) for place in (5, 7, 8))
        assert abs(Decimal(fast[5].replace(",", "")) - net - cost) <= Decimal("0.002")
        assert error > 0
    assert run("backtest", *arguments).end() == printed


def test_mean_has_a_standard_error(shared: None) -> None:
    module = import_module("backtest")
    assert module.mean_and_error([Decimal(1), Decimal(2), Decimal(3)]) == (2.0, pytest.approx(1 / 3**0.5))
    mean, error = module.mean_and_error([Decimal(1)])
    assert (mean, math.isnan(error)) == (1.0, True)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["buy", "sell"]), st.integers(-40, 40), st.integers(1, 9)), max_size=60))
def test_maker_never_holds_more_than_its_limit(steps: list[tuple[Side, int, int]]) -> None:
    """Also while cancels are under way, and whatever the market trades meanwhile."""
    with importable():
        module = import_module("backtest")
    most = Decimal("0.3")
    rules = {"edge": Decimal("0.001"), "size": Decimal("0.1"), "most": most}
    maker = module.MarketMaker(PaperMarket("BTC-USD", latency=2), SPAN, **rules)
    maker.step(book([(999, 5), (998, 5)], [(1001, 5), (1002, 5)]))
    mid = 1000
    for number, (side, move, size) in enumerate(steps, 1):
        sign = 1 if side == "sell" else -1  # the taker sells to the bids, so that the maker buys
        maker.step(trade(mid - sign * 2, size, time=2 * number, trade_id=number + 1, taker_side=side))
        old, mid = mid, mid + move // 10
        removed: list[tuple[Side, int, int]] = [("buy", old - 1, 0), ("sell", old + 1, 0)]
        placed: list[tuple[Side, int, int]] = [("buy", mid - 1, 5), ("sell", mid + 1, 5)]
        maker.step(book_update(*removed, *placed, time=2 * number + 1))
        assert abs(maker.account.position) <= most
    maker.finish()
    assert maker.account.most <= most


def test_maker_result_equals_its_fills(shared: None) -> None:
    account = import_module("backtest").Account()
    trades: list[tuple[Side, int, str]] = [("buy", 100, "2"), ("sell", 103, "3"), ("buy", 101, "0.5")]
    for side, price, size in trades:
        about = (Decimal(price), Decimal(size), Decimal("0.1"), True, Decimal(0), at(0))
        account.book(PaperFill("BTC-USD", "paper-1", side, *about))
    assert (account.fills, account.volume, account.position) == (3, Decimal("5.5"), Decimal("-0.5"))
    assert (account.most, account.fees) == (2, Decimal("0.3"))
    # 6 earned on the first two, and of the one that is short a half was bought back 2 below.
    assert account.profit(Decimal(103)) == Decimal(7)
    assert account.profit(Decimal(101)) == Decimal(8)


def test_recording_without_books_is_named(shared: None, tmp_path: Path) -> None:
    module = import_module("backtest")
    file = tmp_path / "trades.jsonl"
    file.write_bytes(b"\n".join(match(9, time=n).raw for n in range(3)))
    with pytest.raises(SystemExit, match=r"trades\.jsonl: it has no book of BTC-USD: record its channels book and"):
        module.trade(
            file, "BTC-USD", [0], Decimal(0), SPAN, edge=Decimal("0.001"), size=Decimal("0.1"), most=Decimal(1)
        )
