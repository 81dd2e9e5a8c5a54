"""The figures of one product that tickers of every venue show."""

from __future__ import annotations

from rxfeed.core.matching import SIZE_UNIT, MatchEvent, MatchingEngine, Side


class DayStatistics:
    """The 24-hour figures of a product, as counts of its increments; they begin near the first trade.

    No day is removed from them.
    """

    def __init__(self, engine: MatchingEngine) -> None:
        assert engine.last_match is not None
        self.engine = engine
        price = engine.product.price_of(engine.last_match.price)
        self.open = price - price // 128
        self.low = price - price // 64
        self.high = price + price // 256
        self.volume = 10**7 * 10**engine.product.decimals * SIZE_UNIT // price
        self._month = 29 * self.volume
        self.add(engine.last_match)

    @property
    def month(self) -> int:
        """The volume of 30 days."""
        return self._month + self.volume

    def add(self, match: MatchEvent) -> None:
        """Count a trade."""
        product = self.engine.product
        price = product.price_of(match.price)
        self.low = min(self.low, price)
        self.high = max(self.high, price)
        self.volume += product.price_of(match.size)

    def best(self, side: Side) -> tuple[int, int]:
        """The best price of a side and its size; zeros if the side is empty."""
        return next(iter(self.engine.sides[side]), (0, 0))
