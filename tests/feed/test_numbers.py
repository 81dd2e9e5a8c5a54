"""Wrong numbers, wrong times, unknown types and resubscribed channels on a live connection, and in its recording."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Credentials, Feed, Match, MessageSource, Replay, full_book, order_book, record, window_volume
from rxfeed.core.book_snapshot import Level3Snapshot
from rxfeed.feed import Gap, SequenceReset, Subscribed
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.scenes import fast_feed, of, sending, trade
from tests.support.wire import WireServer, close_frame, frame

FOLDER = "recordings"


def played(pieces: Sequence[bytes], channels: Any = "matches", **arguments: Any) -> tuple[Any, Any, Any, Feed]:
    """All messages, windows of a minute, and status of a feed that is served *pieces*."""
    with WireServer(sending(*pieces, close_frame(1000))) as server:
        feed = fast_feed(server.url, channels, reconnect=False)
        got, status = Collected(feed), Collected(feed.status)
        windows = Collected(feed.pipe(window_volume(60, **arguments)))
        with feed:
            got.wait_for_end()
    return got, windows, status, feed


# ---- numbers


@pytest.mark.parametrize("kind", ["match", "last_match"])
def test_one_wrong_trade_id_loses_no_trade(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    before, after = range(1, 100), range(100, 600)
    pieces = [trade(n, n / 10) for n in before]
    pieces += [trade(10**15, 9.95, kind=kind), *(trade(n, n / 10) for n in after)]
    got, windows, status, feed = played(pieces)
    ids = [each.trade_id for each in got.items if isinstance(each, Match)]
    assert ids == [*before, *([10**15] if kind == "match" else []), *after]
    assert feed.stats.duplicates == 0
    assert not windows.items[0].complete
    (reset,) = of(status, SequenceReset)
    assert (reset.product_id, reset.channel, reset.last, reset.first) == ("A-B", "matches", 10**15, 100)
    assert (feed.stats.resets, feed.stats.gaps) == (1, 1)
    assert any("sequence reset" in each.getMessage() for each in caplog.records if each.levelno == logging.WARNING)


def test_trade_ids_that_restart_within_a_connection_are_followed() -> None:
    """No window is complete without trades that were sent."""
    first, second = range(501, 601), range(1, 500)
    pieces = [trade(500, -1, kind="last_match"), *(trade(n, (n - 500) / 10) for n in first)]
    pieces += [trade(n, 10.05 + n / 10) for n in second]
    got, windows, status, _ = played(pieces)
    assert [each.trade_id for each in got.items if isinstance(each, Match)] == [*first, *second]
    assert [each.epoch for each in got.items] == [0] * 101 + [1] * 499
    assert [(each.count, each.complete) for each in windows.items] == [(599, False)]
    assert [(each.last, each.first) for each in of(status, SequenceReset)] == [(600, 1)]


def ids_of(got: Collected[Any]) -> list[int]:
    return [each.trade_id for each in got.items if isinstance(each, Match)]


@pytest.mark.parametrize("kind", ["match", "last_match"])
@pytest.mark.parametrize("begun", [True, False])
def test_wrong_trade_id_with_a_later_time_loses_no_trade(kind: str, begun: bool) -> None:
    """The time is wrong too, so no trade after it is newer."""
    before, after = range(1, 100 if begun else 1), range(100, 299)
    pieces = [trade(n, n / 10) for n in before]
    pieces += [trade(10**15, 60, kind=kind), *(trade(n, n / 10) for n in after)]
    got, windows, status, feed = played(pieces)
    assert ids_of(got) == [*before, *([10**15] if kind == "match" else []), *after]
    assert feed.stats.duplicates == 0
    assert [(each.last, each.first) for each in of(status, SequenceReset)] == [(10**15, 100)]
    assert not begun or not windows.items[0].complete
    assert {each.epoch for each in got.items if getattr(each, "trade_id", 0) in after} == {1 + begun}


def test_trade_ids_and_times_that_go_back_lose_no_trade(tmp_path: Path) -> None:
    """Live and in replay alike; the recording has each trade once, with the time of its receipt."""
    first, second = range(501, 601), range(520, 700)
    pieces = [trade(n, n / 10) for n in first] + [trade(n, n / 10 - 30) for n in second]
    with WireServer(sending(*pieces, close_frame(1000))) as server:
        feed = fast_feed(server.url, "matches", reconnect=False)
        got, status = Collected(feed), Collected(feed.status)
        written = Collected(feed.pipe(record(tmp_path / FOLDER)))
        with feed:
            got.wait_for_end()
            written.wait_for_end()
    assert ids_of(got) == [*first, *second]
    assert [each.epoch for each in got.items] == [0] * 100 + [1] * 180
    assert [(each.last, each.first) for each in of(status, SequenceReset)] == [(600, 520)]
    assert (feed.stats.duplicates, feed.stats.frames) == (0, 280)
    assert all(each.received_ns for each in got.items)
    replay = Replay(tmp_path / FOLDER)
    again = Collected(replay)
    replay.run()
    told = [(each, each.raw, each.received_ns, each.epoch) for each in got.items]
    assert [(each, each.raw, each.received_ns, each.epoch) for each in again.items] == told


def test_replay_of_frames_finds_ids_and_times_that_go_back(tmp_path: Path) -> None:
    first, second = range(501, 601), range(520, 700)
    pieces = [trade(n, n / 10) for n in first] + [trade(n, n / 10 - 30) for n in second]
    lines = [piece[piece.index(b"{") :] for piece in pieces]
    (tmp_path / "frames.jsonl").write_bytes(b"\n".join(lines) + b"\n")
    replay = Replay(tmp_path / "frames.jsonl")
    got, status = Collected(replay), Collected(replay.status)
    replay.run()
    assert ids_of(got) == [*first, *second]
    assert [each.epoch for each in got.items] == [0] * 100 + [1] * 180
    assert [(each.last, each.first) for each in of(status, SequenceReset)] == [(600, 520)]


def test_kept_duplicates_are_delivered_once(tmp_path: Path) -> None:
    pieces = [trade(n, n) for n in (501, 502, 1, 2, 3, 4)]
    with WireServer(sending(*pieces, close_frame(1000))) as server:
        feed = fast_feed(server.url, "matches", reconnect=False, drop_duplicates=False)
        got = Collected(feed)
        with feed:
            got.wait_for_end()
    assert ids_of(got) == [501, 502, 1, 2, 3, 4]
    assert feed.stats.duplicates == 0


def beat(second: float, last_trade_id: int) -> bytes:
    time = datetime.fromtimestamp(1_764_000_000 + second, UTC).isoformat().replace("+00:00", "Z")
    return frame(json.dumps({
        "type": "heartbeat", "product_id": "A-B", "sequence": 1, "last_trade_id": last_trade_id, "time": time,
    }))  # fmt: skip


def test_heartbeat_with_a_wrong_trade_id_loses_no_trade() -> None:
    pieces = [trade(1, 1), beat(2, 10**15), beat(3, 10**15), *(trade(n, 2 + n) for n in range(2, 20)), beat(22, 19)]
    got, windows, _, feed = played([*pieces, trade(20, 61), trade(21, 121), trade(22, 181)], ["matches", "heartbeat"])
    assert [each.trade_id for each in got.items if isinstance(each, Match)] == list(range(1, 23))
    assert feed.stats.duplicates == 0
    assert [(each.count, each.complete) for each in windows.items] == [(19, False), (1, True), (1, True), (1, False)]


# ---- times


def test_trade_dated_ahead_does_not_advance_windows(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Live and in replay alike."""
    now = datetime.now(UTC).timestamp() - 1_764_000_000 - 600
    now -= now % 60
    pieces = [trade(1, now - 1, kind="last_match"), *(trade(n, now + n) for n in range(2, 200))]
    pieces[100] = trade(101, now + 600 + 3600)
    with WireServer(sending(*pieces, close_frame(1000))) as server:
        feed = fast_feed(server.url, "matches", reconnect=False)
        by_minute = window_volume(60)
        windows, late = Collected(feed.pipe(by_minute)), Collected(by_minute.late)
        written = Collected(feed.pipe(record(tmp_path / FOLDER)))
        with feed:
            windows.wait_for_end()
            written.wait_for_end()
    assert [(each.count, each.complete) for each in windows.items] == [
        (58, True),
        (59, False),
        (60, False),
        (20, False),
    ]
    assert [each.trade.trade_id for each in late.items] == [101]
    (warning,) = (
        text
        for each in caplog.records
        if each.levelno == logging.WARNING and not (text := each.getMessage()).startswith("disconnected")
    )
    assert "window_volume" in warning
    assert "max_ahead" in warning
    replay = Replay(tmp_path / FOLDER)
    (again,) = minutes(replay)
    replay.run()
    assert again.items == windows.items


# ---- unknown types


def order(sequence: int, kind: str, **fields: Any) -> bytes:
    time = (datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=sequence)).isoformat().replace("+00:00", "Z")
    common = {"type": kind, "product_id": "A-B", "sequence": sequence, "time": time}
    return frame(json.dumps(common | fields))


def test_unknown_type_with_a_sequence_is_no_gap() -> None:
    def opened(sequence: int) -> bytes:
        return order(sequence, "open", order_id=f"o{sequence}", side="buy", price="9", remaining_size="1")

    pieces = [opened(5), opened(6), order(7, "rebate"), opened(8), order(9, "rebate"), opened(11)]
    with WireServer(sending(*pieces, close_frame(1000))) as server:
        feed = fast_feed(server.url, "full", reconnect=False)
        got, status = Collected(feed), Collected(feed.status)
        snapshot = Level3Snapshot(sequence=4, bids=(), asks=())
        book = full_book("A-B", lambda product: snapshot)
        Collected(feed.pipe(book))
        with feed:
            got.wait_for_end()
    assert [each.type for each in got.items] == ["open", "open", "rebate", "open", "rebate", "open"]
    assert [(each.first, each.last) for each in of(status, Gap)] == [(10, 10)]
    assert [each.epoch for each in got.items] == [0, 0, 0, 0, 0, 1]
    assert book.stats.gaps == 0  # the epoch shows it


def test_malformed_frame_with_a_sequence_is_no_gap() -> None:
    """It raises the epoch of its product."""

    def opened(sequence: int, price: str = "9") -> bytes:
        return order(sequence, "open", order_id=f"o{sequence}", side="buy", price=price, remaining_size="1")

    got, _, status, feed = played([opened(5), opened(6, "NaN"), opened(7), opened(8)], "full")
    assert [each.sequence for each in got.items] == [5, 7, 8]
    assert [each.epoch for each in got.items] == [0, 1, 1]
    assert of(status, Gap) == []
    assert feed.stats.malformed == 1


# ---- channels that are unsubscribed and resubscribed


def acknowledged(status: Collected[Any], number: int) -> None:
    status.wait_for(lambda items: len(of_kind(items)) >= number)


def of_kind(items: Sequence[Any]) -> list[Subscribed]:
    return [each for each in items if isinstance(each, Subscribed)]


Study = Callable[[MessageSource], list[Collected[Any]]]


def minutes(source: MessageSource) -> list[Collected[Any]]:
    return [Collected(source.pipe(window_volume(60)))]


@pytest.mark.parametrize("products", [["BTC-USD", "ETH-USD"], ["BTC-USD"], []])
@pytest.mark.parametrize("channels", [["matches"], ["matches", "heartbeat"]], ids=["alone", "heartbeat"])
def test_window_over_an_unsubscribed_channel_is_incomplete(
    channels: list[str], products: list[str], tmp_path: Path
) -> None:
    """Also where the trades between are missing without a gap in the numbers; live and in replay alike."""
    start = datetime(2026, 1, 2, 12, tzinfo=UTC)
    with Exchange(["BTC-USD", "ETH-USD"], seed=3, auto=False, start=start, rate=20) as exchange:
        feed = Feed(["BTC-USD", "ETH-USD"], channels, url=exchange.url)
        status = Collected(feed.status)
        recorder = feed.pipe(record(tmp_path / FOLDER))
        written = Collected(recorder)
        (live,) = minutes(feed)
        with feed:
            exchange.wait_for_clients()
            acknowledged(status, 1)
            exchange.advance(70)
            feed.remove(products, "matches")
            acknowledged(status, 2)
            exchange.advance(20)
            feed.add(products or ["BTC-USD", "ETH-USD"], "matches")
            acknowledged(status, 3)
            exchange.advance(160)
            exchange.drain()
            live.wait_for(lambda items: sum(each.end >= start + timedelta(seconds=240) for each in items) == 2)
        written.wait_for_end()
    left = products or ["BTC-USD", "ETH-USD"]
    complete = {(each.product_id, (each.start - start).total_seconds()): each.complete for each in live.items}
    for product in ("BTC-USD", "ETH-USD"):
        assert complete[product, 60.0] is (product not in left)
        assert complete[product, 120.0]
        assert complete[product, 180.0]
    assert of(status, Gap) == []
    replay = Replay(tmp_path / FOLDER)
    (again,) = minutes(replay)
    replay.run()
    assert again.items == live.items


def test_replay_of_frames_finds_resubscriptions(tmp_path: Path) -> None:
    def listed(*names: str) -> bytes:
        channels = [{"name": name, "product_ids": ["A-B"]} for name in names]
        return json.dumps({"type": "subscriptions", "channels": channels}).encode()

    def bare(piece: bytes) -> bytes:
        return piece[piece.index(b"{") :]

    frames = [listed("matches", "heartbeat"), bare(trade(60, -1, kind="last_match"))]
    frames += [bare(trade(n, n - 60)) for n in range(61, 71)]
    frames += [listed("heartbeat"), listed("matches", "heartbeat")]
    frames += [bare(trade(n, n - 60)) for n in range(91, 101)]
    frames += [bare(trade(101, 61)), bare(trade(102, 121)), bare(trade(103, 181))]
    (tmp_path / "frames.jsonl").write_bytes(b"\n".join(frames) + b"\n")
    replay = Replay(tmp_path / "frames.jsonl")
    status = Collected(replay.status)
    (windows,) = minutes(replay)
    replay.run()
    assert [(each.count, each.complete) for each in windows.items] == [(20, False), (1, True), (1, True), (1, False)]
    assert of(status, Gap) == []


def test_book_continues_if_its_product_leaves_another_channel() -> None:
    credentials = Credentials("k", "c2VjcmV0", "p")
    with Exchange(["BTC-USD"], seed=2, auto=False, credentials=credentials) as exchange:
        feed = Feed("BTC-USD", ["level2", "ticker"], url=exchange.url, credentials=credentials)
        books, status = Collected(feed.pipe(order_book("BTC-USD"))), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            books.wait_for(lambda items: items and items[-1].ready)
            feed.remove("BTC-USD", "ticker")
            acknowledged(status, 2)
            exchange.step(20)
            books.wait_for(lambda items: any(not view.ready for view in items[1:]))
            books.wait_for(lambda items: items[-1].ready)
            exchange.step(50)
            expected = exchange.book("BTC-USD")
            books.wait_for(lambda items: list(items[-1].bids) == expected["bids"])
    assert feed.stats.connections == 1
