"""Which products have their trades from before the subscription requested, and how far that is.

Rules:
- A product's trades are backfilled once in a feed: when its channel of trades is subscribed to first.
- The trades with which the venue begins a subscription (`PriorTrade`) are a part of the backfill, as far as they are
  not older than it. If they go back far enough, nothing is requested.
- If a product has no trade within `FIRST_WITHIN` seconds, its newest trades are requested. That the newest one is older
  than the backfill proves that there was none since. If a trade comes before the answer, those before it are requested
  instead, since the answer may lack some.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from rxfeed.core import Pair
from rxfeed.market import PriorTrade, Trade
from rxfeed.venues import RestTrade

log = logging.getLogger("rxfeed.feed")

FIRST_WITHIN = 5.0
"""Seconds until a product's first trade."""
PATIENCE = 10.0
"""Seconds for which a page may fail."""
LONGEST = 600.0
"""Seconds that a backfill may take."""
MOST = 500_000
"""Trades of a product's backfill."""


class Shortfall(msgspec.Struct, frozen=True):
    """Why trades of a backfill are missing, and what to do about it."""

    reason: str
    remedy: str = ""


class _Asked(Enum):
    """What is requested of a product."""

    NOTHING = "nothing"
    NEWEST = "the newest trades, since none has come"
    AFTER_NEWEST = "the same, and some of them have come"
    OLDER = "the trades before those that came with the subscription"


class _Backfill:
    """One product's: *since* when trades are requested, and the oldest one that has come, if any.

    *newest_at*: when the newest trades are requested, by the feed's clock.
    """

    __slots__ = ("asked", "has_older", "newer", "newest_at", "since")

    def __init__(self, since: datetime, newest_at: float) -> None:
        self.since = since
        self.newest_at = newest_at
        self.newer: RestTrade | None = None
        self.has_older = False
        self.asked = _Asked.NOTHING

    @property
    def settled(self) -> bool:
        """True if it is known before which trade the others are."""
        return self.asked in (_Asked.AFTER_NEWEST, _Asked.OLDER)


class Backfills:
    """The backfills of one connection, of so many *seconds*; *channel*: that of the trades.

    *seen*: the products that have had their backfill, on any connection of the feed.
    """

    def __init__(self, seconds: float, channel: str, seen: set[str]) -> None:
        self._span = timedelta(seconds=seconds)
        self._channel = channel
        self._seen = seen
        self._open: dict[str, _Backfill] = {}

    def subscribed(self, pairs: Iterable[Pair], now: datetime, newest_at: float) -> list[str]:
        """The products of *pairs*, the present subscriptions, which get a backfill from now on.

        *newest_at*: when the newest trades are requested of one that has none.
        """
        trading = {product for channel, product in pairs if channel == self._channel and product is not None}
        fresh = sorted(trading - self._seen)
        self._seen |= trading
        self._open |= {product: _Backfill(now - self._span, newest_at) for product in fresh}
        return fresh

    def counts(self, prior: PriorTrade) -> bool:
        """True if *prior*, which came before the request, is a part of the backfill; False if it is older."""
        backfill = self._open[prior.product_id]
        if prior.time < backfill.since:
            backfill.has_older = True
            return False
        self.came(prior)
        return True

    def came(self, trade: Trade | PriorTrade) -> None:
        """*trade* came before the request: older ones are requested."""
        backfill = self._open[trade.product_id]
        if backfill.newer is None or trade.trade_id < backfill.newer.trade_id:
            backfill.newer = as_rest(trade)

    def due(self) -> list[tuple[str, RestTrade | None, datetime]]:
        """The products of which trades are to be requested now, those older than the one beside them.

        `None`: what has come goes back far enough.
        """
        due: list[tuple[str, RestTrade | None, datetime]] = []
        for product, backfill in self._open.items():
            if not backfill.settled and (backfill.newer is not None or backfill.has_older):
                backfill.asked = _Asked.OLDER
                due.append((product, None if backfill.has_older else backfill.newer, backfill.since))
        return due

    def silent(self, now: float) -> list[tuple[str, datetime]]:
        """The products of which the newest trades are to be requested now, back to the time beside them."""
        silent: list[tuple[str, datetime]] = []
        for product, backfill in self._open.items():
            if backfill.asked is _Asked.NOTHING and backfill.newest_at <= now:
                backfill.asked = _Asked.NEWEST
                silent.append((product, backfill.since))
        return silent

    def takes_newest(self, product: str) -> bool:
        """True if an answer to the request of the newest trades is used: no trade has come before it."""
        backfill = self._open.get(product)
        return backfill is not None and backfill.asked in (_Asked.NEWEST, _Asked.AFTER_NEWEST)

    def begins_with_newest(self, product: str) -> bool:
        """The first of the newest trades are used. False if others were before."""
        backfill = self._open[product]
        first = backfill.asked is _Asked.NEWEST
        backfill.asked = _Asked.AFTER_NEWEST
        return first

    def requested(self, product: str | None) -> bool:
        """True if it is known before which trade the product's backfill is, or if it has none that is open."""
        backfill = self._open.get(product or "")
        return backfill is None or backfill.settled

    def close(self, product: str, shortfall: Shortfall | None) -> None:
        """The backfill of *product*, if there is one, is over; *shortfall*: why trades of it are missing, if any are.

        That is logged.
        """
        backfill = self._open.pop(product, None)
        if backfill is None or shortfall is None:
            return
        reason, remedy = shortfall.reason, shortfall.remedy
        if backfill.asked is _Asked.NEWEST:
            reason = f"no trade came within {FIRST_WITHIN:g} s of the subscription, and then {reason}"
        log.warning(
            "backfill: not all trades of %s since %s could be requested: %s. The feed continues without them%s",
            *(product, f"{backfill.since:%Y-%m-%d %H:%M:%S} UTC", reason, remedy and f"; {remedy}"),
        )


def as_rest(trade: Trade | PriorTrade) -> RestTrade:
    """*trade* as an item of the REST API, to request older ones."""
    return RestTrade(
        product_id=trade.product_id,
        trade_id=trade.trade_id,
        price=trade.price,
        size=trade.size,
        time=trade.time,
        maker_side=trade.maker_side,
    )
