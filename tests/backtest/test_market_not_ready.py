"""Paper orders while the book is not ready, and the warnings of a market without messages."""

from __future__ import annotations

import pytest

from rxfeed import Message, RxfeedError
from rxfeed.backtest import PaperMarket
from rxfeed.venues.coinbase_exchange import ExchangeAuction
from tests.backtest.desk import BTC, Desk, snapshot, sold, update, words
from tests.support.make import at, heartbeat, last_match, ticker


def test_orders_before_the_first_snapshot_are_rejected() -> None:
    market = PaperMarket(BTC)
    with pytest.raises(RxfeedError, match="before the market's first message"):
        market.limit("buy", 1, 1)
    market.step(heartbeat(0))
    market.limit("buy", 1, 1)
    assert [words(event) for event in market.step(heartbeat(1))] == ["0 1 gap, 1 left"]


@pytest.mark.parametrize(
    "breaker", [update(2, ("buy", 100, 1), epoch=1), heartbeat(2, epoch=1), sold(2, 100, 9, epoch=1)]
)
def test_gap_cancels_and_rejects_orders_until_a_snapshot(breaker: Message) -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    desk.step(heartbeat(1))
    desk.step(breaker)
    desk.market.limit("buy", 100, 2)
    assert desk.step(sold(3, 100, 99, epoch=1)) == ["2 1 gap, 1 left", "2 2 gap, 2 left"]
    desk.step(snapshot({98: 1}, {103: 1}, 4, epoch=1))
    desk.market.market("buy", 2)
    assert desk.step(heartbeat(5, epoch=1)) == ["4 3 buy 1 at 103 taker, 1 left", "4 3 canceled, 1 left"]


def test_gap_of_trades_alone_ends_with_an_update_of_the_book() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    desk.step(heartbeat(1))
    desk.step(sold(2, 100, 9, epoch=1))
    desk.market.limit("buy", 100, 2)
    assert desk.step(sold(3, 100, 9, epoch=1)) == ["2 1 gap, 1 left", "2 2 gap, 2 left"]
    desk.step(update(4, ("buy", 99, 1)))
    desk.market.limit("buy", 100, 3)
    assert desk.step(heartbeat(5), update(5, ("buy", 99, 2))) == ["4 3 open 3 at 100"]


def test_missed_tickers_do_not_affect_orders() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    assert desk.step(ticker(1, epoch=1), heartbeat(2)) == ["0 1 open 1 at 100"]


def test_gap_with_an_immediate_snapshot_cancels_too() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    desk.step(heartbeat(1), snapshot({100: 5}, {101: 5}, 2, epoch=1))
    desk.market.limit("buy", 100, 2)
    assert desk.step(heartbeat(3, epoch=1)) == ["2 1 gap, 1 left", "2 2 open 2 at 100"]


def test_snapshot_without_a_gap_keeps_resting_orders() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    assert desk.step(heartbeat(1), snapshot({100: 7}, {101: 5}, 2), sold(3, 100, 6), heartbeat(4)) == [
        "0 1 open 1 at 100",
        "3 1 buy 1 at 100 maker, 0 left",
        "3 1 filled, 0 left",
    ]


def test_crossed_book_cancels_and_rejects() -> None:
    desk = Desk()
    desk.market.limit("buy", 100, 1)
    auction = ExchangeAuction(product_id=BTC, sequence=1, auction_state="collection", time=at(1))
    desk.step(auction, update(2, ("buy", 103, 4)))
    desk.market.market("buy", 1)
    assert desk.step(sold(3, 103, 3), heartbeat(4)) == ["2 1 crossed, 1 left", "2 2 crossed, 1 left"]
    desk.step(update(5, ("sell", 101, 0), ("sell", 102, 0), ("sell", 104, 2), ("buy", 103, 1)))
    desk.market.market("buy", 1)
    desk.market.market("sell", 2)
    assert desk.step(heartbeat(6)) == [
        "5 3 buy 1 at 104 taker, 0 left",
        "5 3 filled, 0 left",
        "5 4 sell 1 at 103 taker, 1 left",
        "5 4 sell 1 at 100 taker, 0 left",
        "5 4 filled, 0 left",
    ]


# ---- missing messages


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]


def test_market_without_a_book_warns_once_in_its_second_minute(caplog: pytest.LogCaptureFixture) -> None:
    market = PaperMarket(BTC)
    market.step(heartbeat(0))
    market.step(sold(59, 100, 1))
    assert warnings(caplog) == []
    for time in (60, 61, 200):
        market.step(heartbeat(time))
    market.finish()
    (line,) = warnings(caplog)
    assert "PaperMarket of BTC-USD: no snapshot" in line
    assert "level2 or level2_batch" in line


def test_market_without_a_book_warns_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    market = PaperMarket(BTC)
    market.step(sold(0, 100, 1))
    market.finish()
    assert "record the channel book, that is level2 or level2_batch, too" in warnings(caplog)[0]


def test_trades_before_the_subscription_are_no_time_without_a_book(caplog: pytest.LogCaptureFixture) -> None:
    """Advanced Trade begins with the last 100 trades, which may span hours."""
    market = PaperMarket(BTC)
    for time in (0, 100, 3600):
        market.step(last_match(time=time, product_id=BTC))
    market.step(snapshot({100: 1}, {101: 1}, 3601))
    market.step(sold(3602, 100, 1))
    market.finish()
    assert warnings(caplog) == []


def test_market_without_any_message_warns_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    PaperMarket(BTC).finish()
    assert len(warnings(caplog)) == 1


def test_market_without_trades_warns_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.step(heartbeat(100))
    assert warnings(caplog) == []
    desk.end()
    (line,) = warnings(caplog)
    assert "record the channel trades, that is matches or market_trades, too" in line


def test_market_with_both_does_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    desk = Desk()
    desk.step(sold(1, 100, 1), heartbeat(200))
    desk.end()
    assert warnings(caplog) == []
