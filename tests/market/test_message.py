"""What holds for every message."""

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rxfeed import testing
from rxfeed.market import Malformed, Message, Origin, stamp
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange.messages import Match, Snapshot
from tests.support.make import match

RAW = (
    b'{"type":"match","trade_id":10,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"0.00000001",'
    b'"price":"80691.530","product_id":"BTC-USD","sequence":134905860111,"time":"2026-08-25T03:35:57.198335Z","new":[1]}'
)


def decoded() -> Match:
    message = ExchangeDecoder().decode(RAW)
    assert isinstance(message, Match)
    return stamp(message, Origin(RAW, 1_787_628_957_198_335_999, 7))


def test_message_has_its_frame_receipt_time_and_epoch() -> None:
    message = decoded()
    assert message.raw == RAW
    assert message.received_ns == 1_787_628_957_198_335_999
    assert message.received == datetime(2026, 8, 25, 3, 35, 57, 198335, tzinfo=UTC)
    assert message.epoch == 7
    assert message.type == "match"


def test_content_keeps_unknown_fields_and_texts_as_sent() -> None:
    content = decoded().content
    assert content["new"] == [1]
    assert content["price"] == "80691.530"


def test_content_is_a_new_dict_for_each_caller() -> None:
    message = decoded()
    message.content["price"] = "1"
    assert message.content["price"] == "80691.530"


@pytest.mark.parametrize("name", ["price", "product_id", "_origin", "anything"])
def test_message_cannot_be_changed(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(decoded(), name, None)


def test_book_levels_cannot_be_changed() -> None:
    message = ExchangeDecoder().decode(b'{"type":"snapshot","product_id":"A-B","bids":[["1","2"]],"asks":[]}')
    assert isinstance(message, Snapshot)
    assert message.bids == ((Decimal(1), Decimal(2)),)
    assert hash(message.bids)


def test_repr_shows_the_fields_and_not_the_frame() -> None:
    shown = repr(decoded())
    assert "price=Decimal('80691.530')" in shown
    assert "_origin" not in shown
    assert "raw" not in shown


def test_message_survives_pickling_and_copying() -> None:
    message = decoded()
    for twin in (pickle.loads(pickle.dumps(message)), copy.deepcopy(message)):
        assert twin == message
        assert twin.raw == RAW
        assert twin.epoch == 7


def test_constructed_message_has_a_frame_that_decodes_to_it() -> None:
    made = Match(
        product_id="A-B",
        trade_id=1,
        sequence=2,
        side="buy",
        price=Decimal("0.10"),
        size=Decimal(3),
        time=datetime(2026, 1, 1, tzinfo=UTC),
        maker_order_id="m",
        taker_order_id="t",
    )
    assert ExchangeDecoder().decode(made.raw) == made
    assert made.received_ns == 0


def test_taker_side_is_the_opposite_of_the_maker() -> None:
    assert match(side="sell").taker_side == "buy"
    assert match(side="buy").taker_side == "sell"


# ---- texts


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (testing.trade("9.10", 2, trade_id=7, taker_side="buy"), "Match{} trade_id 7 taker_side buy price 9.10 size 2"),
        (
            testing.trade("9.10", 2, trade_id=7, taker_side="buy", venue="coinbase_advanced"),
            "MarketTrade{} trade_id 7 price 9.10 size 2 taker_side buy",
        ),
        (testing.ticker("0.00000001"), "ExchangeTicker{} price 0.00000001"),
        (testing.heartbeat(last_trade_id=5), "ExchangeHeartbeat{} last_trade_id 5"),
        (
            testing.book([(99, 1), (98, 2), (97, 1), (96, 1)], [(101, 1)]),
            "Snapshot{} bids [99 x 1, 98 x 2, 97 x 1, and 1 more] asks [101 x 1]",
        ),
        (testing.book_update(("buy", 99, 3)), "L2Update{} changes [buy 99 x 3]"),
        (testing.order_done("a-b"), "Done{} order_id a-b side buy reason canceled"),
    ],
)
def test_text_of_a_message_is_one_short_line(message: Message, text: str) -> None:
    assert str(message) == text.format(" BTC-USD 2026-01-02T12:00:00Z")
    assert f"{message}" == str(message)


def test_text_of_a_large_book_is_short_and_its_repr_is_exact() -> None:
    levels = [(price, 1) for price in range(5000, 1, -1)]
    message = testing.book(levels, [(6000, 1)])
    assert len(str(message)) < 120
    assert f"({Decimal(2)!r}, {Decimal(1)!r})" in repr(message)
    malformed = Malformed(b"x" * 3000, "not JSON", type="match")
    assert str(malformed) == "Malformed match 3,000 bytes: not JSON"
    assert repr(malformed).count("x") >= 3000
