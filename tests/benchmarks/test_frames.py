"""Each round continues the one before it, so that a feed receives one stream without duplicates and gaps."""

from __future__ import annotations

import json
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks import frames
from rxfeed.market import Message
from rxfeed.venues.coinbase_advanced import AdvancedDecoder, MarketTrade
from rxfeed.venues.coinbase_advanced.gaps import AdvancedGaps
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps

TRADE = '{"type":"match","trade_id":%d,"product_id":"%s","sequence":%d,"price":"%s","size":"1","side":"sell",'
TIMED = '"maker_order_id":"100%%","taker_order_id":"","time":"2026-01-02T23:59:%02d.123456Z"}'


def trade(number: int, product: str = "A-B", price: str = "10") -> bytes:
    return (TRADE % (number, product, number * 10, price) + TIMED % (number % 10)).encode()


def content(rounds: list[list[bytes]]) -> list[list[dict[str, Any]]]:
    return [[json.loads(payload) for payload in each] for each in rounds]


def test_first_round_is_the_source_frames() -> None:
    payloads = [trade(1), trade(2, "C-D"), b'{"type":"subscriptions","channels":[]}', trade(3)]
    assert next(frames.rounds(payloads)) == payloads


def test_rounds_continue_numbers_and_times() -> None:
    payloads = [trade(1), trade(7, "C-D"), trade(2), trade(3)]
    first, second, third = content(list(islice(frames.rounds(payloads), 3)))
    assert [message["trade_id"] for message in second] == [4, 8, 5, 6]
    assert [message["trade_id"] for message in third] == [7, 9, 8, 9]
    assert second[0]["sequence"] == 10 + 21  # from 10 to 30 they cover 21 numbers
    assert second[0]["time"] == "2026-01-02T23:59:08.123456Z"  # from :01 to :07, and a second more
    assert second[0]["maker_order_id"] == first[0]["maker_order_id"] == "100%"


def test_local_exchange_replaces_a_missing_recording(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(frames, "RECORDING", tmp_path / "none")
    source, payloads = frames.one_round()
    assert source == "sim.Exchange"
    assert len(frames.busiest(payloads)) == 10
    assert len(frames.snapshots()) == 10
    continuity, decode = ExchangeGaps(), ExchangeDecoder().decode
    continuity.watch(("matches", product) for product in frames.busiest(payloads))
    for payload in chain.from_iterable(islice(frames.rounds(payloads), 3)):
        message = decode(payload)
        assert isinstance(message, Message)
        assert continuity.step(message), payload
    assert not continuity.missed


def test_load_counts_across_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frames, "_source", lambda: ("here", [b'{"type":"snapshot"}', trade(1), trade(2)]))
    source, payloads = frames.load(5)
    assert source == "here"
    assert [json.loads(payload)["trade_id"] for payload in payloads] == [1, 2, 3, 4, 5]


def test_watched_price_is_the_middle_of_the_busiest_product() -> None:
    payloads = [trade(1, price="10"), trade(2, "C-D", "1"), trade(3, "C-D", "2"), trade(4, "C-D", "4")]
    assert frames.crossed(payloads) == ("C-D", "2.5")
    assert frames.busiest(payloads) == ["C-D", "A-B"]


@pytest.mark.parametrize("recorded", [True, False], ids=["the recording", "sim.Exchange"])
def test_rounds_of_advanced_trade_are_one_connection(
    recorded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not recorded:
        monkeypatch.setattr(frames, "ADVANCED_RECORDING", tmp_path / "none")
    elif not frames.ADVANCED_RECORDING.exists():
        pytest.skip(f"the real recording is not beside the project: {frames.ADVANCED_RECORDING}")
    _, payloads = frames.one_round(frames.ADVANCED)
    gaps, decode = AdvancedGaps(), AdvancedDecoder().decode
    gaps.watch([("market_trades", product) for product in frames.busiest(payloads)])
    trades = 0
    for number, payload in enumerate(chain.from_iterable(islice(frames.rounds(payloads), 2))):
        assert json.loads(payload)["sequence_num"] == number
        decoded: Any = decode(payload)
        messages = decoded if isinstance(decoded, tuple) else (decoded,)
        trades += sum(isinstance(message, MarketTrade) for message in messages)
        assert None not in gaps.frame(messages).epochs
    assert not gaps.missed
    assert trades == 2 * frames.trades_in(payloads) > 0
    assert all(b'"snapshot"' in snapshot for snapshot in frames.advanced_snapshots())
