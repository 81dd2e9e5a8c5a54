"""ExchangeGaps: numbers of messages that are unknown or cannot be decoded are not missing."""

from __future__ import annotations

from typing import Any

import pytest

from rxfeed import Unknown
from rxfeed.market import Malformed
from rxfeed.venues.coinbase_exchange import (
    ExchangeDecoder,
    ExchangeHeartbeat,
)
from rxfeed.venues.coinbase_exchange.messages import ExchangeAuction
from tests.support.make import at
from tests.venues.coinbase_exchange.gap_steps import BTC, noop, order, run, trade, watching

# ---- unknown types


def unknown(sequence: int | None, level3: bool = False) -> Unknown:
    return Unknown(type="new", product_id=BTC, sequence=sequence, level3=level3)


@pytest.mark.parametrize(("channel", "make"), [("full", order), ("level3", noop)])
def test_number_of_an_unknown_type_is_no_gap(channel: str, make: Any) -> None:
    level3 = channel == "level3"
    sent = [make(5), unknown(6, level3), make(7), make(8), unknown(10, level3), make(12), unknown(None, level3)]
    continuity = watching(channel)
    assert run(continuity, sent) == (sent, [(channel, 9, 9), (channel, 11, 11)])
    assert continuity.epoch(BTC) == 1


def test_unknown_type_that_repeats_a_number_drops_nothing() -> None:
    """As a ticker repeats the sequence of its match."""
    sent = [order(5), unknown(6), order(6), unknown(6), unknown(1), unknown(10**15), order(7)]
    continuity = watching("full")
    assert run(continuity, sent) == (sent, [])
    assert continuity.epoch(BTC) == 0


def auction(sequence: int) -> ExchangeAuction:
    return ExchangeAuction(product_id=BTC, sequence=sequence, auction_state="collection", time=at(5))


def test_number_of_an_auction_is_no_gap() -> None:
    sent = [order(5), auction(6), order(7), auction(7), auction(10**15), order(8), auction(10), order(11)]
    continuity = watching("full", "auctionfeed")
    assert run(continuity, sent) == (sent, [("full", 9, 9)])


@pytest.mark.parametrize(
    ("channel", "make", "frame"),
    [
        ("full", order, '{"type":"open","product_id":"BTC-USD","sequence":%s,"price":"NaN"}'),
        ("level3", noop, '["open","BTC-USD","%s"]'),
    ],
)
def test_number_of_a_malformed_frame_is_no_gap(channel: str, make: Any, frame: str) -> None:
    continuity = watching(channel)
    run(continuity, [make(5)])
    for number in (6, "true", '"x"', 10**15, 5, -1):
        malformed = ExchangeDecoder().decode((frame % number).encode())
        assert isinstance(malformed, Malformed)
        continuity.malformed(malformed)
    continuity.malformed(Malformed(b"", "over max_size"))
    assert run(continuity, [make(7), make(9)])[1] == [(channel, 8, 8)]


def test_heartbeat_after_an_unknown_type_shows_no_gap() -> None:
    continuity = watching("full", "heartbeat")
    beats = [ExchangeHeartbeat(product_id=BTC, sequence=6, last_trade_id=1, time=at(n)) for n in (6, 7, 8)]
    assert run(continuity, [order(5), unknown(6), *beats, order(7)])[1] == []
    assert continuity.epoch(BTC) == 0


def test_trade_id_of_a_malformed_match_is_not_missing() -> None:
    continuity = watching("matches")
    assert run(continuity, [trade(1)])[1] == []
    continuity.malformed(Malformed(b'{"type":"match","product_id":"BTC-USD","trade_id":2,"price":"NaN"}', ""))
    assert run(continuity, [trade(3), trade(5)])[1] == [("matches", 4, 4)]
