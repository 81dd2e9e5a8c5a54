"""Which products have their trades from before the subscription requested, and how far that is.

Rules:
- A product's trades are backfilled once in a feed: when its channel of trades is subscribed to first.
- The trades with which the venue begins a subscription (`PriorTrade`) are a part of the backfill, as far as they are
  not older than it. If they go back far enough, nothing is requested.
- A product without a trade within `FIRST_WITHIN` seconds has no backfill.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from rxfeed.core import Pair
from rxfeed.market import PriorTrade, Trade
from rxfeed.venues import RestTrade

log = logging.getLogger("rxfeed.feed")

FIRST_WITHIN = 5.0
"""Seconds until a product's first trade."""
PATIENCE = 10.0
"""Seconds until the next page is here."""


class _Backfill:
    """One product's: *since* when trades are requested, and the oldest one that has come, if any."""

    __slots__ = ("has_older", "newer", "requested", "since")

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.newer: RestTrade | None = None
        self.has_older = False
        self.requested = False


class Backfills:
    """The backfills of one connection, of so many *seconds*; *channel*: that of the trades.

    *seen*: the products that have had their backfill, on any connection of the feed.
    """

    def __init__(self, seconds: float, channel: str, seen: set[str]) -> None:
        self._span = timedelta(seconds=seconds)
        self._channel = channel
        self._seen = seen
        self._open: dict[str, _Backfill] = {}

    def subscribed(self, pairs: Iterable[Pair], now: datetime) -> list[str]:
        """The products of *pairs*, the present subscriptions, which get a backfill from now on."""
        trading = {product for channel, product in pairs if channel == self._channel and product is not None}
        fresh = sorted(trading - self._seen)
        self._seen |= trading
        self._open |= {product: _Backfill(now - self._span) for product in fresh}
        return fresh

    def is_open(self, product: str | None) -> bool:
        return product in self._open

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
            if not backfill.requested and (backfill.newer is not None or backfill.has_older):
                backfill.requested = True
                due.append((product, None if backfill.has_older else backfill.newer, backfill.since))
        return due

    def requested(self, product: str | None) -> bool:
        """True if the older trades of the product are requested, or it has no backfill that is open."""
        backfill = self._open.get(product or "")
        return backfill is None or backfill.requested

    def close(self, product: str, failure: str) -> None:
        """The backfill of *product*, if there is one, is over; *failure*: why trades of it are missing, empty for none.

        That is logged.
        """
        backfill = self._open.pop(product, None)
        if backfill is None or not failure:
            return
        if backfill.newer is None and not backfill.has_older:
            failure = f"no trade came within {FIRST_WITHIN:g} s of the subscription"
        log.warning(
            "backfill: not all trades of %s since %s could be requested: %s. The feed continues without them; check "
            "rest_url and the network",
            *(product, f"{backfill.since:%Y-%m-%d %H:%M:%S} UTC", failure),
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
