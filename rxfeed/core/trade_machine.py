"""What all machines have in common that decide by product and event time whether a result is complete."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from rxfeed.core.arguments import Seconds
from rxfeed.core.completeness import CompletenessTracker
from rxfeed.core.event_time import EventClock
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade

P = TypeVar("P", bound=CompletenessTracker)


class TradeMachine(ABC, Generic[P]):
    """The products of a machine, each with a state that is a `CompletenessTracker`, and the clock of event time."""

    __slots__ = ("_products", "_trade_type", "clock")

    def __init__(self, max_ahead: Seconds | None) -> None:
        self.clock = EventClock(max_ahead)
        self._products: dict[str, P] = {}
        self._trade_type: type[Message] = Trade
        """The type of the last trade. A comparison with it is faster than a test for a subclass of `Trade`."""

    @abstractmethod
    def _follow(self, first: Trade | PriorTrade | Heartbeat, /) -> P:
        """The state of a product at its *first* message."""

    def _product(self, message: Trade | PriorTrade | Heartbeat) -> P:
        """The state of the message's product, which begins at its first message."""
        product = self._products.get(message.product_id)
        if product is None:
            product = self._products[message.product_id] = self._follow(message)
        return product

    def _is_ahead(self, product: P | None, trade: Trade | PriorTrade) -> bool:
        """True if the trade's time is not credible. Then results that began before its receipt lack it."""
        ahead = self.clock.is_ahead(trade, trade.time)
        if ahead and product is not None:
            product.undated(trade)
        return ahead

    def _counts(self, last: PriorTrade) -> bool:
        """Take what a trade from before the subscription proves, if its time is credible.

        True for one that counts as any other trade: it was requested, and has not come before.
        """
        if self.clock.is_ahead(last, last.time):
            return False
        product = self._products.get(last.product_id)
        if last.backfilled and (product is None or last.trade_id > product.known):
            return True
        self._prior_trade(last)
        return False

    def _prior_trade(self, last: PriorTrade) -> None:
        """Called with a trade from before the subscription that does not count."""
        self._product(last).last_match(last)
