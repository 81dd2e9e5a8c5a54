"""The events of each channel of Advanced Trade, encoded once for all listeners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from rxfeed.core.matching import (
    MICROSECONDS,
    Event,
    HeartbeatEvent,
    MatchEvent,
    Side,
    TickEvent,
    size_text,
)
from rxfeed.sim.coinbase_advanced import user
from rxfeed.sim.coinbase_advanced.envelope import LATEST, Envelope
from rxfeed.sim.coinbase_advanced.products import status_product
from rxfeed.sim.coinbase_advanced.subscriptions import EVERYTHING, Pair
from rxfeed.sim.coinbase_advanced.texts import go_time, trimmed, trimmed_time
from rxfeed.sim.coinbase_advanced.tickers import Tickers
from rxfeed.sim.frames import Unnumbered
from rxfeed.sim.history import TradedSpan
from rxfeed.sim.level_changes import Level, LevelChanges
from rxfeed.sim.own_orders import OwnOrder
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import Client

TRADES = 100_000  # microseconds from one batch of trades to the next
BEAT = 850_000  # ... in a second, of a heartbeat; so trades from before it may come after it, as at the venue
QUOTES = 250_000  # ... of tickers for changes of the best prices
SLOW = 5 * MICROSECONDS  # ... of `candles`, `ticker_batch`, `status` and the futures balance
CANDLE = 300  # seconds
SNAPSHOT = 100  # trades, and candles
UPTIME = 41_000 * MICROSECONDS + 260_485  # of the server when the market starts
SIDES: dict[Side, str] = {"buy": "bid", "sell": "offer"}
FRAMES = {"level2": "l2_data"}  # where frames have another channel than subscriptions


class AdvancedChannels:
    """Sends what happens in *simulation* to the listeners of each channel and product."""

    def __init__(self, simulation: Simulation) -> None:
        self._market = simulation.market
        self._engines = simulation.market.engines
        self._history = simulation.history
        self._orders = simulation.orders
        self._orders.changed = self._order_changed
        self.envelope = Envelope(simulation.market)
        self._started = simulation.market.micros
        self._audience: dict[Pair, list[Client]] = {}
        self._changes = LevelChanges(self._engines)
        self._tickers = {name: Tickers(engine) for name, engine in self._engines.items()}
        self._fresh: dict[str, None] = {}  # products with a trade since the last tick
        self._batched: dict[str, None] = {}  # ... since the last `ticker_batch`
        self._pending: dict[str, int] = {}  # product id -> its first trade since the last batch
        self._candles: dict[Pair, None] = {}  # (product id, start) of changed candles; a set in their order

    def listed(self, product_id: str) -> None:
        """The market has *product_id* from now on."""
        if product_id not in self._tickers:
            self._tickers[product_id] = Tickers(self._engines[product_id])
        self._changes.listed(product_id)

    def join(self, pairs: Iterable[Pair], listener: Client) -> None:
        """Send the snapshots of *pairs* to *listener*, and from now on the events."""
        pairs = list(pairs)
        channels: dict[str, list[str]] = {}
        for channel, product_id in pairs:
            channels.setdefault(channel, []).append(product_id)
        for channel, product_ids in channels.items():
            if channel == "level2":
                for product_id in product_ids:
                    listener.offer(self._book_frame(product_id))
            else:
                for event in self._first(channel, product_ids):
                    listener.offer(self.envelope.wrap(channel, event))
        for pair in pairs:
            self._audience.setdefault(pair, []).append(listener)

    def leave(self, pairs: Iterable[Pair], listener: Client) -> None:
        """Stop sending events of *pairs* to *listener*."""
        for pair in pairs:
            self._audience[pair].remove(listener)

    def publish(self, event: Event) -> None:
        """Collect an event of the market, or send what has been collected."""
        if isinstance(event, TickEvent):
            self._tick(event.micros)
        elif not isinstance(event, HeartbeatEvent):
            self._changes.add(event)
            if isinstance(event, MatchEvent):
                product_id = event.product_id
                self._tickers[product_id].add(event)
                self._fresh[product_id] = self._batched[product_id] = None
                self._pending.setdefault(product_id, event.trade_id)
                start = self._market.shown_micros // MICROSECONDS // CANDLE * CANDLE
                self._candles[product_id, str(start)] = None

    def _tick(self, micros: int) -> None:
        for product_id, moved in self._changes.take():
            if self._heard("level2", product_id):
                self._send("level2", product_id, self._l2_update(product_id, moved))
        if micros % TRADES == 0:
            for product_id, first in self._pending.items():
                if self._heard("market_trades", product_id):
                    self._send("market_trades", product_id, self._trades("update", product_id, first))
            self._pending.clear()
        for product_id, tickers in self._tickers.items():
            if self._heard("ticker", product_id):
                moved = micros % QUOTES == 0 and tickers.moved()
                if moved or product_id in self._fresh:
                    self._send("ticker", product_id, tickers.event("update"))
        self._fresh.clear()
        if micros % MICROSECONDS == BEAT and self._heard("heartbeats", EVERYTHING):
            self._send("heartbeats", EVERYTHING, self._heartbeat(micros))
        if micros % SLOW == 0:
            self._slow()

    def _slow(self) -> None:
        for product_id in self._batched:
            if self._heard("ticker_batch", product_id):
                self._send("ticker_batch", product_id, self._tickers[product_id].event("update", best=False))
        self._batched.clear()
        for product_id, start in self._candles:
            if self._heard("candles", product_id):
                candle = self._history.of[product_id].candle(CANDLE, int(start))
                if candle is not None:
                    self._send("candles", product_id, {"type": "update", "candles": [self._candle(product_id, candle)]})
        self._candles.clear()
        for product_id in self._engines:
            if self._heard("status", product_id):
                self._send("status", product_id, self._status("update", [product_id]))
        if self._heard("futures_balance_summary", EVERYTHING):
            self._send("futures_balance_summary", EVERYTHING, user.futures_balance("update"))

    def _order_changed(self, order: OwnOrder) -> None:
        if self._heard("user", order.product_id):
            self._send("user", order.product_id, user.update(order))

    def _heard(self, channel: str, product_id: str) -> list[Client] | None:
        return self._audience.get((channel, product_id))

    def _send(self, channel: str, product_id: str, event: dict[str, object]) -> None:
        frame = self.envelope.wrap(FRAMES.get(channel, channel), event)
        for listener in self._audience[channel, product_id]:
            listener.offer(frame)

    # Events

    def _first(self, channel: str, product_ids: list[str]) -> Iterator[dict[str, object]]:
        """What a channel sends at once to a new subscriber: an event for each product, or one for all."""
        match channel:
            case "status":
                yield self._status("snapshot", product_ids)
            case "user":
                yield from user.snapshots(order for order in self._orders.open() if order.product_id in product_ids)
            case "futures_balance_summary":
                yield user.futures_balance("snapshot")
            case "heartbeats":
                pass
            case _:
                for product_id in product_ids:
                    yield self._snapshot(channel, product_id)

    def _snapshot(self, channel: str, product_id: str) -> dict[str, object]:
        match channel:
            case "market_trades":
                return self._trades("snapshot", product_id)
            case "candles":
                candles = self._history.of[product_id].candles(CANDLE)[-SNAPSHOT:]
                return {"type": "snapshot", "candles": [self._candle(product_id, candle) for candle in candles]}
            case _:
                return self._tickers[product_id].event("snapshot", best=channel == "ticker")

    def _book_frame(self, product_id: str) -> Unnumbered:
        frame = self.envelope.wrap("l2_data", self._l2_snapshot(product_id))
        return frame._replace(again=partial(self._book_frame, product_id))

    def _l2_snapshot(self, product_id: str) -> dict[str, object]:
        engine = self._engines[product_id]
        time = trimmed_time(self._market.clock())
        price_text = engine.product.price_text
        updates = [
            _level(side, time, price_text(price), size)
            for side, name in SIDES.items()
            for price, size in engine.sides[side]
        ]
        return {"type": "snapshot", "product_id": product_id, "updates": updates}

    def _l2_update(self, product_id: str, moved: dict[Level, str]) -> dict[str, object]:
        """The new sizes of the moved levels, best first; a level that came and went since the last is a delete."""
        engine = self._engines[product_id]
        price_of = engine.product.price_of
        time = trimmed_time(max(moved.values()))
        updates = []
        for side, book in engine.sides.items():
            prices = [price for of, price in moved if of == side]
            for price in sorted(prices, key=price_of, reverse=side == "buy"):
                updates.append(_level(side, time, price, book.size_at(price_of(price))))
        return {"type": "update", "product_id": product_id, "updates": updates}

    def _trades(self, type: str, product_id: str, first: int | None = None) -> dict[str, object]:
        """The trades from the id *first* on, or the last 100 that were in a batch; newest first."""
        history = self._history.of[product_id]
        if first is None:
            trades = islice(history.newest_first(self._pending.get(product_id)), SNAPSHOT)
        else:
            trades = islice(history.newest_first(), self._engines[product_id].last_trade_id + 1 - first)
        items = [
            {
                "product_id": product_id,
                "trade_id": str(trade.trade_id),
                "price": trimmed(trade.price),
                "size": trimmed(trade.size),
                "time": trimmed_time(trade.time),
                "side": trade.side.upper(),
            }
            for trade in trades
        ]
        return {"type": type, "trades": items}

    def _candle(self, product_id: str, candle: TradedSpan) -> dict[str, str]:
        price_text = self._engines[product_id].product.price_text
        return {
            "start": str(candle.start),
            "high": trimmed(price_text(candle.high)),
            "low": trimmed(price_text(candle.low)),
            "open": trimmed(price_text(candle.open)),
            "close": trimmed(price_text(candle.close)),
            "volume": trimmed(size_text(candle.volume)),
            "product_id": product_id,
        }

    def _status(self, type: str, product_ids: list[str]) -> dict[str, object]:
        delisted = self._market.delisted
        products = [status_product(self._engines[name].product, delisted=name in delisted) for name in product_ids]
        return {"type": type, "products": products}

    def _heartbeat(self, micros: int) -> dict[str, object]:
        """The wall clock may jump; the server's uptime and the counter do not."""
        uptime = UPTIME + micros - self._started
        nanos = micros * 37_000 % LATEST
        now = go_time(self._market.shown_micros * 1_000 + nanos, uptime * 1_000 + nanos)
        return {"current_time": now, "heartbeat_counter": uptime // MICROSECONDS}


def _level(side: Side, time: str, price: str, size: int) -> dict[str, str]:
    return {
        "side": SIDES[side],
        "event_time": time,
        "price_level": trimmed(price),
        "new_quantity": trimmed(size_text(size)),
    }
