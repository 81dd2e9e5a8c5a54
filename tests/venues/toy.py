"""A venue by the steps of docs/how_to/own_venue.md: two messages a frame, one sequence for the whole connection."""

# pyright: reportIncompatibleVariableOverride=false, reportGeneralTypeIssues=false
# pyright: reportIncompatibleMethodOverride=false

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

import msgspec
from msgspec.structs import force_setattr

from rxfeed import market
from rxfeed.core import GapDetector, Sequence
from rxfeed.errors import ConfigError
from rxfeed.market import UNDECODED, Count, Malformed, Message, Side, Ticker, Time, Trade, check, check_sizes
from rxfeed.secrets import Secret
from rxfeed.venues import Channel, Decoded, Kind, Observed, Venue

# ---- step 1: messages


class Print(Trade, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="print", rename={"price": "px"}):
    """A trade."""

    product_id: str
    trade_id: Count
    price: Decimal
    size: Decimal
    taker_side: Side
    time: Time
    sequence: int = -1  # of the frame
    place: int = 0  # in the frame

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)


class Quote(Ticker, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="quote", rename={"price": "px"}):
    """The price after a trade, with the best bid and ask."""

    product_id: str
    price: Decimal
    best_bid: Decimal
    best_ask: Decimal
    best_bid_size: None = None
    best_ask_size: None = None
    time: Time
    sequence: int = -1
    place: int = 0

    def __post_init__(self) -> None:
        check(self.price, self.best_bid, self.best_ask)


class Joined(market.Subscriptions, frozen=True, kw_only=True, gc=False, tag_field="kind", tag="joined"):
    """What the connection is subscribed to."""

    sequence: int = -1
    place: int = 0


class Frame(msgspec.Struct, frozen=True):
    seq: Count
    events: tuple[Print | Quote | Joined, ...]


# ---- step 2: requests


class Subscription(msgspec.Struct, frozen=True):
    products: tuple[str, ...]
    channels: tuple[str | dict[str, Any], ...]

    def requests(self, kind: Kind, credentials: Any, timestamp: str) -> list[str | Secret]:
        names = [each if isinstance(each, str) else each["name"] for each in self.channels]
        own = [p for each in self.channels if isinstance(each, dict) for p in each.get("product_ids", ())]
        products = [*dict.fromkeys((*self.products, *own))]
        return [msgspec.json.encode({"op": kind, "topics": names, "instruments": products}).decode()]

    def warn_of_products(self, stacklevel: int = 2) -> None:
        pass


# ---- step 3: decoding


class Decoder:
    quick = None

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Frame).decode

    def decode(self, raw: bytes) -> Decoded:
        try:
            frame = self._decode(raw)
        except UNDECODED as error:
            return Malformed(raw, str(error))
        for place, message in enumerate(frame.events):
            force_setattr(message, "sequence", frame.seq)
            force_setattr(message, "place", place)
        return frame.events


# ---- step 4: gaps


_NUMBER = re.compile(rb'{"seq": *([0-9]{1,18})\b')


class Gaps(GapDetector):
    """A connection counts its frames from 0; a gap is one of all products."""

    def __init__(self) -> None:
        super().__init__()
        self._frames = Sequence(None, "frames", self)
        self._fresh = True
        self.checks |= {Print: self._check, Quote: self._check, Joined: self._check}

    def _check(self, message: Print | Quote | Joined) -> bool:
        if not message.place:
            time: datetime | None = message.time
            self._fresh = self._frames.take(message.sequence, time)
        if isinstance(message, Joined):
            self.acknowledged(message)
        return self._fresh or self.hold(self._frames, message)

    def malformed(self, frame: Malformed) -> None:
        number = _NUMBER.match(frame.raw)
        if number is not None:
            self._frames.unknown(int(number[1]))

    def lost(self, product_id: str | None) -> None:
        if product_id is None:
            self.interrupted()
        else:
            super().lost(product_id)

    def reconnected(self, least: int = 0) -> None:
        super().reconnected(least)
        self._frames = Sequence(None, "frames", self)


# ---- step 5: the venue


class Toy(Venue):
    name = "toy"
    default_url = "ws://127.0.0.1:1"
    channels = (
        Channel("prints", frozenset((Print,)), numbering="connection"),
        Channel("quotes", frozenset((Quote,)), acknowledged="best_quotes", numbering="connection"),
    )
    types = (Print, Quote, Joined)
    common: ClassVar = {"trades": "prints", "ticker": "quotes"}
    hosts = frozenset(("feed.toy.example",))

    def subscription(self, products: Any, channels: Any, *, signed: bool = False) -> Subscription:
        many = [(each,) if isinstance(each, str) else tuple(each) for each in (products, channels)]
        names = tuple(self.named(each) for each in many[1])
        known = [each.name for each in self.channels]
        for name in names:
            if name not in known:
                raise ConfigError(f"channels: {name!r} is not a channel of toy: it has {', '.join(known)}")
        return Subscription(many[0], names)

    def grouped(self, channels: tuple[dict[str, Any], ...]) -> Subscription:
        return Subscription((), channels)

    def decoder(
        self,
        *,
        stored: bool = False,
        renamed: Mapping[str, str] | None = None,
        observed: Observed | None = None,
    ) -> Decoder:
        return Decoder()

    def gaps(self) -> GapDetector:
        return Gaps()

    def identity(self, message: Message) -> str:
        if isinstance(message, Print):
            return f"{message.product_id}/print/{message.trade_id}"
        return super().identity(message)


TOY = Toy()
