"""A replay emits what the feed emitted: messages, events and epochs, in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reactivex import operators as ops

from rxfeed import Match, Message, Replay, heartbeats, matches, tickers
from rxfeed.errors import ConfigError, ConnectionLost, FeedClosed
from rxfeed.feed import Connected, Disconnected, Ended, Gap, Idle, RecordingTruncated
from rxfeed.market import Malformed
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line, pong_line
from rxfeed.recording.reading import Recording
from rxfeed.recording.timestamps import moment_of
from tests.support.clocks import JumpingClock
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.make import NOON, heartbeat, match, ticker
from tests.support.replays import SECOND, played, prices, trades
from tests.support.segments import NS, lines_of, write
from tests.support.stopwatch import at_most

# ---- what it yields


def test_messages_keep_receipt_time_and_epoch(tmp_path: Path) -> None:
    frames = trades(1, 2)
    lines = [*lines_of(frames, epoch=3), frame_line(b'{\n"type":"news"}', NS + 9, 4)]
    write(tmp_path, lines)
    got = played(Replay(tmp_path)).items
    assert [m.received_ns - NS for m in got] == [0, SECOND, 9]
    assert [m.epoch for m in got] == [3, 3, 4]
    assert [m.raw for m in got] == [*frames, b'{\n"type":"news"}']
    assert [m.type for m in got] == ["match", "match", "news"]
    assert prices(got) == [1, 2]


@pytest.mark.parametrize("operators", [[], [ops.map(lambda m: m)]], ids=["trades are wanted", "all are wanted"])
def test_events_malformed_frames_and_pongs_keep_their_order(tmp_path: Path, operators: list[Any]) -> None:
    connected = Connected(url="wss://host", at=NOON)
    gap = Gap(product_id="BTC-USD", channel="matches", first=2, last=4, at=NOON + timedelta(seconds=1))
    lost = Disconnected(cause=ConnectionLost("gone"), at=NOON + timedelta(seconds=2))
    bad = Malformed(b"\xff", "not JSON", NS + 3)
    one, two = lines_of([match(1, trade_id=1).raw, match(5, trade_id=5).raw])
    quote = lines_of([ticker(1).raw])[0]
    ended = status_line(Ended(cause=None, at=NOON + timedelta(seconds=4)))
    lines = [status_line(connected), one, quote, status_line(gap), two, malformed_line(bad), pong_line(NS, 0.25)]
    write(tmp_path, [*lines, status_line(lost), quote, ended])
    replay = Replay(tmp_path)
    order: list[Any] = []
    replay.status.subscribe(order.append)
    replay.malformed.subscribe(order.append)
    replay.keepalive.subscribe(lambda pong: order.append(pong.round_trip))
    replay.pipe(*operators).pipe(matches()).subscribe(lambda trade: order.append(int(trade.price)))
    replay.serve()
    assert order[1:7] == [connected, 1, gap, 5, bad, 0.25]
    assert str(order[7]) == str(lost)
    assert [type(each) for each in (order[0], *order[8:])] == [Idle, Ended]  # one end, the replay's own
    stats = replay.stats
    assert stats.by_type == {"Match": 2, "ExchangeTicker": 2}
    assert (stats.malformed, stats.gaps, stats.gapped, stats.pongs, stats.connections) == (1, 1, 3, 1, 1)


def test_two_replays_are_equal_event_by_event(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 3)), ended=False)
    write(tmp_path, lines_of(trades(4, 6), ns=NS + 9 * SECOND), number=2, ns=NS + 9 * SECOND)
    runs = []
    for _ in range(2):
        replay = Replay(tmp_path)
        statuses = Collected(replay.status)
        runs.append((played(replay).items, statuses.items))
    assert runs[0] == runs[1]
    assert [type(status) for status in runs[0][1]] == [Idle, RecordingTruncated, Ended]
    assert runs[0][1][1].at == moment_of(NS + 2 * SECOND)


def test_types_without_a_subscriber_are_skipped_and_counted(tmp_path: Path) -> None:
    frames = [ticker(n, time=n).raw for n in range(3_000)]
    frames[1_000], frames[2_000] = (match(n, trade_id=n, time=n).raw for n in (1, 2))
    frames[500] = b'{"type":"news","n":1}'
    write(tmp_path, lines_of(frames, epoch=12))
    replay = Replay(tmp_path)
    got = Collected(replay.pipe(matches()))
    replay.serve()
    assert [trade.trade_id for trade in got.items] == [1, 2]
    assert replay.stats.by_type == {"ExchangeTicker": 2_997, "Match": 2, "Unknown": 1}
    assert replay.stats.bytes == sum(map(len, frames))


@pytest.mark.parametrize("all_of", [True, False], ids=["every type", "trades"])
def test_late_subscriber_gets_later_messages(tmp_path: Path, all_of: bool) -> None:
    frames = [ticker(n, time=n).raw for n in range(100)]
    frames[10] = match(1, trade_id=1).raw
    write(tmp_path, lines_of(frames))
    replay = Replay(tmp_path)
    late: list[int] = []

    def subscribe(_: Message) -> None:
        replay.pipe(tickers()).subscribe(lambda t: late.append(int(t.price)))

    (replay.pipe(ops.filter(lambda m: isinstance(m, Match))) if all_of else replay.pipe(matches())).subscribe(subscribe)
    replay.serve()
    assert late == list(range(11, 100))


def test_level3_needs_no_schema_in_the_recording(tmp_path: Path) -> None:
    """The schema may be in a segment that is missing."""
    order = b'["open","BTC-USD","7","id","buy","1.0","2.0","2026-01-02T12:01:00.500000Z"]'
    schema = b'{"type":"level3","schema":{"open":["type","product_id","sequence","time"]}}'
    other = b'["open","BTC-USD","8","2026-01-02T12:01:00.500000Z"]'
    write(tmp_path, lines_of([*trades(1, 2), order]))
    assert [m.type for m in played(Replay(tmp_path)).items] == ["match", "match", "open"]
    write(tmp_path, lines_of([schema, other]))
    replay = Replay(tmp_path)
    broken = Collected(replay.malformed)
    replay.pipe(matches()).subscribe()
    replay.serve()
    assert len(broken.items) == 1  # by its own schema, which replaces the documented one, it lacks an order's id


def test_subscriber_that_raises_is_unsubscribed_with_the_error(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 3)))
    replay = Replay(tmp_path)

    def fails(_: Message) -> None:
        raise KeyError("mine")

    errors: list[Exception] = []
    replay.subscribe(fails, errors.append)
    assert prices(played(replay).items) == [1, 2, 3]
    assert [type(error) for error in errors] == [KeyError]
    assert replay.stats.subscriber_errors == 1


# ---- some of it


def test_products_filter_messages_and_their_status(tmp_path: Path) -> None:
    gap = [Gap(product_id=product, channel="matches", first=1, last=1, at=NOON) for product in ("BTC-USD", "ETH-USD")]
    subscriptions = b'{"type":"subscriptions","channels":[]}'
    frames = [*trades(1, 3), *trades(4, 6, "ETH-USD"), subscriptions, heartbeat(1, product_id="ETH-USD").raw]
    write(tmp_path, [*map(status_line, gap), *lines_of(frames)])
    for operators in ([], [matches()], [heartbeats()]):
        replay = Replay(tmp_path, products="ETH-USD")
        statuses = Collected(replay.status)
        got = Collected(replay.pipe(*operators))
        replay.serve()
        expected = {"match": 3, "subscriptions": 1, "heartbeat": 1}
        kinds = [m.type for m in got.items]
        if not operators:
            assert {kind: kinds.count(kind) for kind in kinds} == expected
        assert statuses.items[1:-1] == gap[1:]
        assert replay.stats.by_type == {"Match": 3, "ExchangeSubscriptions": 1, "ExchangeHeartbeat": 1}
        assert replay.stats.bytes == sum(map(len, frames[3:]))


def test_span_of_receipt_is_half_open_and_skips_other_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hour = 3600
    for number in range(6):
        ns = NS + number * hour * SECOND
        write(
            tmp_path, lines_of(trades(1 + 4 * number, 4 + 4 * number), ns=ns, step=900 * SECOND), number=number, ns=ns
        )
    opened: list[int] = []
    chunks = Recording.chunks

    def watched(self: Recording) -> Iterator[Any]:
        assert self.header is not None
        opened.append(self.header.segment)
        return chunks(self)

    monkeypatch.setattr(Recording, "chunks", watched)
    since, until = NOON + timedelta(hours=1.5), NOON + timedelta(hours=3.5)
    assert prices(played(Replay(tmp_path, since=since, until=until)).items) == list(range(7, 15))
    assert opened == [1, 2, 3]


def test_span_without_messages_is_an_empty_replay(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 3)))
    got = played(Replay(tmp_path, since=NOON + timedelta(days=1)))
    assert (got.items, got.completed) == ([], True)
    got = played(Replay(tmp_path, until=NOON - timedelta(days=1)))
    assert (got.items, got.completed) == ([], True)


# ---- its start and end


@pytest.mark.parametrize("operators", [[], [matches()]], ids=["all are wanted", "trades are wanted"])
def test_close_from_a_subscriber_ends_the_replay_at_once(tmp_path: Path, operators: list[Any]) -> None:
    quotes = lines_of([ticker(1).raw] * 2)
    write(tmp_path, [line for trade in lines_of(trades(1, 100)) for line in (*quotes, trade)])
    with nothing_left_behind():
        replay = Replay(tmp_path)
        got = Collected(replay.pipe(*operators))
        replay.pipe(matches(), ops.filter(lambda m: m.trade_id == 3)).subscribe(lambda _: replay.close())
        replay.connect()
        assert replay.wait(30)
    assert prices(got.items) == [1, 2, 3]
    # Skipped messages are counted too.
    assert replay.stats.by_type == {"Match": 3, "ExchangeTicker": 6}
    assert got.completed
    with pytest.raises(FeedClosed):
        replay.connect()


@pytest.mark.parametrize(("speed", "seconds"), [(1, 10.0), (60, 10 / 60), (0.5, 20.0)])
def test_pace_is_the_recorded_one_times_the_speed(tmp_path: Path, speed: float, seconds: float) -> None:
    write(tmp_path, lines_of(trades(1, 3), step=10 * SECOND))
    clock = JumpingClock()
    replay = Replay(tmp_path, speed=speed, clock=clock)
    times: list[float] = []
    replay.subscribe(lambda _: times.append(clock.now()))
    replay.serve()
    assert times == pytest.approx([0, seconds, 2 * seconds])
    assert clock.waited == pytest.approx([seconds, seconds])


def test_close_ends_a_wait_at_once(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 2), step=3600 * SECOND))
    replay = Replay(tmp_path, speed=1)
    got = Collected(replay)
    came = threading.Event()
    replay.subscribe(lambda _: came.set())
    replay.connect()
    assert came.wait(30)
    with at_most(1):
        replay.close()
    assert prices(got.items) == [1]
    assert got.completed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"source": "nowhere"}, "source: 'nowhere' does not exist"),
        ({"source": 5}, "source: 5 is no path"),
        ({"source": []}, "source: it is empty"),
        ({"source": [5]}, "source: 5 is neither a path nor a Message"),
        ({"speed": 0}, "speed: 0 is not a number above 0"),
        ({"speed": True}, "speed: True"),
        ({"speed": "1"}, "speed: '1'"),
        ({"products": []}, "products: "),
        ({"products": 5}, "products: 5"),
        ({"products": ["A-B", ""]}, "products: "),
        ({"since": 5}, "since: 5 is not a datetime with a time zone"),
        ({"until": datetime(2026, 1, 1)}, "until: .* is not a datetime with a time zone"),
        ({"since": NOON, "until": NOON}, "until: .* is not after since"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], why: str) -> None:
    write(tmp_path, [])
    with pytest.raises(ConfigError, match=why):
        Replay(**{"source": tmp_path, **arguments})


def test_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source: the folder .* has no"):
        Replay(tmp_path)


def test_repr_names_the_source(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert repr(Replay(str(tmp_path))) == f"<Replay of {str(tmp_path)!r}>"
