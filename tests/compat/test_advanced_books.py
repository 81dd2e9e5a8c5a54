"""The classic order book on Advanced Trade, and what a gap does to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from websocket import create_connection

import rxfeed.compat as cbpro
from rxfeed.sim import Exchange, faults
from tests.compat.advanced import (
    BTC,
    LONG,
    VENUE,
    built,
    market,
    move_until,
    of,
    subscribed,
    wait_until,
    whole,
)
from tests.compat.recorder import Recorder, finish
from tests.compat.test_keyless import UPDATES, Book, exchange_states, state_of, warned
from tests.support.leaks import nothing_left_behind


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with market() as exchange:
        exchange.advance(0.05)
        yield exchange


@pytest.mark.timeout(180)
@pytest.mark.parametrize("count", [400, pytest.param(UPDATES, marks=LONG)])
def test_book_client_follows_advanced_trade(exchange: Exchange, count: int) -> None:
    book = Book(url=exchange.url, venue=VENUE)
    with nothing_left_behind(), warned() as caught:
        book.start()
        wait_until(lambda: "subscriptions" in book.types)
        expected = exchange_states(exchange, count, "l2_data/update")
        book.wait_for(count)
        book.close()
    assert book.states == expected
    assert book.error is None
    assert book.ready
    assert book.get_current_ticker() is not None
    best = book.get_bid()
    assert book.get_bids(best) == [
        {"id": f"aggregated-buy-{best}", "side": "buy", "price": best, "size": exchange.book(BTC)["bids"][0][1]}
    ]
    (warning,) = caught
    assert "Advanced Trade has no single orders" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("channels", [["full"], ["level2", "matches"]])
@pytest.mark.filterwarnings("ignore:full. Advanced Trade has no single orders")
def test_plain_book_follows_advanced_trade(exchange: Exchange, channels: Any) -> None:
    book = cbpro.OrderBook(BTC, client=cbpro.PublicClient(exchange.rest_url, venue=VENUE))
    states: list[Any] = []
    acknowledged, done = threading.Event(), threading.Event()

    class Client(cbpro.WebsocketClient):
        def on_message(self, msg: Any) -> None:
            book.process_message(msg)
            if msg.get("product_id"):
                assert book.get_bid() < book.get_ask()  # from the first message of the product on
            if msg["type"] == "subscriptions":
                acknowledged.set()
            if msg["type"] == "l2update":
                states.append(state_of(book))
                if len(states) == 200:
                    done.set()

    client = Client(url=exchange.url, channels=channels, venue=VENUE)
    with nothing_left_behind():
        client.start()
        assert acknowledged.wait(15)
        expected = exchange_states(exchange, 200, "l2_data/update")
        assert done.wait(30)
        client.close()
    assert states == expected
    assert client.error is None


def test_plain_book_of_other_messages_is_loaded_by_price(exchange: Exchange) -> None:
    book = cbpro.OrderBook(BTC, client=cbpro.PublicClient(exchange.rest_url, venue=VENUE))
    book.process_message({"type": "ticker", "product_id": BTC, "sequence": 1})
    levels = exchange.book(BTC)
    assert (book.get_bid(), book.get_ask()) == (levels["bids"][0][0], levels["asks"][0][0])
    assert book._sequence == exchange.last_trade_id(BTC)


def test_socket_that_the_script_makes_itself_is_warned_of_once(exchange: Exchange) -> None:
    """On it are the venue's own frames, which have no classic form."""

    class Client(Recorder):
        def _connect(self) -> None:
            self.ws = create_connection(self.url)  # pyright: ignore[reportAttributeAccessIssue]
            self.ws.send('{"type":"subscribe","product_ids":["BTC-USD"],"channel":"ticker"}')

    client = Client(url=exchange.url, venue=VENUE)
    with nothing_left_behind(), warned() as caught:
        client.start()
        client.wait_for(1)
        client.ws.close()
        finish(client)
    texts = [str(each.message) for each in caught if "_connect is overridden" in str(each.message)]
    assert len(texts) == 1
    assert "use the venue coinbase_exchange" in texts[0]


# ---- faults


@pytest.mark.filterwarnings("ignore:full. Advanced Trade has no single orders")
@pytest.mark.parametrize(
    "fault",
    [faults.Drop(types={"l2_data"}), faults.Drop(types={"market_trades"}), faults.SkipSequence(3)],
    ids=lambda fault: f"{fault!r}"[:40],
)
def test_book_is_not_ready_from_a_gap_to_the_next_snapshot(exchange: Exchange, fault: faults.Fault) -> None:
    book = Book(url=exchange.url, venue=VENUE)
    book.start()
    wait_until(lambda: "subscriptions" in book.types)
    move_until(exchange, lambda: whole(book, exchange))
    before = book.types.count("snapshot")
    exchange.inject(fault)
    move_until(exchange, lambda: not book.ready)
    move_until(exchange, lambda: book.types.count("snapshot") > before)
    move_until(exchange, lambda: whole(book, exchange))
    book.close()
    assert book.error is None


def test_updates_of_a_book_that_is_not_known_are_dropped(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["level2"], venue=VENUE)
    client.start()
    subscribed(client)
    exchange.advance(1)
    exchange.inject(faults.Drop(types={"l2_data"}))
    move_until(exchange, lambda: len(of(client, "snapshot")) == 2)
    move_until(exchange, lambda: built(of(client, "snapshot", "l2update")) == exchange.book(BTC))
    client.close()
    assert len(of(client, "l2update")) < exchange.sent.by_kind["l2_data/update"]
    assert "there is no l2update until the snapshot" in caplog.text
