"""A recording yields what the feed yielded: messages, events and epochs in their place, whatever else is damaged."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.scheduler import NewThreadScheduler

from rxfeed import Match, Message, Replay, from_mongo, heartbeats, matches, tickers, to_mongo, window_volume
from rxfeed.errors import ConfigError, ConnectionLost, FeedClosed, RecordingDamaged
from rxfeed.feed import Connected, Disconnected, Ended, FeedStatus, Gap, Idle, Subscribed, Torn
from rxfeed.messages import Malformed
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line, pong_line
from rxfeed.recording.moments import moment_of
from rxfeed.recording.reading import Recording
from tests.support.clocks import Jumping
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.make import NOON, heartbeat, match, ticker
from tests.support.segments import NS, lines_of, text_of, write

SECOND = 10**9


def trades(first: int, last: int, product_id: str = "BTC-USD") -> list[bytes]:
    return [match(n, trade_id=n, time=n, product_id=product_id).raw for n in range(first, last + 1)]


def prices(source: Iterable[Message]) -> list[int]:
    return [int(message.price) for message in source if isinstance(message, Match)]


def played(replay: Replay) -> Collected[Message]:
    got = Collected(replay)
    replay.serve()
    assert got.completed or got.error is not None
    return got


def torn(statuses: Iterable[FeedStatus]) -> list[Torn]:
    return [status for status in statuses if isinstance(status, Torn)]


# ---- what it yields


def test_messages_come_with_the_receipt_and_the_epoch_that_they_had(tmp_path: Path) -> None:
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
def test_events_malformed_frames_and_pongs_come_in_their_place(tmp_path: Path, operators: list[Any]) -> None:
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
    assert stats.by_type == {"Match": 2, "Ticker": 2}
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
    assert [type(status) for status in runs[0][1]] == [Idle, Torn, Ended]
    assert runs[0][1][1].at == moment_of(NS + 2 * SECOND)


def test_what_nobody_wants_is_passed_over_and_counted(tmp_path: Path) -> None:
    frames = [ticker(n, time=n).raw for n in range(3_000)]
    frames[1_000], frames[2_000] = (match(n, trade_id=n, time=n).raw for n in (1, 2))
    frames[500] = b'{"type":"news","n":1}'
    write(tmp_path, lines_of(frames, epoch=12))
    replay = Replay(tmp_path)
    got = Collected(replay.pipe(matches()))
    replay.serve()
    assert [trade.trade_id for trade in got.items] == [1, 2]
    assert replay.stats.by_type == {"Ticker": 2_997, "Match": 2, "Unknown": 1}
    assert replay.stats.bytes == sum(map(len, frames))


@pytest.mark.parametrize("all_of", [True, False], ids=["every type", "trades"])
def test_whoever_subscribes_midway_gets_what_comes_then(tmp_path: Path, all_of: bool) -> None:
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


def test_level3_needs_no_schema_of_its_own(tmp_path: Path) -> None:
    """The schema may stand in a segment that is not here."""
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


def test_a_subscriber_that_raises_is_cut_off_and_told(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 3)))
    replay = Replay(tmp_path)

    def fails(_: Message) -> None:
        raise KeyError("mine")

    errors: list[Exception] = []
    replay.subscribe(fails, errors.append)
    assert prices(played(replay).items) == [1, 2, 3]
    assert [type(error) for error in errors] == [KeyError]
    assert replay.stats.subscriber_errors == 1


# ---- many files


def test_segments_come_by_session_and_number_whatever_they_are_called(tmp_path: Path) -> None:
    names = []
    for session, ns, number, first in (("b", NS + 60 * SECOND, 1, 5), ("a", NS, 2, 3), ("a", NS, 1, 1)):
        begun = ns + number * SECOND
        path = write(tmp_path, lines_of(trades(first, first + 1), ns=begun), session=session, number=number, ns=begun)
        names.append(path.rename(tmp_path / f"{first * 7 % 5}.zst"))
    (tmp_path / "README.md").write_text("not a recording, and not called so")
    assert prices(played(Replay(tmp_path)).items) == [1, 2, 3, 4, 5, 6]
    for paths in (names, [str(name) for name in reversed(names)], tmp_path.glob("*.zst"), [tmp_path, *names]):
        assert prices(played(Replay(paths)).items) == [1, 2, 3, 4, 5, 6]


def test_a_new_session_raises_the_epochs_of_every_product(tmp_path: Path) -> None:
    first = [*lines_of(trades(1, 1), epoch=4), *lines_of(trades(1, 1, "ETH-USD"), epoch=2)]
    second = [*lines_of(trades(2, 2), epoch=0), *lines_of(trades(2, 2, "ETH-USD"), epoch=1)]
    write(tmp_path, first, session="a")
    write(tmp_path, second, session="b", ns=NS + SECOND)
    replay = Replay(tmp_path)
    got = played(replay).items
    assert [(m.product_id, m.epoch) for m in got] == [("BTC-USD", 4), ("ETH-USD", 2), ("BTC-USD", 5), ("ETH-USD", 6)]


def test_a_session_goes_on_in_its_next_segment(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 30)))
    later = NS + 30 * SECOND
    write(tmp_path, lines_of(trades(31, 120), ns=later), number=2, ns=later)
    replay = Replay(tmp_path)
    windows = Collected(replay.pipe(window_volume(30)))
    replay.serve()
    assert [(w.count, w.complete) for w in windows.items] == [
        (29, False),
        (30, True),
        (30, True),
        (30, True),
        (1, False),
    ]
    assert {m.epoch for m in played(Replay(tmp_path)).items} == {0}


def test_a_segment_that_is_missing_is_said_and_raises_the_epochs(tmp_path: Path) -> None:
    for number in (2, 3, 5):
        write(tmp_path, lines_of(trades(number, number)), number=number, ns=NS + number)
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    assert [m.epoch for m in played(replay).items] == [0, 0, 1]
    (gap,) = torn(statuses.items)
    assert gap.reason == "segments 4 to 4 of session 5f0c2b7a are not here"
    assert gap.path.endswith("-00005.jsonl.zst")


def test_a_segment_that_is_there_twice_is_played_once(tmp_path: Path) -> None:
    path = write(tmp_path, lines_of(trades(1, 3)))
    shutil.copy(path, tmp_path / "again.zst")
    (tmp_path / "20260102T120000.000000Z-5f0c2b7a-00001.again.zst").write_bytes(b"")
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    assert prices(played(replay).items) == [1, 2, 3]
    assert torn(statuses.items) == []


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    if how == "truncated":
        path.write_bytes(whole[:-9])
    elif how == "flipped":
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 64]) + whole[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        path.write_bytes(b"\x89PNG")
    elif how == "killed":
        path.write_bytes(b"".join(text_of(lines_of(trades(4, 6)), number=2, ended=False))[:-7])


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "foreign", "killed"])
@pytest.mark.parametrize("wanted", [None, "matches"])
def test_the_other_segments_are_played_around_a_damaged_one(tmp_path: Path, how: str, wanted: str | None) -> None:
    for number in (1, 2, 3):
        path = write(
            tmp_path,
            lines_of(trades(3 * number - 2, 3 * number), ns=NS + number * SECOND),
            number=number,
            ns=NS + number * SECOND,
            together=1,
        )
        if number == 2:
            damage(path, how)
    replay = Replay(tmp_path)
    order: list[Any] = []
    replay.status.subscribe(order.append)
    (replay if wanted is None else replay.pipe(matches())).subscribe(order.append)
    replay.serve()
    (tear,) = torn(order)
    place = order.index(tear)
    before = [m for m in order[:place] if isinstance(m, Match)]
    after = [m for m in order[place:] if isinstance(m, Match)]
    assert tear.path.endswith("-00002.jsonl.zst")
    assert prices(before) == list(range(1, 4 + tear.line - 2 if tear.line > 1 else 4))
    assert prices(after) == [7, 8, 9]
    assert {m.epoch for m in before} == {0}
    assert {m.epoch for m in after} == {1}
    assert order[-1] == Ended(cause=None, at=order[-1].at)


@pytest.mark.parametrize("how", ["empty", "foreign"])
def test_where_nothing_can_be_read_it_fails_and_says_why(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, [])
    damage(path, how)
    replay = Replay(path)
    statuses = Collected(replay.status)
    got = played(replay)
    assert isinstance(got.error, RecordingDamaged)
    assert str(path) in str(got.error)
    assert "line 1, byte 0" in str(got.error)
    assert [type(status) for status in statuses.items] == [Idle, Torn, Ended]
    with pytest.raises(RecordingDamaged):
        Replay(path).run()


@pytest.mark.parametrize("line", [b'{"ns":1,"base64":"***"}', b'{"ns":1,"status":{"type":"Gap"}}', b"[]"])
def test_a_line_that_says_nothing_good_tears(tmp_path: Path, line: bytes) -> None:
    lines = lines_of(trades(1, 3))
    write(tmp_path, [lines[0], line + b"\n", *lines[1:]])
    for wanted in ([matches()], []):
        replay = Replay(tmp_path)
        statuses = Collected(replay.status)
        got = Collected(replay.pipe(*wanted))
        replay.serve()
        assert prices(got.items) == [1]
        (tear,) = torn(statuses.items)
        assert tear.line == 3
        assert got.completed


# ---- some of it


def test_products_are_chosen_with_what_is_said_of_them(tmp_path: Path) -> None:
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
        assert replay.stats.by_type == {"Match": 3, "Subscriptions": 1, "Heartbeat": 1}
        assert replay.stats.bytes == sum(map(len, frames[3:]))


def test_a_span_of_receipt_is_half_open_and_leaves_the_rest_packed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_nothing_in_the_span_is_an_empty_replay(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 3)))
    got = played(Replay(tmp_path, since=NOON + timedelta(days=1)))
    assert (got.items, got.completed) == ([], True)
    got = played(Replay(tmp_path, until=NOON - timedelta(days=1)))
    assert (got.items, got.completed) == ([], True)


# ---- recordings without epochs, and messages


def older(path: Path, frames: Iterable[bytes], begin: float = NS / 1e9) -> Path:
    lines = [{"t": begin + n, "dir": "recv", "data": raw.decode()} for n, raw in enumerate(frames)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_an_older_recording_is_judged_as_a_feed_judges(tmp_path: Path) -> None:
    subscriptions = b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}'
    one, two, five = (match(n, trade_id=n, time=n).raw for n in (1, 2, 5))
    path = older(tmp_path / "old.jsonl", [subscriptions, one, two, two, five, b"nonsense", five])
    replay = Replay(path)
    statuses = Collected(replay.status)
    malformed = Collected(replay.malformed)
    got = played(replay)
    assert prices(got.items) == [1, 2, 5]
    assert [m.epoch for m in got.items] == [0, 0, 0, 1]
    assert [m.received_ns for m in got.items] == [NS + n * SECOND for n in (0, 1, 2, 4)]
    assert [type(s) for s in statuses.items] == [Idle, Connected, Subscribed, Gap, Ended]
    assert str(statuses.items[1]) == f"Connected url={path}"
    gap = Gap(product_id="BTC-USD", channel="matches", first=3, last=4, at=moment_of(NS + 4 * SECOND))
    assert statuses.items[3] == gap
    assert [(m.raw, m.received_ns) for m in malformed.items] == [(b"nonsense", NS + 5 * SECOND)]
    assert (replay.stats.duplicates, replay.stats.malformed, replay.stats.connections) == (2, 1, 1)


def test_between_two_of_them_the_numbers_go_on(tmp_path: Path) -> None:
    trade = [match(n, trade_id=n, time=n).raw for n in range(1, 7)]
    paths = [
        older(tmp_path / "b.jsonl", trade[:3]),
        older(tmp_path / "a.jsonl", trade[4:], NS / 1e9 + 60),
    ]
    write(tmp_path, lines_of(trade[5:], ns=NS + 90 * SECOND), ns=NS + 90 * SECOND)
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    got = played(replay)
    assert [(int(m.price), m.epoch) for m in got.items if isinstance(m, Match)] == [
        (1, 0), (2, 0), (3, 0), (5, 2), (6, 2), (6, 3)
    ]  # fmt: skip
    assert [str(s) for s in statuses.items[1:-1]] == [
        f"Connected url={paths[0]}",
        f"Connected url={paths[1]}",
        "Gap product_id=BTC-USD channel=matches first=4 last=4",
    ]


def test_plain_lines_are_frames_with_their_own_time(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(
        b"\n".join([b'{"type":"subscriptions","channels":[]}', *trades(1, 4), b"{nonsense}", *trades(5, 5)])
    )
    replay = Replay(path, since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=5))
    malformed = Collected(replay.malformed)
    got = played(replay)
    assert prices(got.items) == [2, 3, 4]
    assert [m.received for m in got.items] == [NOON + timedelta(seconds=n) for n in (2, 3, 4)]
    assert [m.raw for m in malformed.items] == [b"{nonsense}"]


@pytest.mark.parametrize("kind", ["iterable", "observable", "observable of another thread"])
def test_messages_are_played_as_they_are(kind: str) -> None:
    messages = [match(n, trade_id=n, time=n, epoch=n // 3) for n in range(1, 6)]
    messages.insert(2, match(9, product_id="ETH-USD", time=2))
    source: Any = iter(messages) if kind == "iterable" else reactivex.from_iterable(messages)
    if kind.endswith("thread"):
        source = reactivex.from_iterable(messages, scheduler=NewThreadScheduler())
    replay = Replay(source, products=["BTC-USD"], since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=5))
    got = played(replay)
    assert got.items == [messages[1], messages[3], messages[4]]
    assert all(one is other for one, other in zip(got.items, [messages[1], *messages[3:5]], strict=True))
    assert replay.stats.by_type == {"Match": 3}


def test_what_such_a_source_fails_with_ends_the_replay() -> None:
    def failing() -> Iterator[Message]:
        yield match(1)
        raise OSError("disk")

    for source in (failing(), reactivex.concat(reactivex.of(match(1)), reactivex.throw(OSError("disk")))):
        got = played(Replay(source))
        assert (len(got.items), str(got.error)) == (1, "disk")
    for source in ([match(1), 5], reactivex.of(match(1), 5)):
        got = played(Replay(source))  # pyright: ignore[reportArgumentType]
        assert isinstance(got.error, ConfigError)
        assert "source: 5 is neither a path nor a Message" in str(got.error)


def test_from_mongo_is_such_a_source(collection: Any) -> None:
    messages = [match(n, trade_id=n, time=n) for n in range(1, 50)]
    reactivex.from_iterable(messages).pipe(to_mongo(collection), ops.count()).run()
    replay = Replay(from_mongo(collection))
    assert prices(played(replay).items) == list(range(1, 50))
    closing = Replay(from_mongo(collection))
    got = Collected(closing)
    closing.pipe(matches(), ops.filter(lambda m: m.trade_id == 5)).subscribe(lambda _: closing.close())
    closing.serve()
    assert prices(got.items) == [1, 2, 3, 4, 5]


# ---- its life


@pytest.mark.parametrize("operators", [[], [matches()]], ids=["all are wanted", "trades are wanted"])
def test_close_ends_it_at_once_from_a_subscriber_too(tmp_path: Path, operators: list[Any]) -> None:
    quotes = lines_of([ticker(1).raw] * 2)
    write(tmp_path, [line for trade in lines_of(trades(1, 100)) for line in (*quotes, trade)])
    with nothing_left_behind():
        replay = Replay(tmp_path)
        got = Collected(replay.pipe(*operators))
        replay.pipe(matches(), ops.filter(lambda m: m.trade_id == 3)).subscribe(lambda _: replay.close())
        replay.connect()
        assert replay.wait(5)
    assert prices(got.items) == [1, 2, 3]
    # What is passed over is counted too.
    assert replay.stats.by_type == {"Match": 3, "Ticker": 6}
    assert got.completed
    with pytest.raises(FeedClosed):
        replay.connect()


@pytest.mark.parametrize(("speed", "seconds"), [(1, 10.0), (60, 10 / 60), (0.5, 20.0)])
def test_the_pace_is_the_recorded_one_times_the_speed(tmp_path: Path, speed: float, seconds: float) -> None:
    write(tmp_path, lines_of(trades(1, 3), step=10 * SECOND))
    clock = Jumping()
    replay = Replay(tmp_path, speed=speed, clock=clock)
    times: list[float] = []
    replay.subscribe(lambda _: times.append(clock.now()))
    replay.serve()
    assert times == pytest.approx([0, seconds, 2 * seconds])
    assert clock.waited == pytest.approx([seconds, seconds])


def test_what_waits_for_its_time_is_closed_at_once(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 2), step=3600 * SECOND))
    replay = Replay(tmp_path, speed=1)
    got = Collected(replay)
    came = threading.Event()
    replay.subscribe(lambda _: came.set())
    with replay:
        assert came.wait(5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 1
    assert prices(got.items) == [1]
    assert got.completed


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"source": "nowhere"}, "source: 'nowhere' does not exist"),
        ({"source": 5}, "source: 5 is no path"),
        ({"source": []}, "source: there is nothing in it"),
        ({"source": [5]}, "source: 5 is neither a path nor a Message"),
        ({"speed": 0}, "speed: 0 is not above 0"),
        ({"speed": True}, "speed: True"),
        ({"speed": "1"}, "speed: '1'"),
        ({"products": []}, "products: "),
        ({"products": 5}, "products: 5"),
        ({"products": ["A-B", ""]}, "products: "),
        ({"since": 5}, "since: 5 is not a datetime with a timezone"),
        ({"until": datetime(2026, 1, 1)}, "until: .* is not a datetime with a timezone"),
        ({"since": NOON, "until": NOON}, "until: .* is not after since"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, arguments: dict[str, Any], why: str) -> None:
    write(tmp_path, [])
    with pytest.raises(ConfigError, match=why):
        Replay(**{"source": tmp_path, **arguments})


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"source: the folder .* holds no"):
        Replay(tmp_path)


def test_its_repr_names_the_source(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert repr(Replay(str(tmp_path))) == f"<Replay of {str(tmp_path)!r}>"
