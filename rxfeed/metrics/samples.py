"""Samples of a feed's messages: lags and prices.

Rules:
- Several times a second the feed is asked for the next message of each type and product that has a subscriber, and
  these messages are measured, on the delivering thread. No other message costs anything.
- So a busy product has as many samples as a quiet one with a message in each interval, and a lag between two samples
  is not seen. `Stats.max_lag` has the longest delivery of all messages.
- Snapshots and trades before the subscription have no lag: they are older than the connection.
"""

from __future__ import annotations

import time

from rxfeed.market import BookSnapshot, Message, PriorTrade, Ticker, Trade
from rxfeed.metrics.values import Histogram, ProductLabels, Values

_NS = 10**9


class Samples:
    """The samples of one feed, which *venue* names."""

    def __init__(self, venue: str, products: ProductLabels) -> None:
        self._venue = venue
        self._products = products
        self._event: dict[str, Histogram] = {}
        self._delivery = Histogram()
        self._prices: dict[str, float] = {}
        self._quotes: dict[str, tuple[float | None, float | None]] = {}
        self._count = 0

    def add(self, message: Message) -> None:
        """Measure *message*, which is being delivered."""
        received = message.received_ns
        if not received:
            return
        self._count += 1
        self._delivery.observe(max(0, time.time_ns() - received) / _NS)
        if message.product_id is None:
            return
        product = self._products.of(message.product_id)
        if message.time is not None and not isinstance(message, BookSnapshot | PriorTrade):
            histogram = self._event.get(product)
            if histogram is None:
                histogram = self._event[product] = Histogram()
            histogram.observe(max(0.0, received / _NS - message.time.timestamp()))
        if isinstance(message, Trade | Ticker):
            self._prices[product] = float(message.price)
        if isinstance(message, Ticker):
            bid, ask = message.best_bid, message.best_ask
            self._quotes[product] = None if bid is None else float(bid), None if ask is None else float(ask)

    def read(self, values: Values) -> None:
        values.add("rxfeed_samples_total", self._count, self._venue)
        values.add_histogram("rxfeed_delivery_lag_seconds", self._delivery, self._venue)
        for product, histogram in self._event.copy().items():
            values.add_histogram("rxfeed_event_lag_seconds", histogram, self._venue, product)
        for product, price in self._prices.copy().items():
            values.set("rxfeed_last_price", price, self._venue, product)
        for product, (bid, ask) in self._quotes.copy().items():
            if bid is not None:
                values.set("rxfeed_best_bid", bid, self._venue, product)
            if ask is not None:
                values.set("rxfeed_best_ask", ask, self._venue, product)
