"""Products that the venue delivers under another id, which its list of products names as their alias."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, Replay, record, trades
from rxfeed.feed import Connected, ProductRenamed, Reconnecting, Subscribed
from rxfeed.market import BookSnapshot, PriorTrade, Trade
from rxfeed.recording import Recording, catalogue
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.recordings import segments
from tests.support.scenes import wait_until
from tests.venues.coinbase_advanced.wire import Venue, ack, after, trade
from tests.venues.coinbase_advanced.wire import trades as trades_frame

USDC, BTC, ETH, EURC = "BTC-USDC", "BTC-USD", "ETH-USD", "EURC-USDC"
CHANNELS = ["market_trades", "level2", "heartbeats"]


def exchange_of(*products: str, **given: Any) -> Exchange:
    return Exchange(products, venue="coinbase_advanced", seed=4, auto=False, **given)


def feed_of(exchange: Exchange, products: str | list[str], channels: Any = CHANNELS, **given: Any) -> Feed:
    return Feed(products, channels, venue="coinbase_advanced", url=exchange.url, **given)


def products_in(items: list[Any]) -> set[str]:
    return {each.product_id for each in items if each.product_id is not None}


def play(exchange: Exchange, feed: Feed, count: int = 200) -> Collected[Any]:
    """Everything that *feed* delivers until *count* orders were played."""
    got = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(count)
        got.wait_for(lambda items: feed.stats.frames >= exchange.sent.frames)
    return got


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


def test_alias_is_delivered_by_the_id_subscribed_to(caplog: pytest.LogCaptureFixture) -> None:
    """From the first message on: the snapshots come before the acknowledgements. The list is requested once."""
    with exchange_of(USDC, ETH) as exchange:
        feed = feed_of(exchange, [USDC, ETH])
        status = Collected(feed.status)
        got = Collected(feed)
        with feed:
            status.wait_for(lambda items: any(each.missing == () for each in items if isinstance(each, Subscribed)))
            exchange.step(200)
            got.wait_for(lambda items: feed.stats.frames >= exchange.sent.frames)
        assert exchange.rest_requests == 1
    assert products_in(got.items) == {USDC, ETH}
    for kind in (Trade, PriorTrade, BookSnapshot):
        assert products_in([each for each in got.items if isinstance(each, kind)]) == {USDC, ETH}
    (renamed,) = (each for each in status.items if isinstance(each, ProductRenamed))
    assert (renamed.product_id, renamed.delivered) == (USDC, BTC)
    assert feed.about.get("renamed") == {BTC: USDC}
    assert (feed.stats.unsubscribed, feed.stats.gaps, warnings_in(caplog)) == (0, 0, [])


@pytest.mark.parametrize("products", [[BTC, ETH], [EURC]])
def test_no_list_is_requested_for_products_with_a_book_of_their_own(products: list[str]) -> None:
    """The id alone decides nothing: EURC-USDC is not delivered as EURC-USD."""
    with exchange_of(*products) as exchange:
        got = play(exchange, feed_of(exchange, products))
        assert exchange.rest_requests == 0
    assert products_in(got.items) == set(products)


def test_no_list_is_requested_on_a_venue_without_aliases() -> None:
    with Exchange([BTC], seed=4, auto=False) as exchange:
        feed = Feed(["A-B", BTC], ["matches", "heartbeat"], url=exchange.url)
        play(exchange, feed)
        assert exchange.rest_requests == 0


@pytest.mark.parametrize(("given", "shown"), [({USDC: BTC}, USDC), ({}, BTC)])
def test_given_aliases_take_the_place_of_the_list(given: dict[str, str], shown: str) -> None:
    with exchange_of(USDC) as exchange:
        got = play(exchange, feed_of(exchange, USDC, aliases=given))
        assert exchange.rest_requests == 0
    assert products_in(got.items) == {shown}


@pytest.mark.parametrize("given", [{}, {"aliases": {USDC: BTC}}])
@pytest.mark.parametrize("merge", [False, True])
def test_alias_that_is_added_later_is_replayed_equal(given: dict[str, Any], merge: bool, tmp_path: Path) -> None:
    """The header of the segment was written before; the change has a line of its own."""
    with exchange_of(USDC, ETH) as exchange:
        feed = feed_of(exchange, ETH, **given)
        feed.pipe(record(tmp_path)).subscribe()
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            exchange.step(100)
            feed.add(USDC, CHANNELS)
            got.wait_for(lambda items: USDC in products_in([i for i in items if isinstance(i, BookSnapshot)]))
            exchange.step(100)
            got.wait_for(lambda items: feed.stats.frames >= exchange.sent.frames)
    (path,) = segments(tmp_path)
    recording = Recording(path)
    assert recording.header is not None
    assert "renamed" not in recording.header.about
    replay = Replay(tmp_path, merge=merge)
    again, changes = Collected(replay), Collected(replay.status)
    replay.run()
    assert [(str(each), each.epoch) for each in again.items] == [(str(each), each.epoch) for each in got.items]
    renamed = [each for each in status.items if isinstance(each, ProductRenamed)]
    assert [each for each in changes.items if isinstance(each, ProductRenamed)] == renamed
    assert set(catalogue(tmp_path).total.products) == {USDC, ETH}
    late = Replay(tmp_path, since=got.items[-20].received, products=[USDC])
    last = Collected(late)
    late.run()
    assert products_in(last.items) == {USDC}


def test_each_segment_begins_with_the_ids_of_its_place(tmp_path: Path) -> None:
    """The first segment begins with none, and the next one with those of its header."""
    with exchange_of(USDC) as exchange:
        feed = feed_of(exchange, USDC)
        feed.pipe(record(tmp_path, segment_bytes=2_000, flush_seconds=0.01)).subscribe()
        got = Collected(feed)
        with feed:
            exchange.wait_for_clients()
            for _ in range(8):
                exchange.step(50)
                got.wait_for(lambda items: feed.stats.frames >= exchange.sent.frames)
    first, second, *_ = segments(tmp_path)
    headers = [Recording(each).header for each in (first, second)]
    assert [None if each is None else each.about.get("renamed") for each in headers] == [None, {BTC: USDC}]
    replay = Replay(second)
    again, status = Collected(replay), Collected(replay.status)
    replay.run()
    assert products_in(again.items) == {USDC}
    assert [each.delivered for each in status.items if isinstance(each, ProductRenamed)] == [BTC]
    again = Collected(replay := Replay(tmp_path))
    replay.run()
    assert again.items == got.items


def test_id_stands_for_itself_once_it_is_subscribed_to(tmp_path: Path) -> None:
    with exchange_of(USDC, ETH) as exchange:
        feed = feed_of(exchange, USDC, "market_trades")
        feed.pipe(record(tmp_path)).subscribe()
        got = Collected(feed.pipe(trades()))
        with feed:
            exchange.wait_for_clients()
            exchange.step(100)
            got.wait_for(1)
            feed.add(BTC, "market_trades")
            exchange.step(100)
            got.wait_for(lambda items: BTC in products_in(items))
    assert "renamed" not in feed.about
    again = Collected((replay := Replay(tmp_path)).pipe(trades()))
    replay.run()
    assert [each.product_id for each in again.items] == [each.product_id for each in got.items]


def test_alias_beside_its_product_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with exchange_of(USDC, BTC) as exchange:
        got = play(exchange, feed_of(exchange, [USDC, BTC]))
        assert exchange.rest_requests == 1
    assert products_in(got.items) == {BTC}
    assert warnings_in(caplog) == [
        "products: BTC-USDC is delivered as BTC-USD, which is subscribed to, too: its messages are those of BTC-USD"
    ]


@pytest.mark.parametrize("products", [[BTC, "FOO-USD"], ["FOO-USD"]])
def test_product_that_the_venue_does_not_have_is_logged_once(
    products: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    with exchange_of(BTC) as exchange:
        feed = feed_of(exchange, products, "trades")
        feed.subscribe(lambda message: None)
        with feed:
            wait_until(lambda: bool(warnings_in(caplog)))
    assert warnings_in(caplog) == [
        "products: the venue has no product FOO-USD: check its id, for example with `rxfeed products`"
    ]


@pytest.mark.parametrize(
    "fault",
    [
        faults.RestStatus(code=404, count=None),
        faults.RestStatus(code=429, retry_after=60, count=None),
        faults.RestGarbage(count=None),
    ],
)
def test_failed_list_is_logged_once_and_the_feed_continues(
    fault: faults.Fault, caplog: pytest.LogCaptureFixture
) -> None:
    with exchange_of(USDC, faults=[fault]) as exchange:
        feed = feed_of(exchange, USDC)
        got = play(exchange, feed)
        assert feed.stats.connections == 1
    assert products_in(got.items) == {BTC}
    (warning, *outside) = warnings_in(caplog)
    assert warning.startswith("products: the venue delivers some products under another id. Messages of such products")
    assert warning.endswith("Check rest_url and the network, or give aliases. The next connection tries again")
    assert all("outside the subscription" in each for each in outside)


def test_next_connection_requests_a_failed_list_again(caplog: pytest.LogCaptureFixture) -> None:
    given = [faults.RestStatus(code=404), faults.Close(after=4, connection=1)]
    with exchange_of(USDC, faults=given) as exchange:
        feed = feed_of(exchange, USDC)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            exchange.step(100)
            status.wait_for(lambda items: sum(isinstance(each, Connected) for each in items) == 2)
            exchange.wait_for_clients()
            exchange.step(100)
            got.wait_for(lambda items: USDC in products_in(items))
        assert exchange.rest_requests == 2
    assert any(isinstance(each, Reconnecting) for each in status.items)
    assert sum("list of products" in each for each in warnings_in(caplog)) == 1


def test_close_does_not_wait_for_the_list() -> None:
    with exchange_of(USDC, faults=[faults.RestLatency(30, count=None)]) as exchange:
        feed = feed_of(exchange, USDC)
        feed.subscribe(lambda message: None)
        feed.connect()
        exchange.wait_for_clients()
        deadline = time.monotonic() + 10
        while not exchange.rest_requests and time.monotonic() < deadline:
            time.sleep(0.005)
        began = time.monotonic()
        feed.close()
        assert time.monotonic() - began < 1


def test_list_is_bounded_where_no_server_answers(caplog: pytest.LogCaptureFixture) -> None:
    """The server of the feed is none of HTTP."""
    frames = [trades_frame(0, trade(1, 1), kind="snapshot"), ack(1, market_trades=[BTC]), trades_frame(2, trade(2, 2))]
    with Venue(after(1, frames)) as venue:
        feed = Feed(USDC, "trades", venue="coinbase_advanced", url=venue.url, reconnect=False)
        got = Collected(feed.pipe(trades()))
        with pytest.raises(Exception, match="1000"):
            feed.run()
    assert [each.product_id for each in got.items] == [BTC]
    assert sum("list of products" in each for each in warnings_in(caplog)) == 1
