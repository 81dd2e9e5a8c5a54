"""The window kinds of docs/how_to/own_windows.md against slow models."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import reactivex
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import CandlePrices, Late, VolumeSums, Windowing, fold
from tests.support.make import NOON, at, heartbeat, last_match, match

PAGE = (Path(__file__).parents[2] / "docs" / "how_to" / "own_windows.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
PAGES: dict[str, Any] = {"trades": [match(time=n, size=1 + n % 7) for n in (0, 10, 39, 70, 80, 500)]}
for block in BLOCKS:
    exec(compile(block, "own_windows.md", "exec"), PAGES)

STREAMS = st.lists(
    st.tuples(st.integers(-40, 60), st.sampled_from(["A-B", "C-D"]), st.sampled_from(["trade"] * 5 + ["heartbeat"])),
    max_size=40,
)


def stream(steps: list[tuple[int, str, str]]) -> list[Any]:
    """Trades and heartbeats; each is some seconds after the latest one, or before it."""
    made: list[Any] = []
    latest = 0
    for number, (on, product, kind) in enumerate(steps):
        time = latest + on
        latest = max(latest, time)
        if kind == "trade":
            made.append(match(100 + number, time=time, size=1 + number, product_id=product, trade_id=number + 1))
        else:
            made.append(heartbeat(time, product_id=product, last_trade_id=0))
    return made


def trades_by_product(items: list[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for item in items:
        if hasattr(item, "trade_id"):
            found[item.product_id].append(item)
    return found


def test_kinds_of_the_page_are_small() -> None:
    for block in BLOCKS:
        assert len(block.splitlines()) < 40


def test_examples_of_the_page_give_sessions() -> None:
    assert [(each.start, each.end, each.count) for each in PAGES["sessions"]] == [
        (at(0), at(69), 3),
        (at(70), at(110), 2),
        (at(500), at(530), 1),
    ]
    assert [each.size for each in PAGES["largest"]] == [5, 4, 4]


def test_session_is_emitted_after_its_pause() -> None:
    operator = PAGES["session_volume"](30)
    emitted: list[Any] = []
    late: list[Any] = []
    operator.late.subscribe(late.append)
    source = [match(time=0), match(time=20), heartbeat(49, last_trade_id=0), heartbeat(50, last_trade_id=0)]
    reactivex.from_iterable([*source, match(time=49)]).pipe(operator).subscribe(emitted.append)
    assert [(each.start, each.end, each.count) for each in emitted] == [(at(0), at(50), 2)]
    assert [(each.start, each.end) for each in late] == [(at(49), at(79))]


def test_session_is_complete_only_if_none_before_it_can_join() -> None:
    sessions = PAGES["Sessions"]
    trades = [match(time=n, trade_id=n) for n in (10, 100, 200)]
    first = last_match(time=0, trade_id=9)
    outputs: list[Any] = fold(Windowing(sessions(30), VolumeSums), [first, *trades])
    assert [each.complete for each in outputs] == [False, True, False]


@given(STREAMS)
def test_sessions_equal_those_of_a_slow_model(steps: list[tuple[int, str, str]]) -> None:
    """With enough lateness, sessions are the runs of sorted trades with shorter pauses."""
    items = stream(steps)
    windowing = Windowing(PAGES["Sessions"](30, 10**6), VolumeSums)
    expected: list[Any] = []
    for product, trades in trades_by_product(items).items():
        times = sorted((each.time, each.size) for each in trades)
        runs = [times[:1]]
        for before, trade in pairwise(times):
            if trade[0] - before[0] < timedelta(seconds=30):
                runs[-1].append(trade)
            else:
                runs.append([trade])
        for run in runs:
            end = run[-1][0] + timedelta(seconds=30)
            expected.append((product, run[0][0], end, len(run), sum(size for _, size in run)))
    outputs: list[Any] = fold(windowing, items)
    got = [(each.product_id, each.start, each.end, each.count, each.volume) for each in outputs]
    assert sorted(got) == sorted(expected)


@given(STREAMS, st.sampled_from([0, 10, 50]))
def test_sessions_hold_each_trade_once_and_are_apart(steps: list[tuple[int, str, str]], lateness: int) -> None:
    items = stream(steps)
    outputs = fold(Windowing(PAGES["Sessions"](30, lateness), VolumeSums), items)
    sessions = [each for each in outputs if not isinstance(each, Late)]
    late = {each.trade.trade_id for each in outputs if isinstance(each, Late)}
    for product, trades in trades_by_product(items).items():
        mine = [each for each in sessions if each.product_id == product]
        assert all(before.end <= after.start for before, after in pairwise(mine))
        held = [each for each in trades if each.trade_id not in late]
        assert sum(each.count for each in mine) == len(held)
        for each in held:
            assert sum(session.start <= each.time < session.end for session in mine) == 1


@given(STREAMS)
def test_merged_candles_equal_those_in_order(steps: list[tuple[int, str, str]]) -> None:
    """Sessions that a late trade joins have the prices of one session."""
    items = stream(steps)

    def sessions(messages: list[Any]) -> list[Any]:
        candles = Windowing(PAGES["Sessions"](30, 10**6), CandlePrices)
        fields = ("product_id", "start", "end", "open", "high", "low", "close", "volume", "notional", "count")
        return sorted(tuple(getattr(each, name) for name in fields) for each in fold(candles, messages))

    trades = [each for each in items if hasattr(each, "trade_id")]
    assert sessions(trades) == sessions(sorted(trades, key=lambda each: (each.time, each.trade_id)))


@given(STREAMS, st.sampled_from([(60, 20), (60, 60), (50, 20), (10, 30)]))
def test_hopping_windows_equal_those_of_a_slow_model(
    steps: list[tuple[int, str, str]], lengths: tuple[int, int]
) -> None:
    """In the order of time, so that no trade is late."""
    items = sorted(stream(steps), key=lambda each: each.time)
    width, step = lengths
    outputs: list[Any] = fold(Windowing(PAGES["Hopping"](width * 10**6, step * 10**6), VolumeSums), items)
    expected: list[tuple[str, datetime, int]] = []
    for product, trades in trades_by_product(items).items():
        for number in range(-3000 // step, 3000 // step):  # noon is a multiple of each step
            start = NOON + timedelta(seconds=number * step)
            count = sum(start <= each.time < start + timedelta(seconds=width) for each in trades)
            if count:
                expected.append((product, start, count))
    assert sorted((each.product_id, each.start, each.count) for each in outputs) == sorted(expected)
    for product in ("A-B", "C-D"):
        ends = [each.end for each in outputs if each.product_id == product]
        assert ends == sorted(ends)
