"""The `ticker` of one product."""

from __future__ import annotations

from msgspec import Struct

from rxfeed.core.matching import SIZE_UNIT, MatchEvent, MatchingEngine, Side, size_text


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
    """The 24-hour statistics of a product; they begin near the first trade, and no day is removed."""

    def __init__(self, engine: MatchingEngine) -> None:
        assert engine.last_match is not None
        self._engine = engine
        price = engine.product.price_of(engine.last_match.price)
        self._open = price - price // 128
        self._low = price - price // 64
        self._high = price + price // 256
        self._volume = 10**7 * 10**engine.product.decimals * SIZE_UNIT // price
        self._month = 29 * self._volume
        self.last = self.after(engine.last_match)

    def after(self, match: MatchEvent) -> TickerMessage:
        """The ticker that *match*, the engine's last, causes."""
        product = self._engine.product
        price = product.price_of(match.price)
        self._low = min(self._low, price)
        self._high = max(self._high, price)
        self._volume += product.price_of(match.size)
        best_bid, best_bid_size = self._best("buy")
        best_ask, best_ask_size = self._best("sell")
        self.last = TickerMessage(
            sequence=match.sequence,
            product_id=match.product_id,
            price=match.price,
            open_24h=product.price_text(self._open),
            volume_24h=size_text(self._volume),
            low_24h=product.price_text(self._low),
            high_24h=product.price_text(self._high),
            volume_30d=size_text(self._month + self._volume),
            best_bid=best_bid,
            best_bid_size=best_bid_size,
            best_ask=best_ask,
            best_ask_size=best_ask_size,
            side="buy" if match.side == "sell" else "sell",
            time=match.time,
            trade_id=match.trade_id,
            last_size=match.size,
        )
        return self.last

    def _best(self, side: Side) -> tuple[str, str]:
        for price, size in self._engine.sides[side]:
            return self._engine.product.price_text(price), size_text(size)
        return "0", size_text(0)
