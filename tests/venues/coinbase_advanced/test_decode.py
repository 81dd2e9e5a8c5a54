"""Frames of Advanced Trade as messages: types, times, numbers, and what cannot be read."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.market import BookSnapshot, BookUpdate, Malformed, Message, PriorTrade, Trade, Unknown
from rxfeed.venues import COINBASE_ADVANCED, message_id
from rxfeed.venues.coinbase_advanced import (
    CandleUpdate,
    ConnectionHeartbeat,
    Decoder,
    EmptyFrame,
    FuturesBalance,
    MarketTrade,
    OrderUpdate,
    Status,
    Ticker,
)
from tests.venues.coinbase_advanced.wire import BTC, ETH, ack, book, frame, heartbeat, real_frames, trade, trades

ENVELOPE = datetime(2026, 8, 9, 21, 5, 30, 0, UTC)


def decoded(text: str) -> Any:
    return Decoder().decode(text.encode())


def test_trades_are_oldest_first_with_the_side_of_the_maker() -> None:
    first, second = decoded(trades(7, trade(1, 1, side="SELL"), trade(2, 2, side="BUY", size="0.50")))
    assert (first.trade_id, first.side, first.maker_side, first.taker_side) == (1, "sell", "sell", "buy")
    assert (second.trade_id, second.maker_side, second.taker_side, second.size) == (2, "buy", "sell", Decimal("0.50"))
    assert first.time == datetime(2026, 8, 9, 21, 5, 1, tzinfo=UTC)
    assert {type(each) for each in (first, second)} == {MarketTrade}
    assert first.sequence_num == second.sequence_num == 7
    (prior,) = decoded(trades(0, trade(1, 1), kind="snapshot"))
    assert isinstance(prior, PriorTrade)
    assert not isinstance(prior, Trade)


def test_trades_in_any_order_are_emitted_by_id() -> None:
    events = {"type": "update", "trades": [trade(2, 3), trade(3, 2), trade(1, 1), trade(9, 1, product=ETH)]}
    found = decoded(frame(0, "market_trades", events))
    assert [(each.product_id, each.trade_id) for each in found] == [(BTC, 1), (BTC, 2), (BTC, 3), (ETH, 9)]


def test_book_frames_are_the_markets_messages() -> None:
    whole = decoded(book(3, ("bid", "10.0", "1"), ("offer", "11", "2"), ("bid", "9", "3"), kind="snapshot", second=1.5))
    assert isinstance(whole, BookSnapshot)
    assert (whole.bids, whole.asks) == (
        ((Decimal(10), Decimal(1)), (Decimal(9), Decimal(3))),
        ((Decimal(11), Decimal(2)),),
    )
    assert whole.time == datetime(2026, 8, 9, 21, 5, 1, 500000, UTC)
    update = decoded(book(4, ("offer", "11", "0"), ("bid", "9", "1")))
    assert isinstance(update, BookUpdate)
    assert update.changes == (("sell", Decimal(11), Decimal(0)), ("buy", Decimal(9), Decimal(1)))
    empty = decoded(frame(0, "l2_data", {"type": "snapshot", "product_id": BTC, "updates": None}))
    assert (empty.bids, empty.asks, empty.time) == ((), (), ENVELOPE)


def test_book_update_has_the_time_of_its_newest_change() -> None:
    change = {"side": "bid", "price_level": "1", "new_quantity": "1"}
    times = ("2026-08-09T21:05:01.2Z", "2026-08-09T21:05:01.199999999Z", "2026-08-09T21:05:00Z")
    event = {"type": "update", "product_id": BTC, "updates": [{**change, "event_time": each} for each in times]}
    assert decoded(frame(0, "l2_data", event)).time == datetime(2026, 8, 9, 21, 5, 1, 200000, UTC)
    old = {**event, "updates": [{**change, "event_time": "1970-01-01T00:00:00Z"}]}
    assert decoded(frame(0, "l2_data", old)).time == ENVELOPE


def test_tickers_have_the_envelopes_time() -> None:
    one = {"type": "ticker", "product_id": BTC, "price": "10", "volume_24_h": "5", "price_percent_chg_24_h": "-0.1"}
    two = {
        **one,
        "product_id": ETH,
        "best_bid": "9",
        "best_bid_quantity": "1",
        "best_ask": "11",
        "best_ask_quantity": "",
    }
    found = decoded(frame(5, "ticker", {"type": "update", "tickers": [one, two]}))
    assert [type(each) for each in found] == [Ticker, Ticker]
    assert (found[0].best_bid, found[0].volume_24h, found[0].percent_24h) == (None, Decimal(5), Decimal("-0.1"))
    assert (found[1].best_bid, found[1].best_bid_size, found[1].best_ask, found[1].best_ask_size) == (9, 1, 11, None)
    assert {each.time for each in found} == {ENVELOPE}
    batch = decoded(frame(5, "ticker_batch", {"type": "update", "tickers": [one]}))
    assert (type(batch), batch.time) == (Ticker, ENVELOPE)


def test_candles_status_and_heartbeats_are_typed() -> None:
    values = {"high": "3", "low": "1", "open": "2", "close": "2", "volume": "9", "product_id": BTC}
    candle = decoded(frame(1, "candles", {"type": "update", "candles": [{"start": "1786309500", **values}]}))
    assert isinstance(candle, CandleUpdate)
    assert (candle.start, candle.high, candle.volume) == (datetime(2026, 8, 9, 21, 5, tzinfo=UTC), 3, 9)
    product = {"product_type": "SPOT", "id": BTC, "base_increment": "0.00000001", "status": "online"}
    status = decoded(frame(2, "status", {"type": "snapshot", "products": [product]}))
    assert isinstance(status, Status)
    assert status.products[0].base_increment == Decimal("0.00000001")
    beat = decoded(heartbeat(3))
    assert isinstance(beat, ConnectionHeartbeat)
    assert (beat.heartbeat_counter, beat.time) == (7, datetime(2026, 8, 9, 21, 5, 48, 854840, UTC))
    text = {"current_time": "2026-08-09 21:05:48 +0200 CEST m=+1.5", "heartbeat_counter": "8"}
    other = decoded(frame(3, "heartbeats", text))
    assert (other.heartbeat_counter, other.time) == (8, datetime(2026, 8, 9, 19, 5, 48, tzinfo=UTC))


ORDER = {
    "order_id": "11111",
    "client_order_id": "",
    "status": "SOME_NEW_STATUS",
    "product_id": BTC,
    "order_side": "BUY",
    "order_type": "Limit",
    "limit_price": "50000",
    "stop_price": "",
    "avg_price": "0",
    "cumulative_quantity": "0.25",
    "leaves_quantity": "0.75",
    "completion_percentage": "25.00",
    "number_of_fills": "2",
    "post_only": "false",
    "creation_time": "2026-08-09T21:05:29.999999999Z",
    "end_time": "0001-01-01T00:00:00Z",
    "time_in_force": "GOOD_UNTIL_CANCELLED",
}


def test_orders_have_typed_fields_and_open_enumerations() -> None:
    order = decoded(frame(1, "user", {"type": "snapshot", "orders": [ORDER], "positions": {}}))
    assert isinstance(order, OrderUpdate)
    assert (order.status, order.side, order.order_side, order.done, order.snapshot) == (
        "SOME_NEW_STATUS",
        "buy",
        "BUY",
        False,
        True,
    )
    assert (order.cumulative_quantity, order.number_of_fills, order.post_only) == (Decimal("0.25"), 2, False)
    assert (order.client_order_id, order.stop_price, order.end_time) == (None, None, None)
    assert order.creation_time == datetime(2026, 8, 9, 21, 5, 29, 999999, UTC)
    many = decoded(frame(1, "user", {"type": "update", "orders": [{**ORDER, "stop_price": "1"}] * 2}))
    assert [(each.snapshot, each.client_order_id, each.stop_price) for each in many] == [(False, None, 1)] * 2
    nothing = decoded(frame(2, "user", {"type": "snapshot", "orders": [], "positions": {}}))
    assert (type(nothing), nothing.channel) == (EmptyFrame, "user")


def test_futures_balances_are_numbers() -> None:
    window = {"margin_window_type": "X", "initial_margin": "1.5"}
    summary = {"futures_buying_power": "100.00", "unrealized_pnl": "-2", "intraday_margin_window_measure": window}
    balance = decoded(frame(1, "futures_balance_summary", {"type": "snapshot", "fcm_balance_summary": summary}))
    assert isinstance(balance, FuturesBalance)
    assert (balance.futures_buying_power, balance.unrealized_pnl) == (100, -2)
    assert balance.intraday_margin_window_measure is not None
    assert balance.intraday_margin_window_measure.initial_margin == Decimal("1.5")


def test_acknowledgement_lists_channels_and_products() -> None:
    answer = decoded(ack(1, ticker_1000=[BTC], heartbeats=["heartbeats"], user=["a-user-id"]))
    assert [(each.name, each.product_ids, each.account_ids) for each in answer.channels] == [
        ("ticker_1000", (BTC,), None),
        ("heartbeats", None, None),
        ("user", None, ("a-user-id",)),
    ]


digits = st.integers(0, 9).flatmap(lambda count: st.text("0123456789", min_size=count, max_size=count))


@given(st.lists(digits, min_size=1, max_size=6), st.booleans())
def test_times_are_truncated_and_keep_their_order(fractions: list[str], leap: bool) -> None:
    """No digits after the point, or up to nine: no time is rounded, so that none moves into the next window."""
    second = "60" if leap else "59"
    texts = [f"2026-08-09T23:59:{second}{'.' if each else ''}{each}Z" for each in fractions]
    expected = [999999 if leap else int(each[:6].ljust(6, "0")) for each in fractions]
    some = [{**trade(number, 1), "time": text} for number, text in enumerate(texts)]
    found = decoded(frame(0, "market_trades", {"type": "update", "trades": some[::-1]}))
    found = found if isinstance(found, tuple) else (found,)
    assert [(each.time.second, each.time.microsecond) for each in found] == [(59, each) for each in expected]
    for text, micro in zip(texts, expected, strict=True):
        envelope = {"channel": "candles", "timestamp": text, "sequence_num": 1, "events": []}
        assert decoded(json.dumps(envelope)).time == datetime(2026, 8, 9, 23, 59, 59, micro, UTC)
        change = {"side": "bid", "price_level": "1", "new_quantity": "1", "event_time": text}
        event = {"type": "update", "product_id": BTC, "updates": [change]}
        assert decoded(frame(0, "l2_data", event)).time == datetime(2026, 8, 9, 23, 59, 59, micro, UTC)


def test_unknown_channel_is_unknown_with_its_number() -> None:
    found = decoded(frame(9, "margin_calls", {"type": "update", "anything": [1, 2]}))
    assert isinstance(found, Unknown)
    assert (found.type, found.sequence, found.product_id) == ("margin_calls", 9, None)


@pytest.mark.parametrize(
    ("text", "product", "channel"),
    [
        ("", None, None),
        ("[1]", None, None),
        ('{"channel":"l2_data","sequence_num":1,"events":[{"type":"update","product_id":"A-B"', "A-B", "l2_data"),
        (book(1, ("bid", "1", "-1")), BTC, "l2_data"),
        (book(1, ("bid", "NaN", "1")), BTC, "l2_data"),
        (book(1, ("bid", "1" * 41, "1")), BTC, "l2_data"),
        (book(1, ("middle", "1", "1")), BTC, "l2_data"),
        (trades(1, trade(1, 1, size="-1")), BTC, "market_trades"),
        (trades(1, trade(1, 1, side="BOTH")), BTC, "market_trades"),
        (trades(1, trade(1, 1), trade(1, 1, product=ETH, size="x")), None, "market_trades"),
        (frame(1, "ticker", {"tickers": [{"product_id": BTC, "price": "Infinity"}]}), BTC, "ticker"),
        (frame(1, "heartbeats", {"current_time": "noon", "heartbeat_counter": 1}), None, "heartbeats"),
        ('{"channel":"candles","timestamp":"2026-08-09T21:05:30","sequence_num":1,"events":[]}', None, "candles"),
        ('{"type":"market_trade","product_id":"A-B"}', "A-B", "market_trade"),
        ('{"sequence_num":1,"events":[]}', None, None),
    ],
)
def test_what_cannot_be_read_is_malformed(text: str, product: str | None, channel: str | None) -> None:
    found = decoded(text)
    assert isinstance(found, Malformed), found
    assert (found.product_id, found.type) == (product, channel)
    assert found.reason.startswith(("not JSON: ", "wrong shape: "))


@given(st.binary(max_size=60))
def test_decoder_never_raises(noise: bytes) -> None:
    text = trades(1, trade(1, 1)).encode()
    for raw in (noise, text[: len(noise)], text[:50] + noise + text[50:], b'{"channel":' + noise + b"}"):
        assert isinstance(Decoder().decode(raw), Message | tuple | Malformed)


def test_message_without_a_frame_is_decoded_again() -> None:
    """The encoding of a message from a database is a frame of a recording, too."""
    texts = [
        trades(7, trade(1, 1), trade(2, 2)),
        trades(0, trade(1, 1), kind="snapshot"),
        book(3, ("bid", "10", "1"), ("offer", "11", "2"), kind="snapshot"),
        book(4, ("offer", "11", "0")),
        heartbeat(5),
        ack(6, level2=[BTC]),
        frame(1, "user", {"type": "snapshot", "orders": [ORDER]}),
        frame(9, "status", {"type": "snapshot", "products": [{"id": BTC}]}),
        '{"type":"error","message":"authentication failure"}',
    ]
    for text in texts:
        found = decoded(text)
        for message in found if isinstance(found, tuple) else (found,):
            assert Decoder().decode(msgspec.json.encode(message)) == message


def test_ids_are_the_same_on_every_connection() -> None:
    def ids(text: str) -> list[str]:
        found = decoded(text)
        return [message_id(each) for each in (found if isinstance(found, tuple) else (found,))]

    assert ids(trades(7, trade(1, 1), trade(2, 2))) == [f"{BTC}/market_trade/1", f"{BTC}/market_trade/2"]
    assert ids(trades(7, trade(1, 1), kind="snapshot")) == [f"{BTC}/prior_trade/1"]
    assert ids(book(3, ("bid", "10", "1"))) == ids(book(8, ("bid", "10", "1"))) != ids(book(3, ("bid", "10", "2")))
    values = {"high": "3", "low": "1", "open": "2", "close": "2", "volume": "9", "product_id": BTC, "start": "300"}
    events = {"type": "update", "candles": [values]}
    assert ids(frame(1, "candles", events, second=1)) == ids(frame(2, "candles", events, second=2))


def test_products_are_renamed_as_the_catalogue_says() -> None:
    decoder = COINBASE_ADVANCED.decoder(renamed={BTC: "BTC-USDC"})
    first, second = decoder.decode(trades(1, trade(1, 1), trade(2, 2, product=ETH)).encode())  # type: ignore[misc]
    assert (first.product_id, second.product_id) == ("BTC-USDC", ETH)
    answer: Any = decoder.decode(ack(1, level2=[BTC, ETH], heartbeats=["heartbeats"]).encode())
    assert [each.product_ids for each in answer.channels] == [("BTC-USDC", ETH), None]


def test_real_frames_are_all_known() -> None:
    found = [decoded(text) for text in real_frames()]
    assert not [each for each in found if isinstance(each, Malformed | Unknown | EmptyFrame)]
