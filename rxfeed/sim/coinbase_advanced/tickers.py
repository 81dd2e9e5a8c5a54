"""The tickers of one product."""

from __future__ import annotations

from rxfeed.core.matching import MatchEvent, MatchingEngine, Side, size_text
from rxfeed.sim.coinbase_advanced.texts import trimmed
from rxfeed.sim.day_statistics import DayStatistics


class Tickers:
    """The ticker of a product after its latest trade and with its best prices now."""

    def __init__(self, engine: MatchingEngine) -> None:
        assert engine.last_match is not None
        self._day = DayStatistics(engine)
        self._low_of_the_year = self._day.open * 3 // 4
        self._high_of_the_year = self._day.open * 2
        self._price = engine.last_match.price
        self._shown: tuple[tuple[int, int], ...] = ()

    def add(self, match: MatchEvent) -> None:
        """Count a trade."""
        self._day.add(match)
        self._price = match.price

    def moved(self) -> bool:
        """Whether the best prices or their sizes are others than at the last call."""
        best = (self._day.best("buy"), self._day.best("sell"))
        moved = best != self._shown
        self._shown = best
        return moved

    def event(self, type: str, *, best: bool = True) -> dict[str, object]:
        """The event; `ticker_batch` is without the *best* prices."""
        day = self._day
        product = day.engine.product
        change = 100 * (product.price_of(self._price) - day.open) / day.open
        ticker = {
            "type": "ticker",
            "product_id": product.product_id,
            "price": trimmed(self._price),
            "volume_24_h": trimmed(size_text(day.volume)),
            "low_24_h": self._price_text(day.low),
            "high_24_h": self._price_text(day.high),
            "low_52_w": self._price_text(min(day.low, self._low_of_the_year)),
            "high_52_w": self._price_text(max(day.high, self._high_of_the_year)),
            "price_percent_chg_24_h": trimmed(f"{change:.14f}"),
        }
        if best:
            bid, bid_size = self._best("buy")
            ask, ask_size = self._best("sell")
            ticker |= {"best_bid": bid, "best_ask": ask, "best_bid_quantity": bid_size, "best_ask_quantity": ask_size}
        return {"type": type, "tickers": [ticker]}

    def _best(self, side: Side) -> tuple[str, str]:
        price, size = self._day.best(side)
        return self._price_text(price), trimmed(size_text(size))

    def _price_text(self, price: int) -> str:
        return trimmed(self._day.engine.product.price_text(price))
