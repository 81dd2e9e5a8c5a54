"""Without keys: channels that need them have a substitute, or are refused with one line."""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed.compat.channels import requested
from rxfeed.sim import Exchange
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE
from tests.compat.recorder import Recorder
from tests.support.amounts import amount
from tests.support.leaks import nothing_left_behind

BEFORE_NOON = datetime(2026, 1, 2, 11, 59, 59, 999_999, tzinfo=UTC)
UPDATES = amount(2_000, thorough=10_000)
SessionState = tuple[Decimal, Decimal, Decimal, Decimal]


@contextmanager
def warned() -> Iterator[list[warnings.WarningMessage]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(["BTC-USD"], seed=5, auto=False, rate=60, start=BEFORE_NOON) as exchange:
        exchange.advance(0.05)
        yield exchange


@pytest.mark.parametrize("channels", [["level2"], "level2", [{"name": "level2", "product_ids": ["BTC-USD"]}]])
def test_level2_is_level2_batch_with_one_warning(exchange: Exchange, channels: Any) -> None:
    client = Recorder(url=exchange.url, channels=channels)
    with warned() as caught:
        for session in (1, 2):
            client.start()
            exchange.wait_for_clients()
            client.wait_for(2 * session)
            client.close()
    assert {m["type"] for m in client.of("message")} == {"subscriptions", "snapshot"}
    assert client.channels == channels
    (warning,) = caught
    assert "write channels=['level2_batch']" in str(warning.message)
    assert warning.filename == __file__


def test_level2_with_keys_stays_as_it_is(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, channels=["level2"], auth=True, api_key="key", api_secret="c2VjcmV0")
    client.start()
    client.wait_for(1)
    client.close()
    assert exchange.requests[0]["channels"] == ["level2"]


class Book(cbpro.OrderBook):
    """Keeps the best prices and the sums of the sizes, after each update."""

    def __init__(self, **settings: Any) -> None:
        unused: Any = object()
        super().__init__("BTC-USD", client=unused, **settings)
        self.states: list[SessionState] = []
        self.types: list[str] = []
        self.changed = threading.Condition()

    def on_message(self, message: Any) -> None:
        super().on_message(message)
        self.types.append(message["type"])
        assert self.get_bid() < self.get_ask()  # as cbpro's console reads it, at each message
        if message["type"] == "l2update":
            self.states.append(state_of(self))
            with self.changed:
                self.changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.states) >= count, 30), (len(self.states), self.error)


def state_of(book: Any) -> SessionState:
    now = book.get_current_book()
    bids, asks = (sum((row[1] for row in now[side]), Decimal(0)) for side in ("bids", "asks"))
    return book.get_bid(), book.get_ask(), bids, asks


def exchange_states(exchange: Exchange, count: int, kind: str = "l2update") -> list[SessionState]:
    """The states of the exchange's own book at *count* updates, frames of *kind*, which it sends meanwhile.

    Its time stands a microsecond before an update, so that the book is read as the next update will have it.
    """
    states: list[SessionState] = []
    while len(states) < count:
        levels = exchange.book("BTC-USD")
        bids, asks = levels["bids"], levels["asks"]
        exchange.advance(0.05)
        assert exchange.connections
        if exchange.sent.by_kind.get(kind, 0) > len(states):
            sums = [sum((size for _, size in side), Decimal(0)) for side in (bids, asks)]
            states.append((bids[0][0], asks[0][0], sums[0], sums[1]))
    return states


@pytest.mark.timeout(180)
def test_book_client_without_keys_follows_the_exchange(exchange: Exchange) -> None:
    book = Book(url=exchange.url)
    with nothing_left_behind(), warned() as caught:
        book.start()
        exchange.wait_for_clients()
        expected = exchange_states(exchange, UPDATES)
        book.wait_for(UPDATES)
        book.close()
    assert book.states == expected
    assert book.error is None
    assert book.ready
    # The book could be read from the first message on, and that was not the snapshot.
    assert book.types[0] == "subscriptions"
    assert book.get_current_ticker() is not None
    orders = book.get_bids(book.get_bid())
    assert orders is not None
    assert [order["id"] for order in orders] == [f"aggregated-buy-{book.get_bid()}"]
    assert orders[0]["side"] == "buy"
    (warning,) = caught
    assert "OrderBook stands on level2_batch" in str(warning.message)
    assert warning.filename == __file__


@pytest.mark.parametrize("channels", [["full"], None])
def test_plain_book_without_keys_follows_the_exchange(exchange: Exchange, channels: Any) -> None:
    book = cbpro.OrderBook("BTC-USD", client=cbpro.PublicClient(exchange.rest_url))
    states: list[SessionState] = []
    done = threading.Event()

    class Client(cbpro.WebsocketClient):
        def on_message(self, msg: Any) -> None:
            book.process_message(msg)
            if msg.get("product_id"):
                assert book.get_bid() < book.get_ask()  # from the first message of the product on
            if msg["type"] == "l2update":
                states.append(state_of(book))
                if len(states) == 500:
                    done.set()

    client = Client(url=exchange.url, channels=channels)
    with nothing_left_behind(), warned() as caught:
        client.start()
        exchange.wait_for_clients()
        expected = exchange_states(exchange, 500)
        assert done.wait(30)
        client.close()
    assert states == expected
    assert client.error is None
    assert sum("OrderBook stands on level2_batch" in str(each.message) for each in caught) == 1


def test_book_that_is_gone_or_a_client_decides_nothing() -> None:
    def full_is_replaced() -> bool:
        return requested(None, ["full"], ["BTC-USD"], False).channels != ["full"]

    gc.collect()
    assert not full_is_replaced()
    book = cbpro.OrderBook("BTC-USD")
    book.circle = book  # pyright: ignore[reportAttributeAccessIssue]
    assert full_is_replaced()
    book.thread = threading.current_thread()  # it has a connection of its own
    assert not full_is_replaced()
    book.thread = None
    assert full_is_replaced()
    del book
    assert not full_is_replaced()


def test_reset_book_of_levels_has_a_reason(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    book = Book(url=exchange.url)
    with warned():
        book.start()
        exchange.wait_for_clients()
        exchange_states(exchange, 2)
        book.wait_for(2)
        book.reset_book()
        book.close()
    assert "reset_book: there is nothing to reset" in caplog.text


def test_match_of_a_keyless_book_gets_every_trade(exchange: Exchange) -> None:
    matched: list[int] = []

    class Trades(Book):
        def match(self, order: Any) -> None:
            super().match(order)
            matched.append(order["trade_id"])

    book = Trades(url=exchange.url)
    with nothing_left_behind(), warned():
        book.start()
        exchange.wait_for_clients()
        expected = exchange_states(exchange, 200)
        book.wait_for(200)
        book.close()
    assert book.types.count("match") == len(matched) > 5
    assert book.states == expected


@pytest.mark.parametrize(
    ("venue", "signed", "reason"),
    [
        (COINBASE_EXCHANGE, False, "without received, open, done and change, which need keys of Coinbase Exchange"),
        (COINBASE_EXCHANGE, True, None),
        (COINBASE_ADVANCED, False, "without received, open, done and change, which Advanced Trade does not have"),
    ],
)
def test_warning_of_no_channels_names_what_does_not_come(venue: Any, signed: bool, reason: str | None) -> None:
    ((_, text),) = requested(None, None, ["BTC-USD"], signed, venue).notices
    assert (reason is None) == ("without" not in text)
    assert reason is None or reason in text
