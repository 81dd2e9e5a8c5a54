"""Samples of a feed's messages: lags and prices.

Rules:
- Several times a second the feed is asked for the next message of each type and product that has a subscriber, and
  these messages are measured, on the delivering thread. No other message costs anything. If there are more than `MOST`
  types and products, a random range of `MOST` is asked for each time.
- So a busy product has as many samples as a quiet one with a message in each interval, and a lag between two samples
  is not seen. `Stats.max_lag` has the longest delivery of all messages.
- Snapshots and trades before the subscription have no lag: they are older than the connection.
"""

from __future__ import annotations

import time

from rxfeed.market import BookSnapshot, Message, PriorTrade, Ticker, Trade
from rxfeed.metrics.values import Histogram, ProductLabels, Values

_NS = 10**9
_OLD = (BookSnapshot, PriorTrade)


MOST = 8


class Samples:
    """The samples of one feed, which *venue* names."""

    def __init__(self, venue: str, products: ProductLabels) -> None:
        self._venue = venue
        self._products = products
        self._event: dict[str, Histogram] = {}
        self._delivery = Histogram()
        self._priced: dict[str, Trade | Ticker] = {}
        self._tickers: dict[str, Ticker] = {}
        self._count = 0

    def add(self, message: Message) -> None:
        """Measure *message*, which is being delivered."""
        received, now = message.received_ns, time.time_ns()
        if not received:
            return
        self._count += 1
        self._delivery.observe(max(0, now - received) / _NS)
        product = message.product_id
        if product is None:
            return
        product, when = self._products.of(product), message.time
        if when is not None and not isinstance(message, _OLD):
            histogram = self._event.get(product)
            if histogram is None:
                histogram = self._event[product] = Histogram()
            histogram.observe(max(0.0, received / _NS - when.timestamp()))
        if isinstance(message, Ticker):
            self._tickers[product] = self._priced[product] = message
        elif isinstance(message, Trade):
            self._priced[product] = message

    def read(self, values: Values) -> None:
        values.add("rxfeed_samples_total", self._count, self._venue)
        values.add_histogram("rxfeed_delivery_lag_seconds", self._delivery, self._venue)
        for product, histogram in self._event.copy().items():
            values.add_histogram("rxfeed_event_lag_seconds", histogram, self._venue, product)
        for product, message in self._priced.copy().items():
            values.set("rxfeed_last_price", float(message.price), self._venue, product)
        for product, ticker in self._tickers.copy().items():
            if ticker.best_bid is not None:
                values.set("rxfeed_best_bid", float(ticker.best_bid), self._venue, product)
            if ticker.best_ask is not None:
                values.set("rxfeed_best_ask", float(ticker.best_ask), self._venue, product)
