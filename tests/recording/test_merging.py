"""Recordings of several collectors, played as one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rxfeed import (
    ConfigError,
    ConnectionLost,
    Credentials,
    Feed,
    Malformed,
    Match,
    Message,
    Reconnect,
    RecordingDamaged,
    Replay,
    fold,
    matches,
    record,
    window_volume,
)
from rxfeed.core import ConnectionChange, Level2Book, Merge, Missed, ReceivedItem
from rxfeed.feed import (
    Clock,
    Connected,
    Disconnected,
    FeedStatus,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    RecordingTruncated,
)
from rxfeed.market import Origin, RepairedOrigin, stamp
from rxfeed.recording import doubted_kinds
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line, pong_line, repaired_line
from rxfeed.recording.timestamps import moment_of, ns_of
from rxfeed.sim import Exchange, faults
from rxfeed.venues import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import Change, Done, Open, Received
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from tests.support.collect import Collected
from tests.support.collectors import SECOND, START_NS, Market, Recorder, together
from tests.support.segments import write

BTC = "BTC-USD"
PRODUCTS = (BTC, "ETH-USD")


def line_of(heard: ReceivedItem) -> bytes | None:
    item: Any = heard.item
    at = moment_of(heard.ns)
    if isinstance(item, ConnectionChange):
        if item.over:
            return None
        cause = ConnectionLost(item.status)
        return status_line(Connected(url=str(item.status), at=at) if item.up else Disconnected(cause=cause, at=at))
    if isinstance(item, Malformed):
        return malformed_line(item)
    line = repaired_line if item.repaired else frame_line
    return line(item.raw, heard.ns, item.epoch)


def write_session(folder: Path, recorded: list[ReceivedItem], session: str, segments: int = 2) -> list[Path]:
    """*recorded* in so many segments."""
    lines = [line for each in recorded if (line := line_of(each)) is not None]
    size = -(-len(lines) // segments)
    return [
        write(folder, lines[at : at + size], session=session, number=number, ns=recorded[0].ns, together=4)
        for number, at in enumerate(range(0, len(lines), size), 1)
    ]


def played(*paths: Path, **how: Any) -> tuple[list[Message], list[FeedStatus]]:
    """Messages and statuses of a merged replay, but for the first and last status."""
    replay = Replay(paths, merge=True, **how)
    messages, status = Collected(replay), Collected(replay.status)
    replay.run()
    return messages.items, status.items[1:-1]


# ---- it plays what `Merge` makes of it


@example(["trade", "trade", "beat", "beat", "trade"], frozenset(), frozenset(), [(-1.0, 3.1), (4.3, 1e6)])
@example(["trade"] * 4, frozenset(), frozenset({9}), [(-1.0, 3.1), (4.3, 1e6)])
@given(
    st.lists(st.sampled_from(["trade", "trade", "beat", "auction", "book"]), min_size=1, max_size=40),
    st.frozensets(st.integers(1, 60), max_size=8),
    st.frozensets(st.integers(1, 60), max_size=8),
    st.sampled_from([[(-1.0, 1e6)], [(-1.0, 3.1), (4.3, 1e6)]]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
def test_two_sessions_in_files_are_merged(
    tmp_path: Path, happened: list[str], drops: frozenset[int], others: frozenset[int], spans: Any
) -> None:
    market = Market().run([(kind, BTC) for kind in happened])
    channels = ("matches", "ticker", "heartbeat", "auctionfeed", "level2")
    one = Recorder(channels, drops=drops, spans=spans, garbled=frozenset({9})).record(market, 0)
    two = Recorder(channels, drops=others, latency=[0.2, 0.3]).record(market, 1)
    for each in tmp_path.iterdir():
        each.unlink()
    write_session(tmp_path, one, "aaaaaaaa")
    write_session(tmp_path, two, "bbbbbbbb")
    expected = fold(Merge(ExchangeMerging(), 2, partial(doubted_kinds, COINBASE_EXCHANGE)), together(one, two))
    messages, status = played(tmp_path, patience=2)
    stamped = [
        stamp(each.item, (RepairedOrigin if each.item.repaired else Origin)(each.item.raw, each.ns, each.epoch))
        for each in expected
        if isinstance(each.item, Message)
    ]
    assert messages == stamped
    gaps = [(each.channel, each.first, each.last) for each in status if isinstance(each, Gap)]
    missed = [each.item for each in expected if isinstance(each.item, Missed)]
    assert gaps == [(each.channel, each.first, each.last) for each in missed]
    links = [each.url if isinstance(each, Connected) else str(each.cause) for each in status if _link(each)]
    assert links == [each.item for each in expected if isinstance(each.item, str)]


def _link(status: FeedStatus) -> TypeGuard[Connected | Disconnected]:
    return isinstance(status, Connected | Disconnected)


def test_collectors_with_different_losses_lose_nothing_together(tmp_path: Path) -> None:
    """The third collector has no faults, so it has the complete messages."""
    script = [
        *(faults.Drop(3, types={"match"}, after=after, connection=1) for after in (40, 200)),
        faults.MalformedFrame(after=300, connection=1),
        faults.Reset(after=500, connection=1),
        *(faults.Drop(2, types={"match"}, after=after, connection=2) for after in (100, 400)),
        faults.Close(1001, "going away", after=800, connection=2),
        faults.Reset(after=200, connection=4),
    ]
    feeds, heard = list[Feed](), list[Collected[Match]]()
    with Exchange([BTC], seed=4, auto=False, faults=script) as exchange:
        for number in range(3):
            feed = Feed(
                BTC, ["matches", "heartbeat"], url=exchange.url, reconnect=Reconnect(initial=0.01, maximum=0.01)
            )
            feed.pipe(record(tmp_path / str(number))).subscribe()
            heard.append(Collected(feed.pipe(matches())))
            feed.connect()
            exchange.wait_for_clients(number + 1)
            feeds.append(feed)
        for _ in range(60):
            exchange.step(50)
            time.sleep(0.005)
            exchange.wait_for_clients(3)
        exchange.drain()
        last = exchange.last_trade_id(BTC)
        for trades in heard:
            trades.wait_for(lambda items: items and items[-1].trade_id == last)
        for feed in feeds:
            feed.close()
    assert feeds[0].stats.gapped >= 6
    assert feeds[1].stats.gapped >= 4
    assert feeds[2].stats.gapped == 0
    messages, status = played(tmp_path / "0", tmp_path / "1")
    ids = [each.trade_id for each in messages if isinstance(each, Match)]
    assert ids == _trade_ids(tmp_path / "2")
    assert not [each for each in status if isinstance(each, Gap | Disconnected)]
    assert {each.epoch for each in messages} == {0}


def _trade_ids(folder: Path) -> list[int]:
    replay = Replay(folder)
    got = Collected(replay)
    replay.run()
    return [each.trade_id for each in got.items if isinstance(each, Match)]


# Losses of level2 cannot be detected, so its frames have no faults.
_NUMBERED = {"received", "open", "match", "change", "done", "heartbeat"}
KINDS: list[Any] = [
    faults.Drop(2, types=_NUMBERED),
    faults.Duplicate(types=_NUMBERED),
    faults.Reorder(2, types=_NUMBERED),
    faults.MalformedFrame(),
    faults.BadUtf8(),
    faults.Close(1001, "going away"),
    faults.Vanish(),
    faults.Reset(),
]


@pytest.mark.parametrize("seed", [0, 3, 6])
def test_collectors_with_random_faults_are_merged(tmp_path: Path, seed: int) -> None:
    """The merged stream has all received messages in order, reports its gaps, and its books are correct."""
    key, draw = Credentials("key", "c2VjcmV0", "open sesame"), faults.randomly(seed, every=300, kinds=KINDS)

    def script(connection: int) -> Iterator[faults.Fault]:
        return iter(()) if connection == 1 else draw(connection)

    with Exchange(PRODUCTS, seed=seed, auto=False, credentials=key, faults=script) as exchange:
        feeds, recorded = list[Feed](), list[Collected[Any]]()
        for name in ("true", "one", "two"):
            feed = Feed(
                PRODUCTS,
                ["full", "heartbeat", "level2"],
                url=exchange.url,
                credentials=key,
                reconnect=Reconnect(initial=0, maximum=0),
                stale_after=None,
                ping_interval=None,
                heartbeat_timeout=1e9,
                clock=Clock(speed=50),
            )
            recorded.append(Collected(feed.pipe(record(tmp_path / name, segment_bytes=50_000))))
            feed.connect()
            feeds.append(feed)
            exchange.wait_for_clients(len(feeds))
        for _ in range(40):
            exchange.step(20)
            exchange.advance(0.3)
            time.sleep(0.01)
            exchange.wait_for_clients(len(feeds))  # so that a slow machine loses no more than a fast one
        exchange.drain()
        for feed, end in zip(feeds, recorded, strict=True):
            feed.close()
            end.wait_for_end()

    def of(*names: str, **how: Any) -> tuple[list[Message], list[FeedStatus]]:
        replay = Replay([tmp_path / name for name in names], **how)
        messages, status = Collected(replay), Collected(replay.status)
        replay.run()
        return messages.items, status.items

    def numbers(messages: list[Message], product: str) -> list[int]:
        orders = (each for each in messages if isinstance(each, Received | Open | Match | Change | Done))
        return [each.sequence or 0 for each in orders if each.product_id == product]

    true, one, two = of("true")[0], of("one")[0], of("two")[0]
    messages, status = of("one", "two", merge=True)
    for product in PRODUCTS:
        came = numbers(messages, product)
        assert came == sorted({*numbers(one, product), *numbers(two, product)})
        assert len(came) > max(len(numbers(one, product)), len(numbers(two, product)))
        gaps = [each for each in status if isinstance(each, Gap) and each.product_id == product]
        said = {number for gap in gaps for number in range(gap.first, gap.last + 1)}
        assert set(range(came[0], came[-1])) - set(came) == {number for number in said if number < came[-1]}
        books = {(view.bids, view.asks) for view in fold(Level2Book(product), true)}
        views = [view for view in fold(Level2Book(product), messages) if view.ready]
        assert views
        assert {(view.bids, view.asks) for view in views} <= books


# ---- fixed examples


def session(folder: Path, name: str, recorder: Recorder, number: int = 0, market: Market | None = None) -> list[Path]:
    folder.mkdir(exist_ok=True)
    return write_session(folder, recorder.record(market or MARKET, number), name)


MARKET = Market().run([("trade", BTC), ("book", BTC), ("beat", BTC)] * 12)


def test_merged_windows_are_complete_if_no_single_one_is(tmp_path: Path) -> None:
    torn = session(tmp_path, "aaaaaaaa", Recorder(drops=frozenset({7, 12, 13})))
    other = session(tmp_path, "bbbbbbbb", Recorder(drops=frozenset({9, 16}), latency=[0.1]), 1)

    def complete(*paths: Path, **how: Any) -> list[bool]:
        replay = Replay(paths, **how)
        windows = Collected(replay.pipe(window_volume(2)))
        replay.run()
        return [each.complete for each in windows.items]

    assert complete(*torn).count(False) > 2
    assert complete(*other).count(False) > 2
    assert complete(*torn, *other, merge=True) == [False, True, True, True, False]


def test_successive_sessions_are_one_stream_with_a_gap(tmp_path: Path) -> None:
    early, late = Recorder(spans=[(-1, 3)]), Recorder(spans=[(5, 1e6)])
    messages, status = played(*session(tmp_path, "aaaaaaaa", early), *session(tmp_path, "bbbbbbbb", late))
    trades = [each for each in messages if isinstance(each, Match)]
    (gap,) = [each for each in status if isinstance(each, Gap)]
    assert [each.epoch for each in trades] == [2 * (each.trade_id > gap.last) for each in trades]
    names = [type(each).__name__ for each in status]
    assert names == ["Connected", "Disconnected", "Connected", "Gap", "Disconnected"]


def test_overlapping_sessions_without_merge_warn(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session(tmp_path, "aaaaaaaa", Recorder())
    session(tmp_path, "bbbbbbbb", Recorder(latency=[0.1]))
    Replay(tmp_path).run()
    assert "sessions aaaaaaaa and bbbbbbbb overlap: merge=True plays them as one" in caplog.text
    caplog.clear()
    played(tmp_path)
    assert caplog.text == ""


def test_damaged_segment_is_reported_and_filled(tmp_path: Path) -> None:
    first, *_ = session(tmp_path, "aaaaaaaa", Recorder(channels=("matches", "level2", "heartbeat")))
    session(tmp_path, "bbbbbbbb", Recorder(spans=[(-2, 1e6)]), 1)
    content = first.read_bytes()
    first.write_bytes(content[: len(content) // 2])
    messages, status = played(tmp_path)
    (torn,) = [each for each in status if isinstance(each, RecordingTruncated)]
    assert torn.path == str(first)
    assert [each.trade_id for each in messages if isinstance(each, Match)] == [*range(11, 23)]
    assert not [each for each in status if isinstance(each, Gap)]
    # The book was its own alone.
    views = fold(Level2Book(BTC), messages)
    assert [view.ready for view in views].count(False) == 1


def test_missing_segment_is_reported(tmp_path: Path) -> None:
    first, second = session(tmp_path, "aaaaaaaa", Recorder())
    first.rename(tmp_path / "kept")
    third = write(tmp_path, [], session="aaaaaaaa", number=4, ns=START_NS + 9 * SECOND)
    _, status = played(second, third)
    assert [each.reason for each in status if isinstance(each, RecordingTruncated)] == [
        "segments 3 to 3 of session aaaaaaaa are missing"
    ]


def test_only_subscribed_types_are_played(tmp_path: Path) -> None:
    market = Market((BTC, "ETH-USD")).run([("trade", BTC), ("trade", "ETH-USD")] * 20)
    both = Recorder(products=(BTC, "ETH-USD"))
    paths = session(tmp_path, "aaaaaaaa", both, 0, market) + session(tmp_path, "bbbbbbbb", both, 1, market)
    since, until = moment_of(START_NS + 3 * SECOND), moment_of(START_NS + 6 * SECOND)
    messages, _ = played(*paths, products="ETH-USD", since=since, until=until)
    assert {each.product_id for each in messages} == {"ETH-USD"}
    assert messages
    assert all(since <= each.received < until for each in messages)


def test_other_formats_are_merged(tmp_path: Path) -> None:
    """Plain lines have no events and no epochs; gaps and copies are found nevertheless."""
    whole = [each.item for each in Recorder().record(MARKET) if isinstance(each.item, Message)]
    for name, left_out in (("one", {5, 6, 7}), ("two", {11, 12})):
        kept = [each.raw for place, each in enumerate(whole) if place not in left_out]
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(kept) + b"\n")
    messages, status = played(tmp_path)
    assert [each.trade_id for each in messages if isinstance(each, Match)] == [*range(11, 23)]
    assert not [each for each in status if isinstance(each, Gap)]


def test_heartbeats_are_missing_if_no_collector_receives_them(tmp_path: Path) -> None:
    heard = [(each.ns, each.item) for each in Recorder().record(MARKET) if isinstance(each.item, Message)]

    def write_status(name: str, *statuses: FeedStatus) -> Path:
        lines = [(ns, frame_line(message.raw, ns, 0)) for ns, message in heard]
        lines += [(ns_of(each.at), status_line(each)) for each in statuses]
        return write(tmp_path, [line for _, line in sorted(lines)], session=name, ns=heard[0][0])

    def missing(second: int) -> HeartbeatMissing:
        return HeartbeatMissing(product_id=BTC, seconds=5, at=moment_of(START_NS + second * SECOND))

    def back(second: int) -> HeartbeatBack:
        return HeartbeatBack(product_id=BTC, at=moment_of(START_NS + second * SECOND))

    one = write_status("aaaaaaaa", missing(1), back(2), missing(4), back(7))
    two = write_status("bbbbbbbb", missing(5), back(6))
    _, status = played(one, two)
    assert [each for each in status if isinstance(each, HeartbeatMissing | HeartbeatBack)] == [missing(5), back(6)]


def test_pongs_are_played(tmp_path: Path) -> None:
    path = write(tmp_path, [pong_line(START_NS, 0.25)])
    replay = Replay(path, merge=True)
    pongs = Collected(replay.keepalive)
    replay.run()
    assert [each.round_trip for each in pongs.items] == [0.25]


def test_merge_without_readable_files_fails(tmp_path: Path) -> None:
    path = write(tmp_path, [])
    path.write_bytes(b"\x28\xb5\x2f\xfd broken")
    with pytest.raises(RecordingDamaged):
        Replay(path, merge=True).run()


def test_sources_that_are_no_files_cannot_be_merged() -> None:
    with pytest.raises(ConfigError, match="merge"):
        Replay([MARKET.said[0][1]], merge=True)
    with pytest.raises(ConfigError, match="patience"):
        Replay("nowhere", merge=True, patience=0)
