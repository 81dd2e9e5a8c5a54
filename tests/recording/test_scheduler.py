"""Timed operators of reactivex use the recording's time exactly, without an explicit scheduler."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops
from reactivex.scheduler import HistoricalScheduler, TimeoutScheduler

from rxfeed import Feed, Match, Message, MessageSource, Replay, by_product, matches, tickers
from rxfeed.feed import Gap
from rxfeed.market import EPOCH
from rxfeed.recording import ReplayScheduler
from rxfeed.recording.events import status_line
from rxfeed.recording.timestamps import ns_of
from tests.support.clocks import JumpingClock
from tests.support.collect import Collected
from tests.support.make import NOON, match, ticker
from tests.support.segments import NS, lines_of, write

SECOND = 10**9
MILLISECOND = 10**6


def replay_of(folder: Path, seconds: Iterable[float], **arguments: Any) -> Replay:
    """Trades received so many seconds after the recording began, with those for a price."""
    lines = [
        line
        for at in seconds
        for line in lines_of([match(str(at), time=at).raw], ns=NS + round(at * 1000) * MILLISECOND)
    ]
    return Replay(write(folder, lines), **arguments)


def price(message: Any) -> float:
    assert isinstance(message, Match)
    return float(message.price)


def prices(messages: Iterable[Any]) -> list[float]:
    return [price(message) for message in messages]


def run(replay: Replay, piped: Observable[Any]) -> list[tuple[float, Any]]:
    """The emitted items, each with the second of the recording at which it is emitted."""
    got: list[tuple[float, Any]] = []

    def at() -> float:
        return (replay.scheduler.ns - NS) / SECOND

    piped.subscribe(
        lambda item: got.append((at(), item)),
        lambda error: got.append((at(), type(error).__name__)),
        lambda: got.append((at(), "completed")),
    )
    replay.serve()
    return got


# ---- operators


def test_buffer_with_time_is_half_open_and_flushes_at_the_end(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0, 30, 59.999, 60, 200, 250])
    got = run(replay, replay.pipe(ops.buffer_with_time(60), ops.map(prices)))
    assert got == [
        (60, [0, 30, 59.999]), (120, [60]), (180, []), (240, [200]), (250, [250]), (250, "completed"),
    ]  # fmt: skip


def test_window_with_time_is_half_open(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 2, 61, 62, 63])
    counted: Any = lambda window: window.pipe(ops.count())  # noqa: E731
    piped = replay.pipe(ops.window_with_time(60), ops.flat_map(counted))
    assert run(replay, piped) == [(60, 2), (63, 3), (63, "completed")]


def test_sliding_window_with_time(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 6, 11])
    piped = replay.pipe(ops.buffer_with_time(10, 5), ops.map(prices))
    assert run(replay, piped) == [
        (10, [1, 6]), (11, [6, 11]), (11, [11]), (11, "completed"),
    ]  # fmt: skip


def test_debounce_in_recording_time(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 2, 3, 10, 10.5, 20])
    piped = replay.pipe(ops.debounce(5), ops.map(price))
    assert run(replay, piped) == [(8, 3), (15.5, 10.5), (20, 20), (20, "completed")]


def test_throttle_first_in_recording_time(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0.5, 1, 5.4, 5.5, 7, 12])
    piped = replay.pipe(ops.throttle_first(5), ops.map(price))
    assert run(replay, piped) == [(0.5, 0.5), (5.5, 5.5), (12, 12), (12, "completed")]


def test_delay_ends_after_the_recording(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 3, 4])
    piped = replay.pipe(ops.delay(2.5), ops.map(price))
    assert run(replay, piped) == [(3.5, 1), (5.5, 3), (6.5, 4), (6.5, "completed")]


def test_sample_emits_the_last_item_after_the_end(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 2, 11, 35])
    piped = replay.pipe(ops.sample(10), ops.map(price))
    assert run(replay, piped) == [(10, 2), (20, 11), (40, 35), (40, "completed")]


def test_timeout_fires_exactly_at_its_end(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 5.999, 10])
    other = reactivex.of("nothing came")
    piped = replay.pipe(ops.map(price), ops.timeout(5, other))
    assert run(replay, piped) == [(1, 1), (5.999, 5.999), (10, 10), (10, "completed")]
    replay = replay_of(tmp_path, [1, 6, 10])
    assert run(replay, replay.pipe(ops.map(price), ops.timeout(5))) == [(1, 1), (6, "Exception")]


def test_timestamps_are_receipt_times(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0.25, 7])
    got = run(replay, replay.pipe(ops.timestamp(), ops.map(lambda item: item.timestamp)))
    assert got[:-1] == [(0.25, NOON + timedelta(seconds=0.25)), (7, NOON + timedelta(seconds=7))]


def test_time_interval_is_between_receipts(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0.25, 7])
    got = run(replay, replay.pipe(ops.time_interval(), ops.map(lambda item: item.interval.total_seconds())))
    assert got == [(0.25, 0.25), (7, 6.75), (7, "completed")]


def test_interval_beside_the_messages(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0.5, 2.5, 3])
    piped = replay.pipe(ops.map(price), ops.merge(reactivex.interval(1)), ops.take(6))
    assert run(replay, piped) == [
        (0.5, 0.5), (1, 0), (2, 1), (2.5, 2.5), (3, 2), (3, 3), (3, "completed"),
    ]  # fmt: skip


def test_unbounded_interval_runs_an_hour_after_the_end(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0, 1])
    got = run(replay, replay.pipe(ops.merge(reactivex.interval(600)), ops.filter(lambda item: isinstance(item, int))))
    assert got == [(600.0 * (n + 1), n) for n in range(6)]


def test_timers_start_with_the_first_message(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 2])
    piped = replay.pipe(ops.map(price), ops.start_with(-1.0), ops.concat(reactivex.of(9.0)))
    assert run(replay, piped) == [(0, -1), (1, 1), (2, 2), (2, 9), (2, "completed")]


def test_timed_operators_by_product(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 5, 12])
    piped = replay.pipe(by_product(ops.buffer_with_time(10)), ops.map(prices))
    assert run(replay, piped) == [(11, [1, 5]), (12, [12]), (12, "completed")]


def test_timers_run_between_skipped_lines(tmp_path: Path) -> None:
    trades = lines_of([match(1).raw])
    quotes = [line for at in range(1, 10) for line in lines_of([ticker(at).raw], ns=NS + at * SECOND)]
    replay = Replay(write(tmp_path, [*trades, *quotes]))
    later = replay.pipe(matches(), ops.delay(4.5), ops.flat_map(lambda _: replay.pipe(tickers())))
    got = Collected(later.pipe(ops.map(lambda quote: int(quote.price))))
    replay.serve()
    assert got.items == [5, 6, 7, 8, 9]


# ---- how it is found


def test_every_pipeline_of_a_replay_has_its_scheduler(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 11, 12])
    selected = replay.pipe(matches())
    shared = selected.pipe(ops.share())
    counts = ops.map(len)
    fluent = Collected(replay.buffer_with_time(10).pipe(counts))
    piped = Collected(selected.pipe(ops.buffer_with_time(10)).pipe(counts))
    both = [Collected(shared.pipe(ops.buffer_with_time(10), counts)) for _ in range(2)]
    published: Any = replay.pipe(ops.publish())
    late = Collected(published.pipe(ops.buffer_with_time(10), counts))
    published.connect()
    automatic: Any = replay.pipe(ops.buffer_with_time(10), ops.publish())
    auto = Collected(automatic.auto_connect(1).pipe(counts))
    replay.serve()
    assert [got.items for got in (fluent, piped, *both, late, auto)] == [[1, 2]] * 6


def test_scheduler_of_a_feed_is_the_wall_clock() -> None:
    feed: MessageSource = Feed("A-B", "ticker")
    assert isinstance(feed.scheduler, TimeoutScheduler)
    assert abs(feed.scheduler.now - datetime.now(UTC)) < timedelta(minutes=1)


def test_side_streams_have_the_scheduler_of_the_replay(tmp_path: Path) -> None:
    gaps = [Gap(product_id="A-B", channel="matches", first=1, last=1, at=NOON + timedelta(seconds=s)) for s in (1, 9)]
    write(tmp_path, [*map(status_line, gaps), *lines_of([match().raw], ns=NS + 20 * SECOND)])
    replay = Replay(tmp_path)
    piped = replay.status.pipe(ops.skip(1), ops.buffer_with_time(5), ops.map(len))
    assert run(replay, piped) == [(5, 1), (10, 1), (15, 0), (20, 0), (20, 1), (20, "completed")]


def test_explicit_scheduler_is_used(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 100])
    still = HistoricalScheduler(NOON)
    piped = replay.pipe(ops.buffer_with_time(10), ops.map(prices))
    got = Collected(reactivex.create(lambda observer, _: piped.subscribe(observer, scheduler=still)))
    given = Collected(replay.pipe(ops.buffer_with_time(10, scheduler=still), ops.map(prices)))
    replay.serve()
    assert got.items == given.items == [[1, 100]]


def test_time_starts_with_the_recording_or_the_span(tmp_path: Path) -> None:
    assert replay_of(tmp_path, [1, 2]).scheduler.now == NOON
    since = NOON + timedelta(seconds=7)
    replay = replay_of(tmp_path, [1, 8, 14, 19], since=since)
    assert replay.scheduler.now == since
    piped = replay.pipe(ops.buffer_with_time(10), ops.map(prices))
    assert run(replay, piped) == [(17, [8, 14]), (19, [19]), (19, "completed")]


def test_message_older_than_its_segment_keeps_its_time(tmp_path: Path) -> None:
    write(tmp_path, lines_of([match(1).raw, match(2).raw], ns=NS - SECOND // 2), ns=NS)
    replay = Replay(tmp_path)
    got = Collected(replay.pipe(ops.timestamp(), ops.map(lambda item: item.timestamp - NOON)))
    replay.serve()
    assert got.items == [timedelta(seconds=-0.5), timedelta(seconds=0.5)]


def test_unknown_start_is_the_first_message(tmp_path: Path) -> None:
    trades = [match(str(at), time=at) for at in (3, 8, 13, 14)]
    for source in (reactivex.from_iterable(trades), trades):
        replay = Replay(source)
        piped = replay.pipe(ops.buffer_with_time(10), ops.map(prices))
        at_noon = replay.pipe(ops.take_until_with_time(NOON + timedelta(seconds=10)), ops.map(price))
        before = Collected(at_noon)
        assert run(replay, piped) == [(13, [3, 8]), (14, [13, 14]), (14, "completed")]
        assert before.items == [3, 8]


def test_earlier_time_is_the_current_time(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [10, 4, 11])
    piped = replay.pipe(ops.timestamp(), ops.map(lambda item: item.timestamp))
    assert [at for at, _ in run(replay, piped)] == [10, 10, 11, 11]


def test_timers_wait_on_the_clock_at_a_given_speed(tmp_path: Path) -> None:
    clock = JumpingClock()
    replay = replay_of(tmp_path, [0, 25], speed=10, clock=clock)
    at: list[float] = []
    replay.pipe(ops.buffer_with_time(10)).subscribe(lambda _: at.append(clock.now()))
    replay.pipe(ops.delay(5)).subscribe(lambda _: at.append(clock.now()))
    replay.serve()
    assert at == pytest.approx([0.5, 1, 2, 2.5, 3])  # and its wait was never longer than to the next of these
    assert clock.waited == pytest.approx([0.5, 0.5, 1, 0.5, 0.5])


def test_actions_of_other_threads_run_before_the_next_message(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [0, 3600], speed=1)
    came, fired = threading.Event(), threading.Event()
    replay.subscribe(lambda _: came.set())
    with replay:
        assert came.wait(5)
        replay.scheduler.schedule_relative(0.01, lambda *_: fired.set())
        assert fired.wait(5)


def test_no_action_runs_after_close(tmp_path: Path) -> None:
    replay = replay_of(tmp_path, [1, 2, 50])
    delayed = Collected(replay.pipe(ops.delay(5)))
    replay.pipe(ops.buffer_with_time(1.5)).subscribe(lambda _: replay.close())
    replay.serve()
    assert (delayed.items, delayed.completed) == ([], False)


def test_action_that_raises_is_counted_and_others_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    replay = replay_of(tmp_path, [1, 11, 21])

    def fails(messages: list[Message]) -> None:
        if prices(messages) == [1]:
            raise KeyError("mine")

    replay.pipe(ops.buffer_with_time(10)).subscribe(fails)
    other = Collected(replay.pipe(ops.buffer_with_time(10), ops.map(len)))
    replay.serve()
    assert other.items == [1, 1, 1]
    assert replay.stats.subscriber_errors == 1
    assert "KeyError('mine')" in caplog.text


# ---- the scheduler alone


def scheduler() -> ReplayScheduler:
    made = ReplayScheduler(lambda: None)
    made.begin(NS)
    return made


def all_until(made: ReplayScheduler, ns: int) -> None:
    while made.next_ns <= ns:
        made.advance(ns)


def test_actions_run_by_time_then_by_schedule_order() -> None:
    made, ran = scheduler(), list[tuple[str, float]]()

    def action(_: Any, name: Any) -> None:
        ran.append((name, (made.now - NOON).total_seconds()))

    made.schedule_relative(3, action, "d")
    made.schedule_absolute(NOON + timedelta(seconds=1), action, "b")
    made.schedule_relative(timedelta(seconds=3), action, "e")
    made.schedule(action, "a")
    made.schedule_absolute(NOON + timedelta(seconds=2), action, "c").dispose()
    made.schedule_relative(-5, action, "f")
    all_until(made, NS + 2 * SECOND)
    assert ran == [("f", 0), ("a", 0), ("b", 1)]
    all_until(made, NS + 3 * SECOND)
    assert ran[3:] == [("d", 3), ("e", 3)]


def test_action_may_schedule_and_dispose() -> None:
    made, ran = scheduler(), list[str]()
    later = made.schedule_relative(2, lambda *_: ran.append("disposed"))

    def first(_: Any, __: Any) -> None:
        ran.append("first")
        later.dispose()
        made.schedule_relative(1, lambda *_: ran.append("its own"))

    made.schedule_relative(1, first)
    all_until(made, NS + 5 * SECOND)
    assert ran == ["first", "its own"]


def test_disposed_actions_take_no_memory() -> None:
    made = scheduler()
    kept = [made.schedule_relative(3600, lambda *_: None) for _ in range(10)]
    for _ in range(10_000):
        made.schedule_relative(3600, lambda *_: None).dispose()
    assert len(made._heap) < 200
    for each in kept:
        each.dispose()
        each.dispose()
    all_until(made, NS + 3600 * SECOND)
    assert made._heap == []


def test_times_before_the_start_count_from_it() -> None:
    made, ran = ReplayScheduler(lambda: None), list[datetime]()
    assert made.now == EPOCH
    made.schedule_relative(5, lambda *_: ran.append(made.now))
    made.schedule_absolute(NOON + timedelta(seconds=3), lambda *_: ran.append(made.now))
    made.begin(ns_of(NOON))
    all_until(made, NS + 10 * SECOND)
    assert ran == [NOON + timedelta(seconds=3), NOON + timedelta(seconds=5)]
    assert made.now.tzinfo is UTC
