"""One frozen struct for each message type of the Exchange feed; each is the market's struct where there is one.

Here are those about the connection, trades, prices and level 2, and by name the others.

Prices, sizes and money are `Decimal`. Times are decoded at once: that costs 45 ns more than copying the text.

Source: the feed's channel reference, https://docs.cdp.coinbase.com/exchange/websocket-feed/channels
"""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false, reportIncompatibleVariableOverride=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

from msgspec.structs import force_setattr

from rxfeed import market
from rxfeed.market import (
    NEGATIVE,
    NOT_FINITE,
    TOO_LONG,
    ZERO,
    BookSnapshot,
    BookUpdate,
    ChannelSubscription,
    Count,
    Level,
    Message,
    OrderMatched,
    PriorTrade,
    Side,
    Time,
    Trade,
    TradeFields,
    check,
    check_sizes,
    fits,
)
from rxfeed.venues.coinbase_exchange.level3_messages import (
    Level3Change,
    Level3Done,
    Level3Match,
    Level3Noop,
    Level3Open,
    Level3Schema,
)
from rxfeed.venues.coinbase_exchange.order_messages import (
    Activate,
    Balance,
    Change,
    Done,
    Open,
    Received,
)
from rxfeed.venues.coinbase_exchange.status_messages import (
    Status,
    StatusCurrency,
    StatusNetwork,
    StatusProduct,
)

__all__ = [
    "Activate",
    "Balance",
    "Change",
    "Done",
    "ExchangeAuction",
    "ExchangeError",
    "ExchangeHeartbeat",
    "ExchangeSubscriptions",
    "ExchangeTicker",
    "L2Update",
    "LastMatch",
    "Level3Change",
    "Level3Done",
    "Level3Match",
    "Level3Noop",
    "Level3Open",
    "Level3Schema",
    "Match",
    "Open",
    "Received",
    "RfqMatch",
    "Snapshot",
    "Status",
    "StatusCurrency",
    "StatusNetwork",
    "StatusProduct",
]

_fits: Callable[[Any], Decimal] = fits  # raises `TypeError` for `None`

# ---- about the connection


class ExchangeSubscriptions(market.Subscriptions, frozen=True, kw_only=True, gc=False, tag="subscriptions"):
    """All that this connection is subscribed to, in answer to every subscribe and unsubscribe."""

    channels: tuple[ChannelSubscription, ...]


class ExchangeError(market.ErrorMessage, frozen=True, kw_only=True, gc=False, tag="error"):
    """The exchange rejects a request; the connection usually continues."""

    message: str
    reason: str | None = None


class ExchangeHeartbeat(market.Heartbeat, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """Once a second and product; *sequence* repeats the product's last, *last_trade_id* is 0 before any trade."""

    product_id: str
    sequence: Count
    last_trade_id: Count
    time: Time


# ---- trades and prices


class _Trade(TradeFields, frozen=True, kw_only=True, gc=False):
    ids_are_consecutive = True

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


# The machines read it for every trade, and a slot is read faster than a property.
_Trade.maker_side = _Trade.side  # pyright: ignore[reportAttributeAccessIssue]  # a slot of the struct


class Match(_Trade, Trade, OrderMatched, frozen=True, kw_only=True, gc=False, tag="match"):
    """A trade; *side* is the maker's. *sequence* is the product's on `full`, so it skips on `matches`."""


class LastMatch(_Trade, PriorTrade, frozen=True, kw_only=True, gc=False, tag="last_match"):
    """The product's last trade before the subscription, perhaps hours old: not a new one, and so not a `Match`."""


def as_new(last: LastMatch) -> Match:
    """The last trade before the subscription as a new one: it was missed during an interruption."""
    return Match(**{name: getattr(last, name) for name in LastMatch.__struct_fields__ if name != "_origin"})


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


class ExchangeTicker(market.Ticker, frozen=True, kw_only=True, gc=False, tag="ticker"):
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


class ExchangeAuction(market.Auction, frozen=True, kw_only=True, gc=False, tag="auction", rename={"time": "timestamp"}):
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

    @property
    def collecting(self) -> bool:
        """True until the auction is complete: the book may be crossed."""
        return self.auction_state != "complete"


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


class Snapshot(BookSnapshot, frozen=True, kw_only=True, gc=False, tag="snapshot"):
    """The whole book by price, best first on each side."""

    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]

    def __post_init__(self) -> None:
        _check_levels(self.bids)
        _check_levels(self.asks)


class L2Update(BookUpdate, frozen=True, kw_only=True, gc=False, tag="l2update"):
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
