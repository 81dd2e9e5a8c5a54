"""The frames of each channel for the market's events, encoded once for all listeners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Protocol

import msgspec

from rxfeed.core.matching import (
    MICROSECONDS,
    ChangeEvent,
    DoneEvent,
    Event,
    HeartbeatEvent,
    MatchEvent,
    OpenEvent,
    OrderEvent,
    Side,
    TickEvent,
    size_text,
)
from rxfeed.sim.coinbase_exchange.status import status
from rxfeed.sim.coinbase_exchange.ticker import TickerMessage, TickerTape
from rxfeed.sim.frames import Frame, encode, text_frame
from rxfeed.sim.level_changes import Level, LevelChanges
from rxfeed.sim.market import Market

SLOW = 5 * MICROSECONDS  # of `ticker_batch` and `status`
EVERYTHING = ""  # in place of a product id, where a channel has none

SCHEMA = {
    "type": "level3",
    "schema": {
        "change": ["type", "product_id", "sequence", "order_id", "price", "size", "time"],
        "done": ["type", "product_id", "sequence", "order_id", "time"],
        "match": [
            "type",
            "product_id",
            "sequence",
            "maker_order_id",
            "taker_order_id",
            "price",
            "size",
            "time",
        ],
        "noop": ["type", "product_id", "sequence", "time"],
        "open": ["type", "product_id", "sequence", "order_id", "side", "price", "size", "time"],
    },
}

Pair = tuple[str, str]  # (channel, product id)


class Listener(Protocol):
    """A receiver of frames."""

    def offer(self, frame: Frame) -> None: ...


class ExchangeChannels:
    """Sends what *market* publishes to the listeners of each channel and product."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._engines = market.engines
        self._tapes = {name: TickerTape(engine) for name, engine in market.engines.items()}
        self._audience: dict[Pair, list[Listener]] = {}
        self._changes = LevelChanges(market.engines)
        self._traded: dict[str, TickerMessage] = {}
        market.publish = self.publish

    def listed(self, product_id: str) -> None:
        """The market has *product_id* from now on."""
        if product_id not in self._tapes:
            self._tapes[product_id] = TickerTape(self._engines[product_id])
        self._changes.listed(product_id)

    def join(self, pairs: Iterable[Pair], listener: Listener) -> None:
        """Send the first frames of *pairs* to *listener*, and from now on those of events."""
        pairs = list(pairs)
        if any(channel == "level3" for channel, _ in pairs):
            listener.offer(text_frame("level3", encode(SCHEMA)))
        for pair in pairs:
            for frame in self._first(*pair):
                listener.offer(frame)
            self._audience.setdefault(pair, []).append(listener)

    def leave(self, pairs: Iterable[Pair], listener: Listener) -> None:
        """Stop sending frames of *pairs* to *listener*."""
        for pair in pairs:
            self._audience[pair].remove(listener)

    def publish(self, event: Event) -> None:
        """Send the frames of *event* on each channel."""
        if isinstance(event, TickEvent):
            self._tick(event.micros)
        elif isinstance(event, HeartbeatEvent):
            self._send("heartbeat", event.product_id, event)
        else:
            self._order_event(event)

    def _order_event(self, event: OrderEvent) -> None:
        product_id = event.product_id
        seen, levels = self._changes.add(event)
        self._send("full", product_id, event)
        if self._audience.get(("level3", product_id)):
            array = _level3(event, seen)
            self._deliver("level3", product_id, array[0], array)
        if isinstance(event, MatchEvent):
            self._send("matches", product_id, event)
            ticker = self._tapes[product_id].after(event)
            self._send("ticker", product_id, ticker)
            self._traded[product_id] = ticker
        if levels and self._audience.get(("level2", product_id)):
            update = self._l2update(product_id, levels, event.time)
            self._deliver("level2", product_id, "l2update", update)

    def _tick(self, micros: int) -> None:
        for product_id, moved in self._changes.take():
            if self._audience.get(("level2_batch", product_id)):
                # A sort that keeps the order: buys before sells, each as they came.
                levels = sorted(moved, key=lambda level: level[0])
                update = self._l2update(product_id, levels, max(moved.values()))
                self._deliver("level2_batch", product_id, "l2update", update)
        if micros % SLOW == 0:
            for product_id, ticker in self._traded.items():
                self._send("ticker_batch", product_id, ticker)
            self._traded.clear()
            if self._audience.get(("status", EVERYTHING)):
                self._deliver("status", EVERYTHING, "status", self._status())

    def _send(self, channel: str, product_id: str, event: OrderEvent | HeartbeatEvent | TickerMessage) -> None:
        self._deliver(channel, product_id, event.type, event)

    def _deliver(self, channel: str, product_id: str, type: str, message: object) -> None:
        listeners = self._audience.get((channel, product_id))
        if listeners:
            frame = text_frame(type, encode(message))
            for listener in listeners:
                listener.offer(frame)

    def _first(self, channel: str, product_id: str) -> list[Frame]:
        """The frames that a channel sends at once to a new subscriber."""
        if channel == "status":
            return [text_frame("status", encode(self._status()))]
        if channel == "ticker":
            return [text_frame("ticker", encode(self._tapes[product_id].last))]
        if channel == "matches":
            match = self._engines[product_id].last_match
            last = msgspec.structs.replace(match, type="last_match") if match else None
            return [text_frame("last_match", encode(last))] if last else []
        if channel in ("level2", "level2_batch"):
            return [self._snapshot_frame(product_id)]
        return []

    def _status(self) -> dict:
        return status((engine.product for engine in self._engines.values()), self._market.delisted)

    def _snapshot_frame(self, product_id: str) -> Frame:
        frame = text_frame("snapshot", encode(self._snapshot(product_id)))
        return frame._replace(again=partial(self._snapshot_frame, product_id))

    def _snapshot(self, product_id: str) -> Mapping[str, object]:
        engine = self._engines[product_id]
        price_text = engine.product.price_text

        def levels(side: Side) -> list[tuple[str, str]]:
            return [(price_text(price), size_text(size)) for price, size in engine.sides[side]]

        return {
            "type": "snapshot",
            "product_id": product_id,
            "asks": levels("sell"),
            "bids": levels("buy"),
            "time": self._market.clock(),
        }

    def _l2update(self, product_id: str, levels: Iterable[Level], time: str) -> Mapping[str, object]:
        engine = self._engines[product_id]
        changes = []
        for side, price in levels:
            size = engine.sides[side].size_at(engine.product.price_of(price))
            changes.append((side, price, size_text(size)))
        return {"type": "l2update", "product_id": product_id, "changes": changes, "time": time}


def _level3(event: OrderEvent, seen: bool) -> tuple[str, ...]:
    """The array of *event* in the layout of SCHEMA; a `noop` if it does not concern the book."""
    head = (event.type, event.product_id, str(event.sequence))
    match event:
        case OpenEvent():
            size = event.remaining_size
            return (*head, event.order_id, event.side, event.price, size, event.time)
        case MatchEvent():
            ids = (event.maker_order_id, event.taker_order_id)
            return (*head, *ids, event.price, event.size, event.time)
        case ChangeEvent():
            price = event.price or event.new_price
            return (*head, event.order_id, str(price), event.new_size, event.time)
        case DoneEvent() if seen:
            return (*head, event.order_id, event.time)
        case _:
            return ("noop", *head[1:], event.time)
