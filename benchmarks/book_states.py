"""A level 2 book that is changed in place, with the guarantees of the machine: for the stock operators and `live`."""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from rxfeed.core.numbers import ZERO
from rxfeed.market import Level, Message
from rxfeed.venues.coinbase_exchange.messages import ExchangeAuction, ExchangeHeartbeat, L2Update, Snapshot

BOOKED = frozenset((Snapshot, L2Update, ExchangeAuction, ExchangeHeartbeat))

_MOST_AHEAD = timedelta(seconds=60)


class Side(NamedTuple):
    """Prices in ascending order, and the size at each."""

    prices: list[Decimal]
    sizes: dict[Decimal, Decimal]


class Top(NamedTuple):
    """A book's best prices, as in a `BookView`, and its two sides."""

    product_id: str
    ready: bool
    time: datetime | None
    crossed: bool
    best_bid: Level | None
    best_ask: Level | None
    bids: Side
    asks: Side


class Book:
    """The state for `Top`; the sides of a `Top` change with the next message."""

    def __init__(self, product_id: str) -> None:
        self.product_id = product_id
        self.latest = datetime.min.replace(tzinfo=UTC)  # up to it a time is credible
        self.ready, self.auction, self.epoch = False, False, 0
        self.bids, self.asks = Side([], {}), Side([], {})

    def take(self, message: Any) -> tuple[Top, ...]:
        kind = type(message)
        if kind not in BOOKED:
            return ()
        lost = self.lost(message) if message.epoch != self.epoch else ()
        if kind is Snapshot:
            self.ready, self.epoch = True, message.epoch
            bids, asks = ({price: size for price, size in side if size} for side in (message.bids, message.asks))
            self.bids, self.asks = Side(sorted(bids), bids), Side(sorted(asks), asks)
            return (*lost, self.top(self.limited(message)))
        if kind is ExchangeAuction:
            self.auction = message.auction_state != "complete"
        if kind is L2Update and self.ready:
            return self.update(message)
        return lost

    def limited(self, message: Message) -> datetime | None:
        """The message's time, at most a minute after its receipt."""
        if message.time is None or message.time <= self.latest or not message.received_ns:
            return message.time
        self.latest = message.received + _MOST_AHEAD
        return min(message.time, self.latest)

    def lost(self, message: Message) -> tuple[Top, ...]:
        if not self.ready:
            return ()
        self.ready = self.auction = False
        self.bids, self.asks = Side([], {}), Side([], {})
        return (self.top(self.limited(message)),)

    def update(self, update: L2Update) -> tuple[Top, ...]:
        changed = False
        for side, price, size in update.changes:
            prices, sizes = self.bids if side == "buy" else self.asks
            before = sizes.get(price, ZERO)
            if size == before:
                continue
            changed = True
            if size:
                if not before:
                    insort(prices, price)
                sizes[price] = size
            else:
                del sizes[price]
                del prices[bisect_left(prices, price)]
        return (self.top(self.limited(update)),) if changed else ()

    def top(self, time: datetime | None) -> Top:
        bids, asks = self.bids, self.asks
        bid = (bids.prices[-1], bids.sizes[bids.prices[-1]]) if bids.prices else None
        ask = (asks.prices[0], asks.sizes[asks.prices[0]]) if asks.prices else None
        crossed = bid is not None and ask is not None and bid[0] >= ask[0] and not self.auction
        return Top(self.product_id, self.ready, time, crossed, bid, ask, bids, asks)
