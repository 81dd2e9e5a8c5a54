"""The `ticker` of one product."""

from __future__ import annotations

from msgspec import Struct

from rxfeed.core.matching import MatchEvent, MatchingEngine, Side, size_text
from rxfeed.sim.day_statistics import DayStatistics


class TickerMessage(Struct, frozen=True, kw_only=True, gc=False):
    """A trade with the best prices after it; `side` is the taker's."""

    type: str = "ticker"
    sequence: int
    product_id: str
    price: str
    open_24h: str
    volume_24h: str
    low_24h: str
    high_24h: str
    volume_30d: str
    best_bid: str
    best_bid_size: str
    best_ask: str
    best_ask_size: str
    side: Side
    time: str
    trade_id: int
    last_size: str


class TickerTape:
    """The last ticker of a product."""

    def __init__(self, engine: MatchingEngine) -> None:
        assert engine.last_match is not None
        self._day = DayStatistics(engine)
        self.last = self._message(engine.last_match)

    def after(self, match: MatchEvent) -> TickerMessage:
        """The ticker that *match*, the engine's last, causes."""
        self._day.add(match)
        self.last = self._message(match)
        return self.last

    def _message(self, match: MatchEvent) -> TickerMessage:
        day = self._day
        price_text = day.engine.product.price_text
        best_bid, best_bid_size = self._best("buy")
        best_ask, best_ask_size = self._best("sell")
        return TickerMessage(
            sequence=match.sequence,
            product_id=match.product_id,
            price=match.price,
            open_24h=price_text(day.open),
            volume_24h=size_text(day.volume),
            low_24h=price_text(day.low),
            high_24h=price_text(day.high),
            volume_30d=size_text(day.month),
            best_bid=best_bid,
            best_bid_size=best_bid_size,
            best_ask=best_ask,
            best_ask_size=best_ask_size,
            side="buy" if match.side == "sell" else "sell",
            time=match.time,
            trade_id=match.trade_id,
            last_size=match.size,
        )

    def _best(self, side: Side) -> tuple[str, str]:
        price, size = self._day.best(side)
        return self._day.engine.product.price_text(price) if size else "0", size_text(size)
