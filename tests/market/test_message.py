"""What holds for every message."""

import copy
import pickle
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from rxfeed.market import Origin, stamp
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
