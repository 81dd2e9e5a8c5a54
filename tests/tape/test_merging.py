"""Items of several publishers, in orders in which a server may store them: the merged epochs rise for losses alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rxfeed.core import MergedItem
from rxfeed.errors import ConnectionLost
from rxfeed.feed import Connected, Disconnected, Gap
from rxfeed.market import ChannelSubscription, Message, Ticker, Trade
from rxfeed.recording.events import status_line
from rxfeed.tape.envelope import ItemKind, TapeItem
from rxfeed.tape.merging import TapeMerge
from rxfeed.venues import venue
from rxfeed.venues.coinbase_exchange.messages import ExchangeSubscriptions
from tests.support.make import NOON, heartbeat, match, ticker

BTC = "BTC-USD"
SECOND = 10**9
START = int(NOON.timestamp()) * SECOND


class Publisher:
    """The items of one session; times are seconds after noon."""

    def __init__(self, session: str) -> None:
        self._session = session
        self._number = 0

    def _item(self, at: float, kind: ItemKind, payload: bytes, epoch: int = 0) -> TapeItem:
        self._number += 1
        ns = START + round(at * SECOND)
        return TapeItem(1, kind.value, ns, payload, self._session, self._number, self._number, 1, epoch, kind=kind)

    def begin(self, at: float, *channels: str) -> list[TapeItem]:
        acknowledged = tuple(ChannelSubscription(each, (BTC,)) for each in channels)
        raw = ExchangeSubscriptions(channels=acknowledged).raw
        return [self.up(at), self._item(at, ItemKind.FRAME, raw)]

    def up(self, at: float) -> TapeItem:
        return self._line(at, Connected(at=NOON + timedelta(seconds=at), url="wss://x"))

    def down(self, at: float) -> TapeItem:
        return self._line(at, Disconnected(at=NOON + timedelta(seconds=at), cause=ConnectionLost("reset")))

    def _line(self, at: float, status: Any) -> TapeItem:
        return self._item(at, ItemKind.LINE, status_line(status))

    def frame(self, at: float, message: Message, epoch: int = 0) -> TapeItem:
        return self._item(at, ItemKind.FRAME, message.raw, epoch)

    def trade(self, at: float, trade_id: int, epoch: int = 0) -> TapeItem:
        return self.frame(at, match(time=trade_id / 10, trade_id=trade_id), epoch)

    def beat(self, at: float, last: int, epoch: int = 0) -> TapeItem:
        return self.frame(at, heartbeat(at, last_trade_id=last), epoch)

    def ticker(self, at: float, number: int, epoch: int = 0) -> TapeItem:
        return self.frame(at, ticker(100, time=at, sequence=number), epoch)

    def alive(self, at: float, newest: float | None = None) -> TapeItem:
        """A sign of life, after a message with the receipt *newest*."""
        payload = b"0" if newest is None else b"%d" % (START + round(newest * SECOND))
        return self._item(at, ItemKind.ALIVE, payload)


def merged(*items: TapeItem | list[TapeItem]) -> list[MergedItem]:
    merge = TapeMerge(venue("coinbase_exchange"), patience=3.0)
    tape = [each for item in items for each in (item if isinstance(item, list) else [item])]
    found = [each for item in tape for each in merge.step(item)]
    return found + list(merge.finish())


def epochs(items: list[MergedItem], kind: Any = Message) -> list[int]:
    return [each.epoch for each in items if isinstance(each.item, kind)]


def gaps(items: list[MergedItem]) -> list[tuple[int, int]]:
    return [(each.item.first, each.item.last) for each in items if isinstance(each.item, Gap)]


def trade_ids(items: list[MergedItem]) -> list[int]:
    assert gaps(items) == []
    return [each.item.trade_id for each in items if isinstance(each.item, Trade)]


CHANNELS = ("matches", "heartbeat")


def test_late_copy_of_a_missed_trade_keeps_the_epoch() -> None:
    """Each publisher missed a trade of its own, and the second trade is stored after the ones that follow it."""
    one, other = Publisher("one"), Publisher("other")
    items = merged(
        one.begin(0, *CHANNELS),
        other.begin(0.1, *CHANNELS),
        one.trade(1, 10),
        other.trade(2, 11),
        other.trade(3, 13, epoch=1),
        one.trade(3.1, 12, epoch=1),
        one.beat(4, 13, epoch=1),
    )
    assert trade_ids(items) == [10, 11, 12, 13]
    assert set(epochs(items)) == {0}


def test_loss_that_shows_after_another_connection_is_gone_keeps_the_epoch() -> None:
    """What the other publisher missed was stored before, and its later copies were refused."""
    one, other = Publisher("one"), Publisher("other")
    items = merged(
        one.begin(0, *CHANNELS),
        other.begin(0.1, *CHANNELS),
        other.beat(1, 9),
        *(one.trade(2 + each / 10, 10 + each) for each in range(5)),
        one.down(3),
        other.beat(3.1, 14, epoch=1),
        other.trade(3.2, 15, epoch=1),
        one.up(3.3),
        one.trade(3.4, 16, epoch=1),
    )
    assert trade_ids(items) == [10, 11, 12, 13, 14, 15, 16]
    assert set(epochs(items)) == {0}


def test_trades_that_are_stored_late_keep_the_epoch() -> None:
    """One publisher reconnects, while the messages of the other one need longer than the patience."""
    one, other = Publisher("one"), Publisher("other")
    items = merged(
        one.begin(0, *CHANNELS),
        other.begin(0.1, *CHANNELS),
        one.trade(1, 10),
        one.down(2),
        one.up(2.5),
        *(one.alive(each, newest=1) for each in range(3, 9)),
        other.trade(2.2, 11),
        one.trade(9, 12, epoch=1),
    )
    assert trade_ids(items) == [10, 11, 12]
    assert set(epochs(items)) == {0}


def test_missing_trades_raise_the_epoch_after_a_reconnect() -> None:
    one, other = Publisher("one"), Publisher("other")
    items = merged(
        one.begin(0, *CHANNELS),
        other.begin(0.1, *CHANNELS),
        one.trade(1, 10),
        one.down(2),
        one.up(2.5),
        *(one.alive(each, newest=1) for each in range(3, 9)),
        one.trade(9, 12, epoch=1),
        other.trade(9.1, 13),
        *(one.alive(each, newest=9) for each in range(10, 14)),
    )
    assert gaps(items) == [(11, 11)]
    assert epochs(items, Trade) == [0, 1, 1]


def tickers(*, newest: float | None) -> list[MergedItem]:
    """One publisher loses its connection; the other one has received copies until *newest*."""
    one, other = Publisher("one"), Publisher("other")
    return merged(
        one.begin(0, "matches", "ticker"),
        other.begin(0.1, "matches", "ticker"),
        one.trade(1, 10),
        one.ticker(1.1, 100),
        one.down(2),
        other.alive(2.5, newest=newest),
        one.up(3),
        *(one.alive(each, newest=2) for each in range(4, 8)),
        one.ticker(8, 104, epoch=1),
        one.trade(8.1, 11, epoch=1),
    )


def test_publisher_that_has_received_copies_covers_tickers() -> None:
    assert set(epochs(tickers(newest=2.2))) == {0}


def test_publisher_that_is_alive_and_receives_nothing_covers_no_tickers() -> None:
    items = tickers(newest=1.0)
    assert epochs(items, Ticker) == [0, 1]
    assert epochs(items, Trade) == [0, 0]
