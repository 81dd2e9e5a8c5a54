"""A market with what is kept of it: its trades, its candles and the orders that were placed."""

from __future__ import annotations

from collections.abc import Callable

from rxfeed.core.matching import Event, HeartbeatEvent, MatchEvent, TickEvent
from rxfeed.sim.history import MarketHistory, ProductHistory
from rxfeed.sim.market import Market
from rxfeed.sim.own_orders import OwnOrders


class Simulation:
    """Keeps what *market* publishes, and passes it on to `publish`, which a venue's protocol sets."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.history = MarketHistory(market.engines.values(), market.shown_micros)
        self.orders = OwnOrders(market)
        self._publish: Callable[[Event], None] = lambda event: None

    def attach(self, publish: Callable[[Event], None]) -> None:
        """Pass every event to *publish* from now on."""
        self._publish = publish
        self.market.publish = self._keep

    def list_product(self, product_id: str) -> None:
        """Trade *product_id* from now on."""
        market = self.market
        if market.list_product(product_id):
            self.history.of[product_id] = ProductHistory(market.engines[product_id], market.shown_micros, prior=False)

    def _keep(self, event: Event) -> None:
        if isinstance(event, MatchEvent):
            self.history.add(event, self.market.shown_micros)
        if self.orders.active and not isinstance(event, TickEvent | HeartbeatEvent):
            self.orders.add(event)
        self._publish(event)
