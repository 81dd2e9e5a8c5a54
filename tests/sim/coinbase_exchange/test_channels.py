"""The channels of a market, without a socket: they must agree with each other and with the engine."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from rxfeed.core.matching import size_text
from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels
from rxfeed.sim.frames import Frame
from rxfeed.sim.market import Market

PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-EUR")
START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
Book = dict[str, dict[Decimal, Decimal]]


class Listener:
    """Keeps the messages that it receives, as JSON."""

    def __init__(self) -> None:
        self.wires: list[bytes] = []
        self.messages: list[Any] = []

    def offer(self, frame: Frame) -> None:
        self.wires.append(frame.wire)
        # The header is 2, 4 or 10 bytes long; its length byte can be any character.
        start = {126: 4, 127: 10}.get(frame.wire[1], 2)
        self.messages.append(json.loads(frame.wire[start:]))


class Stage:
    """A market of three products with its channels."""

    def __init__(self, seed: int = 1, rate: float = 100.0) -> None:
        self.market = Market(PRODUCTS, seed=seed, rate=rate, start=START)
        self.channels = ExchangeChannels(self.market)

    def listen(self, *channels: str, products: tuple[str, ...] = PRODUCTS) -> list[Any]:
        """The messages of *channels*, as they come."""
        listener = Listener()
        self.channels.join([(channel, name) for channel in channels for name in products], listener)
        return listener.messages

    def run(self, orders: int) -> None:
        while orders:
            orders -= self.market.turn()

    def book(self, product_id: str) -> Book:
        engine = self.market.engines[product_id]
        text = engine.product.price_text
        return {
            side: {Decimal(text(price)): Decimal(size_text(size)) for price, size in book}
            for side, book in engine.sides.items()
        }


@pytest.fixture
def stage() -> Stage:
    return Stage()


def decimals(levels: list[list[str]]) -> dict[Decimal, Decimal]:
    return {Decimal(price): Decimal(size) for price, size in levels}


class Level2:
    """Books that follow snapshots and l2updates.

    In batches a level may come and go unseen, so that *batches* delete prices that were never there.
    """

    def __init__(self, *, batches: bool = False) -> None:
        self.books: dict[str, Book] = {}
        self._batches = batches

    def apply(self, message: dict[str, Any]) -> None:
        product_id = message["product_id"]
        if message["type"] == "snapshot":
            self.books[product_id] = {"buy": decimals(message["bids"]), "sell": decimals(message["asks"])}
            return
        for side, price, size in message["changes"]:
            if Decimal(size):
                self.books[product_id][side][Decimal(price)] = Decimal(size)
            else:
                assert size == "0.00000000"
                gone = self.books[product_id][side].pop(Decimal(price), None)
                assert gone or self._batches


def test_snapshot_is_the_whole_book_from_the_best_price(stage: Stage) -> None:
    for message in stage.listen("level2"):
        assert message["type"] == "snapshot"
        assert message["time"] == "2026-01-02T03:04:05.500000Z"
        bids, asks = ([Decimal(price) for price, _ in message[side]] for side in ("bids", "asks"))
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]
        assert min(len(bids), len(asks)) >= 20


def test_level2_equals_the_engine_book_after_every_order(stage: Stage) -> None:
    messages = stage.listen("level2")
    level2 = Level2()
    for _ in range(1000):
        stage.run(1)
        while messages:
            level2.apply(messages.pop(0))
        assert level2.books == {name: stage.book(name) for name in PRODUCTS}


def test_level2_batch_equals_the_engine_book_every_50_ms(stage: Stage) -> None:
    messages = stage.listen("level2_batch")
    level2 = Level2(batches=True)
    orders = 0
    while orders < 1000:
        ordered = stage.market.turn()
        orders += ordered
        while messages:
            assert not ordered or messages[0]["type"] == "snapshot"
            level2.apply(messages.pop(0))
        if not ordered:
            assert level2.books == {name: stage.book(name) for name in PRODUCTS}


def test_level2_batch_puts_buys_first_and_takes_the_newest_time(stage: Stage) -> None:
    batches, singles = stage.listen("level2_batch"), stage.listen("level2")
    stage.run(1000)
    times = {(m["product_id"], m["time"]) for m in singles}
    updates = [message for message in batches if message["type"] == "l2update"]
    assert any(len(message["changes"]) > 1 for message in updates)
    for message in updates:
        sides = [side for side, _, _ in message["changes"]]
        assert sides == sorted(sides)
        assert len({(side, price) for side, price, _ in message["changes"]}) == len(sides)
        assert (message["product_id"], message["time"]) in times


def test_late_level2_client_has_the_same_book(stage: Stage) -> None:
    stage.run(500)
    messages = stage.listen("level2", "level2_batch", products=("BTC-USD",))
    stage.run(500)
    stage.market.turn()
    while stage.market.turn():
        pass
    level2 = Level2(batches=True)
    for message in messages:
        level2.apply(message)
    assert level2.books["BTC-USD"] == stage.book("BTC-USD")


def test_level3_follows_its_schema_and_equals_the_engine_book(stage: Stage) -> None:
    name = "BTC-USD"
    engine = stage.market.engines[name]
    orders = {o.order_id: [o.side, o.price, o.size] for o in engine.orders.values()}
    arrays, full = stage.listen("level3", products=(name,)), stage.listen("full", products=(name,))
    stage.run(3000)
    schema = arrays.pop(0)
    assert schema["type"] == "level3"
    fields = schema["schema"]
    seen = set()
    for array, event in zip(arrays, full, strict=True):
        seen.add(array[0])
        assert all(isinstance(value, str) for value in array)
        message = dict(zip(fields[array[0]], array, strict=True))
        for key in ("product_id", "time"):
            assert message[key] == event[key]
        assert int(message["sequence"]) == event["sequence"]
        match array[0]:
            case "open":
                assert message["size"] == event["remaining_size"]
                price, size = engine.product.price_of(message["price"]), engine.product.price_of(message["size"])
                orders[message["order_id"]] = [message["side"], price, size]
            case "match":
                orders[message["maker_order_id"]][2] -= engine.product.price_of(message["size"])
            case "change":
                price, size = engine.product.price_of(message["price"]), engine.product.price_of(message["size"])
                orders[message["order_id"]][1:] = [price, size]
            case "done":
                del orders[message["order_id"]]
            case _:
                assert event["type"] in ("received", "done")
    assert seen == set(fields)
    assert orders == {o.order_id: [o.side, o.price, o.size] for o in engine.orders.values()}


def test_level3_sends_its_schema_once_a_subscription(stage: Stage) -> None:
    assert [m["type"] for m in stage.listen("level3")] == ["level3"]


def test_full_is_contiguous_and_matches_are_its_matches(stage: Stage) -> None:
    full, matches = stage.listen("full"), stage.listen("matches")
    before = {name: (e.sequence, e.last_trade_id) for name, e in stage.market.engines.items()}
    stage.run(2000)
    for name in PRODUCTS:
        mine = [message for message in full if message["product_id"] == name]
        sequence, trade_id = before[name]
        assert [m["sequence"] for m in mine] == list(range(sequence + 1, sequence + 1 + len(mine)))
        trades = [m for m in mine if m["type"] == "match"]
        assert [m["trade_id"] for m in trades] == list(range(trade_id + 1, trade_id + 1 + len(trades)))
        last, *others = [m for m in matches if m["product_id"] == name]
        assert (last["type"], last["trade_id"]) == ("last_match", trade_id)
        assert others == trades
    assert {m["type"] for m in full} == {"received", "open", "match", "done", "change"}
    assert {m["reason"] for m in full if m["type"] == "change"} == {"STP", "modify_order"}
    assert {"funds" in m for m in full if m.get("order_type") == "market"} == {True, False}


def test_ticker_follows_each_match_with_the_takers_side(stage: Stage) -> None:
    messages = stage.listen("ticker", "matches", "level2", products=("ETH-USD",))
    stage.run(2000)
    tickers = [m for m in messages if m["type"] == "ticker"]
    matches = [m for m in messages if m["type"] in ("match", "last_match")]
    volume = None
    for ticker, match in zip(tickers, matches, strict=True):
        for key in ("sequence", "trade_id", "time", "price", "product_id"):
            assert ticker[key] == match[key]
        assert ticker["last_size"] == match["size"]
        assert {ticker["side"], match["side"]} == {"buy", "sell"}
        assert Decimal(ticker["low_24h"]) <= Decimal(ticker["price"]) <= Decimal(ticker["high_24h"])
        if volume is not None:
            assert Decimal(ticker["volume_24h"]) - volume == Decimal(match["size"])
        volume = Decimal(ticker["volume_24h"])


def test_ticker_best_prices_are_those_after_its_match(stage: Stage) -> None:
    messages = stage.listen("level2", "ticker", products=("BTC-USD",))
    stage.run(2000)
    level2 = Level2()
    # The ticker of a match comes just before its l2update.
    ticker: dict[str, Any] = {}
    for message in messages:
        if message["type"] == "ticker":
            ticker = message
            continue
        level2.apply(message)
        if ticker.get("time") == message["time"]:
            book = level2.books["BTC-USD"]
            bid, ask = max(book["buy"]), min(book["sell"])
            assert (Decimal(ticker["best_bid"]), Decimal(ticker["best_ask"])) == (bid, ask)
            assert Decimal(ticker["best_bid_size"]) == book["buy"][bid]
            assert Decimal(ticker["best_ask_size"]) == book["sell"][ask]
            ticker = {}


def test_ticker_batch_sends_a_new_last_ticker_every_5_seconds() -> None:
    stage = Stage(rate=3.0)
    batch, tickers = stage.listen("ticker_batch"), stage.listen("ticker")
    stage.run(300)
    assert batch
    last: dict[tuple[str, int], Any] = {}
    for ticker in tickers[len(PRODUCTS) :]:
        seconds = datetime.fromisoformat(ticker["time"]).timestamp()
        last[ticker["product_id"], int(seconds // 5)] = ticker
    # The last window may not be over.
    assert [t for t in batch if t not in last.values()] == []
    assert len(last) - len(PRODUCTS) <= len(batch) <= len(last)


def test_heartbeat_is_sent_each_second_with_the_last_numbers(stage: Stage) -> None:
    messages = stage.listen("full", "heartbeat", "matches")
    last = {name: (e.sequence, e.last_trade_id) for name, e in stage.market.engines.items()}
    stage.run(400)
    times = []
    for message in messages[len(PRODUCTS) :]:
        name = message["product_id"]
        if message["type"] == "heartbeat":
            times.append(message["time"])
            assert (message["sequence"], message["last_trade_id"]) == last[name]
        else:
            last[name] = (message["sequence"], message.get("trade_id", last[name][1]))
    assert times[:6] == ["2026-01-02T03:04:06.000000Z"] * 3 + ["2026-01-02T03:04:07.000000Z"] * 3


def test_status_is_sent_at_once_and_every_5_seconds(stage: Stage) -> None:
    messages = stage.listen("status", products=("",))
    stage.run(1500)
    seconds = (stage.market.time - START).total_seconds()
    assert len(messages) == 1 + int((seconds + 0.5) // 5)
    assert [p["id"] for p in messages[0]["products"]] == list(PRODUCTS)
    assert [c["id"] for c in messages[0]["currencies"]] == ["BTC", "USD", "ETH", "SOL", "EUR"]
    assert messages[0]["products"][0]["quote_increment"] == "0.01"


def test_unsubscribed_client_receives_nothing(stage: Stage) -> None:
    listener = Listener()
    stage.channels.join([("full", "BTC-USD")], listener)
    stage.channels.leave([("full", "BTC-USD")], listener)
    stage.run(100)
    assert listener.messages == []


def test_equal_seeds_give_equal_bytes() -> None:
    def wires(seed: int) -> list[bytes]:
        stage, listener = Stage(seed), Listener()
        channels = ("full", "level3", "ticker", "level2_batch", "heartbeat")
        stage.channels.join([(channel, name) for channel in channels for name in PRODUCTS], listener)
        stage.run(500)
        return listener.wires

    assert wires(1) == wires(1) != wires(2)


def test_market_stays_plausible() -> None:
    stage = Stage(seed=9)
    for _ in range(20):
        stage.run(500)
        for name, low, high in (("BTC-USD", 50_000, 70_000), ("ETH-USD", 2_000, 3_000), ("SOL-EUR", 80, 120)):
            book = stage.book(name)
            assert low < max(book["buy"]) < min(book["sell"]) < high
            assert all(10 <= len(levels) <= 300 for levels in book.values())
    seconds = (stage.market.time - START).total_seconds()
    assert seconds == pytest.approx(100, rel=0.1)
