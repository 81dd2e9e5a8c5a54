"""Every frame is played, for any date; virtual time stays within the calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reactivex import operators as ops

from rxfeed import Match, Replay, matches, record
from rxfeed.market import EPOCH
from rxfeed.recording.scheduler import EARLIEST, LATEST, ReplayScheduler
from rxfeed.recording.timestamps import FIRST_NS, LAST_NS, moment_of, ns_of
from tests.support.collect import Collected
from tests.support.make import match
from tests.support.replays import played, prices, trades

FAR = [
    "9999-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999-05:00",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+01:00",
    "2263-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
]


def plain(path: Path, dates: list[str]) -> Path:
    """Good trades, one at each of *dates*, and good trades again."""
    far = [match(10 + place, trade_id=10 + place, time=0).raw for place in range(len(dates))]
    time = b'"time":"2026-01-02T12:00:00Z"'
    assert time in far[0]
    lines = [raw.replace(time, b'"time":"%s"' % date.encode()) for raw, date in zip(far, dates, strict=True)]
    path.write_bytes(b"\n".join([*trades(1, 3), *lines, *trades(20, 22)]))
    return path


@pytest.mark.parametrize("date", FAR)
@pytest.mark.parametrize("how", [{}, {"products": ["BTC-USD"]}], ids=["all", "chosen"])
def test_plain_line_with_far_date_is_played_with_the_rest(tmp_path: Path, date: str, how: dict[str, Any]) -> None:
    replay = Replay(plain(tmp_path / "plain", [date]), **how)
    times: list[datetime] = []
    replay.subscribe(lambda message: times.append(message.received))
    got = played(replay)
    assert got.completed
    assert prices(got.items) == [1, 2, 3, 10, 20, 21, 22]
    assert len(times) == 7
    assert EARLIEST <= replay.scheduler.ns <= LATEST


@pytest.mark.parametrize("date", FAR)
@pytest.mark.parametrize("how", [{}, {"merge": True}], ids=["one", "merged"])
def test_a_wrong_number_with_a_far_date_loses_no_plain_line(tmp_path: Path, date: str, how: dict[str, Any]) -> None:
    wrong = match(10, trade_id=10**15, time=0).raw.replace(b"2026-01-02T12:00:00Z", date.encode())
    assert date.encode() in wrong
    path = tmp_path / "plain"
    path.write_bytes(b"\n".join([*trades(1, 3), wrong, *trades(4, 20)]))
    got = prices(played(Replay(path, **how)).items)
    assert got[:3] == [1, 2, 3]
    assert sorted(got) == sorted([10, *range(1, 21)])  # merged, they are in the order of their dates


@pytest.mark.parametrize("date", FAR)
def test_timers_run_on_around_a_far_date(tmp_path: Path, date: str) -> None:
    replay = Replay(plain(tmp_path / "plain", [date]))
    counts = Collected(replay.pipe(ops.buffer_with_time(86_400 * 3650)))
    taken = Collected(replay.pipe(matches(), ops.debounce(60)))
    replay.serve()
    assert counts.completed
    assert sum(map(len, counts.items)) == 7
    assert taken.completed


def test_recording_of_far_dates_is_played_as_they_were(tmp_path: Path) -> None:
    source = Replay(plain(tmp_path / "plain", FAR))
    messages = Collected(source)
    recorded = Collected(source.pipe(matches(), record(tmp_path / "segments")))
    source.serve()
    recorded.wait_for_end()
    got = played(Replay(tmp_path / "segments"))
    assert [(m.raw, m.received_ns) for m in got.items] == [(m.raw, m.received_ns) for m in messages.items]
    assert sum(isinstance(m, Match) for m in got.items) == 6 + len(FAR)


@given(st.integers(-(2**80), 2**80), st.timedeltas(max_value=datetime(9998, 1, 1) - datetime(1, 1, 1)))
def test_scheduler_time_allows_a_year_to_be_added(ns: int, later: Any) -> None:
    scheduler = ReplayScheduler(lambda: None)
    ran: list[int] = []
    scheduler.begin(ns)
    scheduler.schedule_relative(later, lambda *_: ran.append(1))
    assert scheduler.now.year in range(2, 9999)
    scheduler.advance(2**90)
    assert bool(ran) == (
        scheduler.ns <= LATEST
        and max(min(ns, LATEST), EARLIEST) // 1000 + later // timedelta(microseconds=1) <= LATEST // 1000
    )


@given(st.datetimes(timezones=st.timezones() | st.just(UTC)))
def test_ns_of_any_datetime_is_on_the_calendar(moment: datetime) -> None:
    ns = ns_of(moment)
    assert FIRST_NS <= ns <= LAST_NS
    assert EPOCH.year - 1970 <= moment_of(ns).year
