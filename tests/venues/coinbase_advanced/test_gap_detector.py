"""The gap detector of a connection, without sockets: late frames, restarts, and what a snapshot brings."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import Missed, RepairedNumbers, Restarted, TumblingVolume, VolumeWindow
from rxfeed.market import FrameOrigin, Message, Trade, stamp
from rxfeed.venues import COINBASE_ADVANCED
from rxfeed.venues.coinbase_advanced.messages import AdvancedTicker
from tests.venues.coinbase_advanced.numbered import one, snapshot
from tests.venues.coinbase_advanced.wire import (
    BTC,
    ETH,
    frame,
    heartbeat,
    trade,
    trades,
)


def decoded(text: str) -> tuple[Message, ...]:
    found: Any = COINBASE_ADVANCED.decoder().decode(text.encode())
    return found if isinstance(found, tuple) else (found,)


def delivered(gaps: Any, text: str) -> list[Message]:
    """The messages that *gaps* lets pass with a frame: those that were held, and its own, with their epochs."""
    checked = gaps.frame(decoded(text))
    released, gaps.released = gaps.released, []
    return released + [
        stamp(each, FrameOrigin(text.encode(), 0, epoch, checked.epochs))
        for each, epoch in zip(checked.messages, checked.epochs, strict=True)
        if epoch is not None
    ]


def watching() -> Any:
    gaps = COINBASE_ADVANCED.gaps()
    gaps.watch([("market_trades", BTC)])
    return gaps


def test_one_wrong_number_does_not_stop_the_stream() -> None:
    gaps = watching()
    passed = [len(delivered(gaps, heartbeat(number))) for number in (0, 1, 10**15, 2, 3, 4)]
    assert passed == [1, 1, 1, 0, 2, 1]
    assert gaps.missed == [
        Missed(None, "sequence_num", 2, 10**15 - 1),
        Restarted(None, "sequence_num", 10**15, 2),
    ]


def test_numbers_that_begin_anew_continue_at_the_third() -> None:
    gaps = watching()
    passed = [len(delivered(gaps, heartbeat(number))) for number in (0, 1, 2, 3, 4, 0, 1, 2, 3)]
    assert passed == [1, 1, 1, 1, 1, 0, 0, 3, 1]
    assert gaps.missed == [Restarted(None, "sequence_num", 4, 0)]


@pytest.mark.parametrize("distance", range(1, 6))
def test_late_frame_is_one_gap_and_no_restart(distance: int) -> None:
    gaps = watching()
    sent = [0, 1, *range(3, 3 + distance), 2, *range(3 + distance, 9)]
    passed = [number for number in sent if delivered(gaps, heartbeat(number))]
    assert passed == [number for number in sent if number != 2]
    assert gaps.missed == [Missed(None, "sequence_num", 2, 2)]
    assert gaps.epoch(BTC) == 1


def test_trade_of_a_late_frame_is_delivered() -> None:
    gaps = watching()
    sent = [trades(0, one(1)), trades(2, one(1, ETH)), trades(1, one(2)), trades(3, one(3))]
    assert [[each.product_id for each in delivered(gaps, each)] for each in sent] == [[BTC], [ETH], [BTC], [BTC]]
    assert gaps.missed == [Missed(None, "sequence_num", 1, 1)]


@pytest.mark.parametrize("late", [1, 2, 3, 7])
def test_trades_of_a_late_frame_are_no_restart(late: int) -> None:
    """Several in a row with lower ids are one frame, which was reported as missing."""
    gaps = watching()
    batch = [one(each) for each in range(2, 2 + late)]
    newer = [one(each) for each in range(2 + late, 8 + late)]
    sent = [
        trades(0, one(1)),
        heartbeat(2),
        heartbeat(3),
        trades(4, *newer),
        trades(1, *batch),
        trades(5, one(8 + late)),
    ]
    passed = [each.trade_id for frame in sent for each in delivered(gaps, frame) if isinstance(each, Trade)]
    assert passed == [1, *range(2 + late, 9 + late)]
    assert gaps.missed == [Missed(None, "sequence_num", 1, 1), Missed(BTC, "market_trades", 2, 1 + late)]


@given(
    before=st.integers(0, 40),
    missed=st.integers(0, 130),
    reach=st.integers(1, 100),
    batch=st.integers(1, 5),
)
def test_trades_come_once_in_order_and_the_rest_is_named(before: int, missed: int, reach: int, batch: int) -> None:
    """After a reconnect every trade was delivered, or is in a gap; windows of consecutive trades are complete."""
    gaps = watching()
    messages = delivered(gaps, snapshot_of(0, range(1, 4)))
    for number, trade_id in enumerate(range(4, 4 + before)):
        messages += delivered(gaps, trades(number + 1, at_second(trade_id)))
    newest = 3 + before
    gaps.reconnected()
    upto = newest + missed
    messages += delivered(gaps, snapshot_of(0, range(max(1, upto - reach + 1), upto + 1)))
    for number, start in enumerate(range(upto + 1, upto + 20, batch)):
        messages += delivered(gaps, trades(number + 1, *map(at_second, range(start, start + batch))))
    ids = [each.trade_id for each in messages if isinstance(each, Trade)]
    gone = {each for gap in gaps.missed if isinstance(gap, Missed) for each in range(gap.first, gap.last + 1)}
    assert ids == sorted(set(ids))
    assert not gone & set(ids)
    assert gone | set(ids) == set(range(4, ids[-1] + 1))
    again = {each for gap in gaps.missed if isinstance(gap, RepairedNumbers) for each in range(gap.first, gap.last + 1)}
    assert again == set(range(newest + 1, upto + 1)) - gone
    machine = TumblingVolume(0.01)  # ten trades a window
    for window in [window for each in messages for window in machine.step(each)]:
        assert isinstance(window, VolumeWindow)
        first = (window.start.second * 1_000_000 + window.start.microsecond) // 1000
        # The trades before and after a window show that none is missing at its start and its end.
        assert window.complete is (set(range(first - 1, first + 11)) <= set(ids) and first > 3)


def at_second(trade_id: int) -> dict[str, Any]:
    return trade(trade_id, trade_id / 1000)


def snapshot_of(number: int, ids: range) -> str:
    return trades(number, *map(at_second, ids), kind="snapshot")


def test_window_with_trades_from_before_the_subscription_is_incomplete() -> None:
    """Of several prior trades the newest one decides since when every trade is counted."""
    gaps = watching()
    messages = delivered(gaps, snapshot(0, 1, 2, 3))
    for number, trade_id in enumerate(range(4, 9)):
        messages += delivered(gaps, trades(number + 1, one(trade_id)))
    machine = TumblingVolume(2)
    windows: list[Any] = [window for each in messages for window in machine.step(each)]
    assert [(each.start.second, each.complete) for each in windows] == [(4, True), (6, True)]
    for seconds, expected in ((5, [(0, False)]), (3, [(3, False)])):
        wider: Any = TumblingVolume(seconds)
        found = [each for message in messages for each in wider.step(message)]
        assert [(each.start.second, each.complete) for each in found] == expected


def checked(continuity: Any, decoder: Any, *frames: str) -> list[tuple[list[int], tuple[int | None, ...]]]:
    """The ids and the epochs of the trades in each frame."""
    found = [continuity.frame(decoder.decode(each.encode())) for each in frames]
    return [([each.trade_id for each in one.messages], one.epochs) for one in found]


def test_snapshot_of_older_trades_is_no_restart() -> None:
    """A recording may begin in the middle, so that a later snapshot has trades from before its beginning."""
    continuity, decoder = COINBASE_ADVANCED.gaps(), COINBASE_ADVANCED.decoder()
    continuity.watch([("market_trades", BTC)])
    before = trades(0, one(10), one(11))
    assert checked(continuity, decoder, before) == [([10, 11], (0, 0))]
    continuity.reconnected()
    again = snapshot(0, 5, 6, 7, 8, 9, 10, 11, 12)
    ids, epochs = checked(continuity, decoder, again)[0]
    assert dict(zip(ids, epochs, strict=True)) == {**dict.fromkeys(range(5, 12)), 12: 1}
    assert not any(isinstance(each, Restarted) for each in continuity.missed)


def test_tickers_of_one_frame_have_the_epoch_of_tickers() -> None:
    continuity, decoder = COINBASE_ADVANCED.gaps(), COINBASE_ADVANCED.decoder()
    continuity.watch([("ticker", BTC), ("ticker", ETH)])
    events = [
        {"type": "update", "tickers": [{"type": "ticker", "product_id": each, "price": "1"} for each in (BTC, ETH)]}
    ]
    continuity.doubt(BTC, [AdvancedTicker])
    messages: Any = decoder.decode(frame(0, "ticker", *events).encode())
    assert continuity.frame(messages).epochs == (1, 0)
