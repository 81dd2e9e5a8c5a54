"""A frame that cannot be decoded affects only the product that it names."""

from __future__ import annotations

import json
import logging
import threading
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest

from rxfeed import Feed, order_book, price_crossing, window_volume
from rxfeed.core.renewals import Renewals
from rxfeed.feed import Clock, Gap
from tests.support.collect import Collected
from tests.support.scenes import fast_feed, sending, tick, trade, wait_until
from tests.support.wire import Wire, WireServer, frame

ODD = '{"type":"ticker","product_id":"A-B","sequence":2,"price":"sNaN"}'


def level2(product: str, kind: str, *levels: list[str]) -> bytes:
    time = "2026-01-02T03:04:05.000000Z"
    levels_by_name = {"bids": levels, "asks": []} if kind == "snapshot" else {"changes": levels}
    return frame(json.dumps({"type": kind, "product_id": product, **levels_by_name, "time": time}))


def beat(last: int, second: float) -> bytes:
    time = datetime.fromtimestamp(1_764_000_000 + second, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return frame(
        f'{{"type":"heartbeat","product_id":"A-B","sequence":{last * 10},"last_trade_id":{last},"time":"{time}"}}'
    )


def test_malformed_frame_raises_the_epoch_of_its_product_alone() -> None:
    other = frame('{"type":"ticker","product_id":"C-D","sequence":1,"price":"1"}')
    with WireServer(sending(tick(1) + other + frame(ODD) + tick(3) + other.replace(b":1,", b":2,"))) as server:
        feed = fast_feed(server.url)
        got, bad = Collected(feed), Collected(feed.malformed)
        with feed:
            got.wait_for(4)
    assert [(each.product_id, each.epoch) for each in got.items] == [("A-B", 0), ("C-D", 0), ("A-B", 1), ("C-D", 0)]
    (malformed,) = bad.items
    assert (malformed.product_id, malformed.type) == ("A-B", "ticker")
    assert malformed.raw == ODD.encode()
    assert malformed.received_ns > 0


@pytest.mark.parametrize("kind", ["subscriptions", "error", "status", "balance", "heartbeat"])
def test_malformed_frame_without_market_data_raises_no_epoch(kind: str) -> None:
    with WireServer(sending(tick(1), frame(f'{{"type":"{kind}","product_id":"A-B","time":5}}'), tick(2))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with feed:
            got.wait_for(2)
    assert [each.epoch for each in got.items] == [0, 0]
    assert feed.stats.malformed == 1


def test_malformed_frames_are_logged_once_for_each_type(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "rxfeed.feed")
    with WireServer(sending(frame(ODD) * 3 + frame("nonsense") * 2 + tick(5))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with feed:
            got.wait_for(1)
    lines = [record.getMessage() for record in caplog.records if "malformed frame" in record.getMessage()]
    assert [line.split(";")[0] for line in lines] == [
        "malformed frame: type 'ticker', product 'A-B'",
        "malformed frame: it names no type and no product that can be read",
    ]


def test_message_over_max_size_names_its_product() -> None:
    big = frame('{"type":"snapshot","product_id":"A-B","bids":[' + '["1","1"],' * 500 + "]}")
    with WireServer(sending(big + frame("x" * 3000) + tick(5))) as server:
        feed = fast_feed(server.url, max_size=2000)
        got, bad = Collected(feed), Collected(feed.malformed)
        with feed:
            got.wait_for(1)
    assert [(each.product_id, each.type) for each in bad.items] == [("A-B", "snapshot"), (None, None)]
    assert [each.raw for each in bad.items] == [b"", b""]


@pytest.mark.parametrize("size", ["-1", "NaN", "sNaN", "1e99"])
def test_book_with_an_impossible_level_is_renewed(size: str) -> None:
    """The other product's book is kept, and is not requested again."""
    requests: list[dict[str, Any]] = []

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(level2("A-B", "snapshot", ["9", "1"]) + level2("C-D", "snapshot", ["9", "1"]))
        wire.send(level2("A-B", "l2update", ["buy", "9", size]))
        wire.send(level2("A-B", "l2update", ["buy", "8", "1"]) + level2("C-D", "l2update", ["buy", "8", "1"]))
        while len(requests) < 2:
            requests.append(json.loads(wire.recv_frame()[1]))
        wire.send(level2("A-B", "snapshot", ["7", "2"]) + level2("C-D", "l2update", ["buy", "7", "1"]))
        wire.until_closed()

    with WireServer(play) as server:
        feed = Feed(["A-B", "C-D"], ["level2_batch"], url=server.url, ping_interval=None)
        books = {product: Collected(feed.pipe(order_book(product))) for product in ("A-B", "C-D")}
        with feed:
            books["A-B"].wait_for(lambda items: len(items) > 1 and items[-1].ready)
            books["C-D"].wait_for(3)
    assert [view.ready for view in books["A-B"].items] == [True, False, True]
    assert books["A-B"].items[-1].best_bid == (7, 2)
    assert [view.ready for view in books["C-D"].items] == [True, True, True]
    assert [(each["type"], each["channels"]) for each in requests] == [
        (kind, [{"name": "level2_batch", "product_ids": ["A-B"]}]) for kind in ("unsubscribe", "subscribe")
    ]


def test_snapshot_that_stays_malformed_is_requested_with_back_off(monkeypatch: pytest.MonkeyPatch) -> None:
    requested, enough = list[float](), threading.Event()
    step = Renewals.step

    def noted(renewals: Renewals, now: float) -> list[str | None]:
        due = step(renewals, now)
        requested.extend(now for _ in due)
        return due

    monkeypatch.setattr(Renewals, "step", noted)

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for _ in range(5):
            wire.send(level2("A-B", "snapshot", ["9", "-1"]))
            wire.recv_frame()  # unsubscribe
            wire.recv_frame()  # subscribe
        enough.set()
        wire.until_closed()

    with WireServer(play) as server:
        feed = fast_feed(server.url, "level2_batch", clock=Clock(speed=50))
        with feed:
            assert enough.wait(30)
    waits = [after - before for before, after in pairwise(requested)]
    assert all(wait >= least - 1e-6 for wait, least in zip(waits, (5, 10, 20, 40), strict=True)), waits


ODD_MATCH = trade(2, 2, price="1e99")
ODD_UPDATE = level2("A-B", "l2update", ["buy", "9", "-1"])


@pytest.mark.parametrize(
    ("odd", "complete", "renewed"),
    [
        (frame(ODD), [True, True], False),
        (ODD_MATCH, [False, True], False),
        (ODD_UPDATE, [True, True], True),
        (frame('{"type":"done","product_id":"A-B","sequence":"x"}'), [True, True], False),
        (frame('{"type":"rfq_match","product_id":"A-B","price":[]}'), [True, True], False),
        (frame('{"type":"auction","product_id":"A-B","sequence":[]}'), [True, True], True),
        (frame('{"type":[],"product_id":"A-B"}'), [True, True], True),
    ],
)
def test_malformed_frame_affects_messages_of_its_kind_alone(odd: bytes, complete: list[bool], renewed: bool) -> None:
    """If its type is not known, or others depend on it, the book is renewed. Trade ids prove the windows."""
    requests: list[Any] = []

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(level2("A-B", "snapshot", ["9", "1"]) + trade(0, -1, kind="last_match") + trade(1, 1))
        number = 2 + (odd is ODD_MATCH)
        wire.send(odd + level2("A-B", "l2update", ["buy", "8", "1"]) + trade(number, 4) + beat(number, 5))
        wire.send(beat(number, 61) + trade(number + 1, 62) + beat(number + 1, 121))
        while (received := wire.recv_frame())[0] != 8:
            requests.append(received)

    with WireServer(play) as server:
        feed = fast_feed(server.url, ["level2_batch", "matches", "heartbeat"])
        got, books = Collected(feed), Collected(feed.pipe(order_book("A-B")))
        windows, status = Collected(feed.pipe(window_volume(60))), Collected(feed.status)
        with feed:
            got.wait_for(9)
            feed.send("last")
            wait_until(lambda: any(payload == b"last" for _, payload in requests))
    assert [window.complete for window in windows.items[:2]] == complete
    assert [view.ready for view in books.items] == [True, not renewed]
    assert any(b"unsubscribe" in payload for _, payload in requests) is renewed
    assert not any(isinstance(each, Gap) for each in status.items)


def test_malformed_match_is_missing_where_no_trade_follows() -> None:
    """The heartbeat names it."""
    with WireServer(
        sending(trade(0, 0, kind="last_match") + trade(1, 1) + ODD_MATCH + beat(2, 3) + beat(2, 61) + beat(2, 62))
    ) as server:
        feed = fast_feed(server.url, ["matches", "heartbeat"])
        windows = Collected(feed.pipe(window_volume(60)))
        with feed:
            windows.wait_for(1)
    assert [(window.count, window.complete) for window in windows.items[:1]] == [(1, False)]


def test_malformed_ticker_affects_the_tickers_of_its_product_alone() -> None:
    """Its book and its trades go on, and nothing is requested anew."""
    requests: list[Any] = []

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(level2("A-B", "snapshot", ["9", "1"]) + tick(1) + trade(1, 1))
        wire.send(frame(ODD) + level2("A-B", "l2update", ["buy", "8", "1"]) + trade(2, 2) + tick(3) + trade(3, 3))
        while (received := wire.recv_frame())[0] != 8:
            requests.append(received)

    with WireServer(play) as server:
        feed = fast_feed(server.url, ["level2_batch", "ticker", "matches"])
        got, books = Collected(feed), Collected(feed.pipe(order_book("A-B")))
        crossings = Collected(feed.pipe(price_crossing("A-B", "1.8")))
        with feed:
            got.wait_for(7)
            feed.send("last")
            wait_until(lambda: bool(requests))
    assert [payload for _, payload in requests] == [b"last"]
    epochs = {kind: [each.epoch for each in got.items if each.type == kind] for kind in ("ticker", "match", "l2update")}
    assert epochs == {"ticker": [0, 1], "match": [0, 0, 0], "l2update": [0]}
    assert [view.ready for view in books.items] == [True, True]
    # The prices of tickers are below the level, those of trades above it.
    assert [each.spans_gap for each in crossings.items] == [False, True, False]
