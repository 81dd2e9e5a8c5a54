"""The state of the demo: the pipelines' threads write it, and the main thread reads and draws it."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from decimal import Decimal

import msgspec

from rxfeed.core import PriceCross, VolumeWindow
from rxfeed.feed import Connected, Connecting, Disconnected, Ended, FeedStatus, KeepalivePong, Rejected, Subscribed
from rxfeed.market import Ticker
from rxfeed.sinks import MongoWrite

_KEPT = 50


class Quote(msgspec.Struct, frozen=True):
    """A product's *newest* ticker, its *first* price, and the number of its *tickers*."""

    newest: Ticker
    first: Decimal
    tickers: int

    @property
    def change(self) -> Decimal:
        """The change since the first price, in percent of it."""
        try:
            change = (self.newest.price / self.first - 1) * 100
        except ArithmeticError:  # no first price, or a ratio that is out of range
            return Decimal(0)
        return change if change.is_finite() else Decimal(0)

    @property
    def spread(self) -> Decimal | None:
        bid, ask = self.newest.best_bid, self.newest.best_ask
        try:
            return None if bid is None or ask is None else ask - bid
        except ArithmeticError:
            return None


class DemoState:
    """The results of the demo's pipelines. Each value is replaced as a whole, so a reader needs no lock.

    *problem*: the first failure of a pipeline. *stored_all* is set when the sink has ended, with or without an error.
    """

    def __init__(self, products: Iterable[str]) -> None:
        self.quotes: dict[str, Quote | None] = dict.fromkeys(products)
        self.windows: tuple[VolumeWindow, ...] = ()
        self.crossings: tuple[PriceCross, ...] = ()
        self.window_count = self.complete_windows = self.trades_in_windows = 0
        self.crossing_count = 0
        self.stored = 0
        self.round_trip: float | None = None
        self.status = "not connected"
        self.problem: str | None = None
        self.stored_all = threading.Event()

    def ticker(self, ticker: Ticker) -> None:
        if ticker.product_id is None:
            return
        quote = self.quotes.get(ticker.product_id)
        first, count = (ticker.price, 0) if quote is None else (quote.first, quote.tickers)
        self.quotes[ticker.product_id] = Quote(ticker, first, count + 1)

    def window(self, window: VolumeWindow) -> None:
        self.windows = (*self.windows[1 - _KEPT :], window)
        self.window_count += 1
        self.complete_windows += window.complete
        self.trades_in_windows += window.count

    def crossing(self, crossing: PriceCross) -> None:
        self.crossings = (*self.crossings[1 - _KEPT :], crossing)
        self.crossing_count += 1

    def written(self, write: MongoWrite) -> None:
        self.stored = write.total

    def pong(self, pong: KeepalivePong) -> None:
        self.round_trip = pong.round_trip

    def connection(self, status: FeedStatus) -> None:
        match status:
            case Connecting():
                self.status = "connecting"
            case Connected():
                self.status = "connected"
            case Subscribed():
                self.status = "subscribed"
            case Rejected(message=message, reason=reason):
                self.failed(f"refused: {message}: {reason}")
            case Disconnected(cause=cause):
                self.failed(cause)
            case Ended():
                self.status = "ended"

    def failed(self, cause: Exception | str) -> None:
        self.problem = self.problem or str(cause) or repr(cause)
        self.status = "failed"

    def sink_failed(self, cause: Exception) -> None:
        self.failed(cause)
        self.stored_all.set()
