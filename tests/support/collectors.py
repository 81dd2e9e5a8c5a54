"""A market, and collectors that receive it, each with its own losses: the input for tests of `Merge`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from rxfeed.core import ConnectionChange, ReceivedItem
from rxfeed.market import ChannelSubscription, Malformed, Message, Origin, RepairedOrigin, stamp
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from rxfeed.venues.coinbase_exchange.messages import (
    ExchangeAuction,
    ExchangeHeartbeat,
    ExchangeSubscriptions,
    ExchangeTicker,
    L2Update,
    LastMatch,
    Match,
    Open,
    Received,
    Snapshot,
)
from tests.support.make import NOON, heartbeat, last_match, match, ticker

SECOND = 1_000_000_000
START_NS = int(NOON.timestamp()) * SECOND
CHANNELS = {
    "matches": (Match, LastMatch),
    "full": (Received, Open, Match),
    "ticker": (ExchangeTicker,),
    "heartbeat": (ExchangeHeartbeat,),
    "auctionfeed": (ExchangeAuction,),
    "level2": (Snapshot, L2Update),
}


@dataclass
class Market:
    """The events: (seconds after noon, message), and the books by price after each of them."""

    products: Sequence[str] = ("BTC-USD",)
    said: list[tuple[float, Message]] = field(default_factory=list)
    books: dict[str, list[tuple[float, dict[str, dict[Decimal, Decimal]]]]] = field(default_factory=dict)

    def run(self, kinds: Iterable[tuple[str, str]], step: float = 0.25) -> Market:
        """*kinds*: what happens every *step* seconds, as pairs of kind and product."""
        sequence = dict.fromkeys(self.products, 100)
        trade_id = dict.fromkeys(self.products, 10)
        sides = {product: {"buy": {Decimal(1): Decimal(1)}, "sell": {Decimal(9): Decimal(1)}} for product in sequence}
        self.books = {product: [(float("-inf"), _copy(sides[product]))] for product in self.products}
        for count, (kind, product) in enumerate(kinds):
            at = count * step
            if kind in ("trade", "order"):
                sequence[product] += 1
            common: dict[str, Any] = {"product_id": product, "time": at}
            if kind == "trade":
                trade_id[product] += 1
                common |= {"sequence": sequence[product], "trade_id": trade_id[product]}
                self.said.append((at, match(count + 1, **common)))
                self.said.append((at, ticker(count + 1, **common)))
            elif kind == "order":
                order: dict[str, Any] = {"order_id": f"o{count}", "side": "buy", "sequence": sequence[product]}
                common["time"] = NOON + timedelta(seconds=at)
                made = Received(**common, **order) if count % 2 else _open(**common, **order)
                self.said.append((at, made))
            elif kind == "beat":
                beat = heartbeat(at, product_id=product, last_trade_id=trade_id[product])
                self.said.append((at, _changed(beat, sequence=sequence[product])))
            elif kind == "auction":
                common["time"] = NOON + timedelta(seconds=at)
                self.said.append((at, ExchangeAuction(**common, sequence=sequence[product], auction_state="opening")))
            elif kind == "book":
                side, price, size = ("buy", "sell")[count % 2], Decimal(count % 5 + 1), Decimal(count % 3)
                sides[product][side][price] = size
                self.books[product].append((at, _copy(sides[product])))
                time = NOON + timedelta(seconds=at)
                self.said.append((at, L2Update(product_id=product, changes=((side, price, size),), time=time)))  # pyright: ignore[reportArgumentType]
        return self

    def opening(self, product: str, at: float) -> list[Message]:
        """What a subscription begins with."""
        before = [message for time, message in self.said if time <= at and message.product_id == product]
        opening: list[Message] = []
        trades = [each for each in before if isinstance(each, Match)]
        if trades:
            last = trades[-1]
            opening.append(
                last_match(
                    last.price, product_id=product, time=last.time, trade_id=last.trade_id, sequence=last.sequence
                )
            )
            opening += [each for each in before if isinstance(each, ExchangeTicker)][-1:]
        book = next(book for time, book in reversed(self.books[product]) if time <= at)
        sides = [tuple((price, size) for price, size in book[side].items() if size) for side in ("buy", "sell")]
        opening.append(Snapshot(product_id=product, bids=sides[0], asks=sides[1]))
        return opening


@dataclass
class Recorder:
    """One collector: connected in *spans* of seconds, without the frames with an ordinal in *drops*."""

    channels: Sequence[str] = ("matches", "heartbeat")
    products: Sequence[str] = ("BTC-USD",)
    spans: Sequence[tuple[float, float]] = ((-1.0, 1e6),)
    drops: frozenset[int] = frozenset()
    garbled: frozenset[int] = frozenset()
    older: bool = False
    """It records a `last_match` as it came, also where it is the trade that was missed."""
    latency: Sequence[float] = (0.05,)
    skew: float = 0.0

    def record(self, market: Market, number: int = 0) -> list[ReceivedItem]:
        """What a feed would have recorded, with its own epochs, as it merges."""
        heard: list[ReceivedItem] = []
        continuity = ExchangeGaps()
        continuity.watch((channel, product) for channel in self.channels for product in self.products)
        kinds = tuple(kind for channel in self.channels for kind in CHANNELS[channel])
        frame, ns = 0, 0
        for connection, (begin, end) in enumerate(self.spans):
            if connection:
                continuity.reconnected()
            ns = max(ns, self._ns(begin, frame))
            heard.append(ReceivedItem(number, ns, ConnectionChange(up=True, status=f"up {number}")))
            sent: list[tuple[float, Message]] = [(begin, self._ack())]
            for product in self.products:
                sent += [(begin, message) for message in market.opening(product, begin)]
            sent += [(at, each) for at, each in market.said if begin < at <= end and each.product_id in self.products]
            for at, message in sent:
                if not isinstance(message, (*kinds, ExchangeSubscriptions)):
                    continue
                if isinstance(message, LastMatch) and "matches" not in self.channels:
                    continue
                frame += 1
                if frame in self.drops and not isinstance(message, Snapshot | L2Update | ExchangeSubscriptions):
                    continue
                ns = max(ns, self._ns(at, frame))
                if frame in self.garbled and not isinstance(message, ExchangeSubscriptions):
                    continuity.interrupted()
                    heard.append(ReceivedItem(number, ns, Malformed(b"%d/%d" % (number, frame), "no", ns)))
                elif continuity.step(message):
                    origin = Origin(message.raw, ns, continuity.epoch(message.product_id))
                    heard.append(ReceivedItem(number, ns, stamp(_changed(message), origin)))
                elif continuity.new is not None:
                    new, continuity.new = message if self.older else continuity.new, None
                    kind = Origin if self.older else RepairedOrigin
                    raw = message.raw if self.older else continuity.new_frame(message.raw)
                    origin = kind(raw, ns, continuity.epoch(message.product_id))
                    heard.append(ReceivedItem(number, ns, stamp(_changed(new), origin)))
            ns = max(ns, self._ns(min(end, market.said[-1][0] + 2), frame))
            heard.append(ReceivedItem(number, ns, ConnectionChange(up=False, status=f"down {number}")))
        heard.append(ReceivedItem(number, ns, ConnectionChange(up=False, over=True)))
        return heard

    def _ns(self, at: float, frame: int) -> int:
        return START_NS + round((at + self.latency[frame % len(self.latency)] + self.skew) * SECOND)

    def _ack(self) -> ExchangeSubscriptions:
        channels = tuple(ChannelSubscription(name, tuple(self.products)) for name in self.channels)
        return ExchangeSubscriptions(channels=channels)


def together(*recorded: list[ReceivedItem]) -> list[ReceivedItem]:
    return sorted((each for one in recorded for each in one), key=lambda each: each.ns)


def _open(**fields: Any) -> Open:
    return Open(price=Decimal(1), remaining_size=Decimal(1), **fields)


def _changed(message: Any, **fields: Any) -> Any:
    """An independent copy, without an origin."""
    given = {name: getattr(message, name) for name in message.__struct_fields__ if name != "_origin"}
    return type(message)(**(given | fields))


def _copy(sides: dict[str, dict[Decimal, Decimal]]) -> dict[str, dict[Decimal, Decimal]]:
    return {side: dict(levels) for side, levels in sides.items()}
