"""The messages of the exchange: one frozen struct for each message type of the Exchange feed.

Prices, sizes and money are `Decimal`, times are timezone-aware `datetime`s with microseconds (decoding one costs 45 ns
more than copying its text), ids are `str`, sequences and trade ids are `int`. A field that
the exchange may omit is `None` then. Keys without a field here are in `Message.content`. Numbers follow the rules of
`rxfeed.values`: a message with any other number cannot be made.

Source: the feed's channel reference, https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeVar, final

import msgspec
from msgspec.structs import force_setattr

from rxfeed.values import NEGATIVE, NOT_FINITE, TOO_LONG, ZERO, check, check_sizes, fits

Side = Literal["buy", "sell"]
Time = Annotated[datetime, msgspec.Meta(tz=True)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Level = tuple[Decimal, Decimal]
"""A price and the size of the orders at it."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = Context(prec=100)
_MILLION = Decimal(1_000_000)
_fits: Callable[[Any], Decimal] = fits  # raises `TypeError` for `None`
_M = TypeVar("_M", bound="Message")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 1000 else float(digits)


class Origin(msgspec.Struct, frozen=True, gc=False):
    """The origin of a message: the frame's bytes, the time of its receipt, and its product's epoch."""

    raw: bytes
    received_ns: int
    epoch: int


class _NotOnTheWire:
    """The declared type of `_origin`: no JSON decodes to it, so a frame cannot set it."""


# gc=False: these structs have no reference cycles, so the garbage collector need not track them.
class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The fields of every message; `product_id` and `time` are `None` if the type has none."""

    product_id: str | None = None
    time: Time | None = None
    _origin: _NotOnTheWire | None = None

    @property
    def type(self) -> str:
        """The message's `type`, as sent by the exchange."""
        return str(self.__struct_config__.tag)

    @property
    def raw(self) -> bytes:
        """The frame as received; for a message without a frame, its encoding."""
        origin: Any = self._origin
        return msgspec.json.encode(self) if origin is None else origin.raw

    @property
    def content(self) -> Any:
        """The frame as plain `dict` (level3: `list`), every key and text as sent, decoded anew at each call."""
        raw = self.raw
        try:
            return msgspec.json.decode(raw)
        except msgspec.DecodeError:  # a number that a field of no type here holds, and a float does not
            return json.loads(raw, parse_int=_integer)

    @property
    def received_ns(self) -> int:
        """Unix nanoseconds at which the frame's bytes were read from the socket; 0 for a message without a frame."""
        origin: Any = self._origin
        return 0 if origin is None else origin.received_ns

    @property
    def received(self) -> datetime:
        """`received_ns` as a UTC datetime."""
        return _EPOCH + timedelta(microseconds=self.received_ns // 1000)

    @property
    def epoch(self) -> int:
        """A number that rises when messages of the product may have been missed; there is no gap within an epoch."""
        origin: Any = self._origin
        return 0 if origin is None else origin.epoch

    def __repr__(self) -> str:
        shown = (
            f"{name}={value!r}"
            for name in self.__struct_fields__
            if name != "_origin" and (value := getattr(self, name)) is not None
        )
        return f"{type(self).__name__}({', '.join(shown)})"


def stamp(message: _M, origin: Origin) -> _M:
    """*message* itself, with *origin*; only for the code that creates the message."""
    force_setattr(message, "_origin", origin)
    return message


@final
class Malformed(msgspec.Struct, frozen=True, gc=False):
    """A frame that is not JSON, or JSON of the wrong shape, and why; *raw* is empty for one over `max_size`.

    *received_ns*: Unix nanoseconds at which its bytes were read; 0 for one that no feed received. *product_id* and
    *type*: what the frame names, `None` where it names none that can be read.
    """

    raw: bytes
    reason: str
    received_ns: int = 0
    product_id: str | None = None
    type: str | None = None


class Unknown(Message, frozen=True, kw_only=True, gc=False):
    """A message of a type that is not listed here; `content` has all of it.

    *sequence*: its number in the product's sequence, if it has one. *level3*: it came as an array of that channel.
    """

    type: str  # pyright: ignore[reportIncompatibleMethodOverride, reportIncompatibleVariableOverride]  # no tag
    sequence: int | None = None
    level3: bool = False


# ---- about the connection


class ChannelSubscription(msgspec.Struct, frozen=True, gc=False):
    """One channel of a `Subscriptions` answer, by the exchange's name for it (`level2_batch` is `level2_50`)."""

    name: str
    product_ids: tuple[str, ...] | None = None
    account_ids: tuple[str, ...] | None = None


class Subscriptions(Message, frozen=True, kw_only=True, gc=False, tag="subscriptions"):
    """All that this connection is subscribed to, in answer to every subscribe and unsubscribe."""

    channels: tuple[ChannelSubscription, ...]


class ErrorMessage(Message, frozen=True, kw_only=True, gc=False, tag="error"):
    """The exchange rejects a request; the connection usually continues."""

    message: str
    reason: str | None = None


class Heartbeat(Message, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """Once a second and product; *sequence* repeats the product's last, *last_trade_id* is 0 before any trade."""

    product_id: str
    sequence: Count
    last_trade_id: Count
    time: Time


# ---- trades and prices


class _Trade(Message, frozen=True, kw_only=True, gc=False):
    product_id: str
    trade_id: Count
    sequence: Count
    side: Side
    price: Decimal
    size: Decimal
    time: Time
    maker_order_id: str
    taker_order_id: str
    user_id: str | None = None
    profile_id: str | None = None
    maker_user_id: str | None = None
    maker_profile_id: str | None = None
    maker_fee_rate: Decimal | None = None
    taker_user_id: str | None = None
    taker_profile_id: str | None = None
    taker_fee_rate: Decimal | None = None

    def __post_init__(self) -> None:
        # Most messages of some pipelines are trades: what `check` and `check_sizes` do is written out here.
        size = self.size
        try:
            if not (fits(self.price).is_finite() and fits(size).is_finite()):
                raise ValueError(NOT_FINITE)
        except ArithmeticError:
            raise ValueError(TOO_LONG) from None
        if size.is_signed() and size < ZERO:  # -0 has a sign; the first look costs less than a comparison
            raise ValueError(NEGATIVE)
        if self.taker_fee_rate is not None or self.maker_fee_rate is not None:
            check(self.taker_fee_rate, self.maker_fee_rate)

    @property
    def taker_side(self) -> Side:
        """The side of the order that came in and traded: the opposite of `side`, which is the maker's."""
        return "buy" if self.side == "sell" else "sell"


class Match(_Trade, frozen=True, kw_only=True, gc=False, tag="match"):
    """A trade; *side* is the maker's. *sequence* is the product's on `full`, so it skips on `matches`."""


class LastMatch(_Trade, frozen=True, kw_only=True, gc=False, tag="last_match"):
    """The product's last trade before the subscription, perhaps hours old: not a new one, and so not a `Match`."""


class RfqMatch(Message, frozen=True, kw_only=True, gc=False, tag="rfq_match"):
    """A trade that came of a request for quote; it has no sequence. Upper case sides become lower case."""

    product_id: str
    side: Side | Literal["BUY", "SELL"]
    price: Decimal
    size: Decimal
    time: Time
    trade_id: Count | None = None
    maker_order_id: str | None = None
    taker_order_id: str | None = None

    def __post_init__(self) -> None:
        if self.side.isupper():
            force_setattr(self, "side", self.side.lower())
        check(self.price)
        check_sizes(self.size)


class Ticker(Message, frozen=True, kw_only=True, gc=False, tag="ticker"):
    """The price after a trade, with the best bid and ask; *side* is the taker's. Also what `ticker_batch` sends.

    A product's first one may have no *sequence*, *time* and *trade_id*: before any trade.
    """

    product_id: str
    price: Decimal
    sequence: Count | None = None
    best_bid: Decimal | None = None
    best_bid_size: Decimal | None = None
    best_ask: Decimal | None = None
    best_ask_size: Decimal | None = None
    side: Side | None = None
    trade_id: Count | None = None
    last_size: Decimal | None = None
    open_24h: Decimal | None = None
    high_24h: Decimal | None = None
    low_24h: Decimal | None = None
    volume_24h: Decimal | None = None
    volume_30d: Decimal | None = None

    def __post_init__(self) -> None:
        # Nearly every ticker has all of these: what `check` does is written out, which takes a quarter less.
        try:
            if (
                _fits(self.price).is_finite()
                and _fits(self.best_bid).is_finite()
                and _fits(self.best_ask).is_finite()
                and _fits(self.best_bid_size).is_finite()
                and _fits(self.best_ask_size).is_finite()
                and _fits(self.last_size).is_finite()
                and _fits(self.open_24h).is_finite()
                and _fits(self.high_24h).is_finite()
                and _fits(self.low_24h).is_finite()
                and _fits(self.volume_24h).is_finite()
                and _fits(self.volume_30d).is_finite()
            ):
                return
        except (TypeError, ArithmeticError):
            pass
        check(*_ticker_numbers(self))


_ticker_numbers = attrgetter(
    "price",
    "best_bid",
    "best_ask",
    "best_bid_size",
    "best_ask_size",
    "last_size",
    "open_24h",
    "high_24h",
    "low_24h",
    "volume_24h",
    "volume_30d",
)


class Auction(Message, frozen=True, kw_only=True, gc=False, tag="auction", rename={"time": "timestamp"}):
    """The state of an auction (*auction_state*: collection, opening, complete), about once a second."""

    product_id: str
    sequence: Count
    auction_state: str
    time: Time
    best_bid_price: Decimal | None = None
    best_bid_size: Decimal | None = None
    best_ask_price: Decimal | None = None
    best_ask_size: Decimal | None = None
    open_price: Decimal | None = None
    open_size: Decimal | None = None
    can_open: str | None = None

    def __post_init__(self) -> None:
        check(self.best_bid_price, self.best_ask_price, self.open_price)
        check_sizes(self.best_bid_size, self.best_ask_size, self.open_size)


# ---- level 2


def _check_levels(side: tuple[Level, ...]) -> None:
    try:
        for price, size in side:
            if not (fits(price).is_finite() and fits(size).is_finite()):
                raise ValueError(NOT_FINITE)
            if size.is_signed() and size < ZERO:
                raise ValueError(NEGATIVE)
    except ArithmeticError:
        raise ValueError(TOO_LONG) from None


class Snapshot(Message, frozen=True, kw_only=True, gc=False, tag="snapshot"):
    """The whole book by price, best first on each side."""

    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def __post_init__(self) -> None:
        _check_levels(self.bids)
        _check_levels(self.asks)


class L2Update(Message, frozen=True, kw_only=True, gc=False, tag="l2update"):
    """Changes `(side, price, size)` to the book: *size* is the new total there, zero removes the price."""

    product_id: str
    changes: tuple[tuple[Side, Decimal, Decimal], ...]

    def __post_init__(self) -> None:
        # Nearly all of a feed of books is of this type: what `check` and `check_sizes` do is written out here.
        try:
            for _, price, size in self.changes:
                if not (fits(price).is_finite() and fits(size).is_finite()):
                    raise ValueError(NOT_FINITE)
                if size.is_signed() and size < ZERO:
                    raise ValueError(NEGATIVE)
        except ArithmeticError:
            raise ValueError(TOO_LONG) from None


# ---- orders: `full` and `user`


class _Order(Message, frozen=True, kw_only=True, gc=False):
    product_id: str
    order_id: str
    side: Side
    time: Time
    # A private message of the user channel may come without one, and never raises the product's.
    sequence: Count | None = None
    user_id: str | None = None
    profile_id: str | None = None


class Received(_Order, frozen=True, kw_only=True, gc=False, tag="received"):
    """An order came in. A market order has no price, and *size*, *funds* or both."""

    order_type: str | None = None
    price: Decimal | None = None
    size: Decimal | None = None
    funds: Decimal | None = None
    client_oid: str | None = None

    def __post_init__(self) -> None:
        check(self.price, self.funds)
        check_sizes(self.size)


class Open(_Order, frozen=True, kw_only=True, gc=False, tag="open"):
    """An order rests on the book with *remaining_size*."""

    price: Decimal
    remaining_size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.remaining_size)


class Done(_Order, frozen=True, kw_only=True, gc=False, tag="done"):
    """An order has ended (*reason*: filled, canceled); perhaps one that never rested on the book."""

    reason: str
    price: Decimal | None = None
    remaining_size: Decimal | None = None
    cancel_reason: str | None = None

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.remaining_size)


class Change(Message, frozen=True, kw_only=True, gc=False, tag="change"):
    """An order was changed (*reason*: STP, modify_order; `None` before 2022).

    The change of a stop order that was triggered may have no *product_id*, *time*, *sequence* and *side*.
    """

    order_id: str
    side: Side | None = None
    sequence: Count | None = None
    user_id: str | None = None
    profile_id: str | None = None
    reason: str | None = None
    price: Decimal | None = None
    old_price: Decimal | None = None
    new_price: Decimal | None = None
    old_size: Decimal | None = None
    new_size: Decimal | None = None
    old_funds: Decimal | None = None
    new_funds: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.price, self.old_price, self.new_price, self.old_funds, self.new_funds)
        check_sizes(self.old_size, self.new_size)


class Activate(Message, frozen=True, kw_only=True, gc=False, tag="activate"):
    """A stop order of yours is live. The exchange gives *timestamp* (Unix seconds), and `time` is made of it."""

    product_id: str
    order_id: str
    timestamp: Decimal
    side: Side | None = None
    stop_type: str | None = None
    stop_price: Decimal | None = None
    size: Decimal | None = None
    funds: Decimal | None = None
    user_id: str | None = None
    profile_id: str | None = None
    private: bool | None = None

    def __post_init__(self) -> None:
        check(self.stop_price, self.funds)
        check_sizes(self.size)
        try:
            check(self.timestamp)
            time = _EPOCH + timedelta(microseconds=math.floor(_LONG.multiply(self.timestamp, _MILLION)))
        except (ValueError, ArithmeticError):  # before the year 1, or after 9999, too
            raise ValueError("timestamp must be Unix seconds") from None
        force_setattr(self, "time", time)


class Balance(Message, frozen=True, kw_only=True, gc=False, tag="balance", rename={"time": "timestamp"}):
    """An account's balance; not every change of it is sent."""

    account_id: str
    currency: str
    holds: Decimal
    available: Decimal
    time: Time
    updated: Time | None = None

    def __post_init__(self) -> None:
        check(self.holds, self.available)


# ---- level 3: the same orders as arrays, in the layout of the first frame's schema


class Level3Schema(Message, frozen=True, kw_only=True, gc=False, tag="level3"):
    """The layout of the arrays to come: for each of their types, the names of its places."""

    schema: tuple[tuple[str, tuple[str, ...]], ...]


class _Level3(Message, frozen=True, kw_only=True, gc=False):
    product_id: str
    sequence: Count
    time: Time


class Level3Open(_Level3, frozen=True, kw_only=True, gc=False, tag="open"):
    """An order rests on the book."""

    order_id: str
    side: Side
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)


class Level3Done(_Level3, frozen=True, kw_only=True, gc=False, tag="done"):
    """An order has ended."""

    order_id: str


class Level3Match(_Level3, frozen=True, kw_only=True, gc=False, tag="match"):
    """A trade; look the maker's order up for its side."""

    maker_order_id: str
    taker_order_id: str
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)


class Level3Change(_Level3, frozen=True, kw_only=True, gc=False, tag="change"):
    """An order has a new *size* or *price*."""

    order_id: str
    price: Decimal
    size: Decimal

    def __post_init__(self) -> None:
        check(self.price)
        check_sizes(self.size)


class Level3Noop(_Level3, frozen=True, kw_only=True, gc=False, tag="noop"):
    """Nothing on the book; it keeps the sequence unbroken."""


# ---- status: what is traded, and in what state it is


class StatusProduct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product: *status* is online, offline, internal or delisted."""

    id: str
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: Decimal | None = None
    post_only: bool | None = None
    limit_only: bool | None = None
    cancel_only: bool | None = None
    auction_mode: bool | None = None
    fx_stablecoin: bool | None = None

    def __post_init__(self) -> None:
        check(self.base_increment, self.quote_increment, self.min_market_funds)


class StatusNetwork(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A network that a currency can be moved over; amounts in the currency, times in seconds."""

    id: str
    name: str | None = None
    status: str | None = None
    min_withdrawal_amount: Decimal | None = None
    max_withdrawal_amount: Decimal | None = None
    network_confirmations: int | None = None
    processing_time_seconds: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.min_withdrawal_amount, self.max_withdrawal_amount, self.processing_time_seconds)


class StatusCurrency(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A currency; its free-form `details` are in the message's `content`."""

    id: str
    name: str | None = None
    display_name: str | None = None
    min_size: Decimal | None = None
    max_precision: Decimal | None = None
    status: str | None = None
    status_message: str | None = None
    convertible_to: tuple[str, ...] | None = None
    default_network: str | None = None
    supported_networks: tuple[StatusNetwork, ...] | None = None

    def __post_init__(self) -> None:
        check(self.min_size, self.max_precision)


class Status(Message, frozen=True, kw_only=True, gc=False, tag="status"):
    """All products and currencies, now and then."""

    products: tuple[StatusProduct, ...]
    currencies: tuple[StatusCurrency, ...]
