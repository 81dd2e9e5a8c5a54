"""One frozen struct for each message of the Advanced Trade feed; each is the market's struct where there is one.

A frame is an envelope (`channel`, `timestamp`, `sequence_num`, `events`) around any number of these: see `frames.py`.
Each message has the number of its frame, *sequence_num*; -1 for a message without a frame. Where a message has no time
of its own, its time is that of the envelope.

Source: https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels
"""

# Types narrow the base's optional fields to required ones; with keyword-only fields no order is broken by that.
# pyright: reportGeneralTypeIssues=false, reportIncompatibleVariableOverride=false, reportIncompatibleMethodOverride=false

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import Any, Literal

import msgspec
from msgspec.structs import force_setattr

from rxfeed import market
from rxfeed.market import (
    NEGATIVE,
    NOT_FINITE,
    TOO_LONG,
    ZERO,
    AnyHeartbeat,
    BookSnapshot,
    BookUpdate,
    ChannelSubscription,
    Count,
    Level,
    Message,
    PriorTrade,
    Side,
    Time,
    Trade,
    TradeFields,
    check,
    check_sizes,
    fits,
)

# ---- about the connection


class AdvancedSubscriptions(market.Subscriptions, frozen=True, kw_only=True, gc=False, tag="subscriptions"):
    """All that this connection is subscribed to, in answer to a request; the data may have come before it."""

    channels: tuple[ChannelSubscription, ...]
    sequence_num: int = -1


class AdvancedError(market.ErrorMessage, frozen=True, kw_only=True, gc=False, tag="error"):
    """The venue rejects a request; the connection usually continues. It has no envelope, and no number."""

    message: str
    reason: str | None = None


class ConnectionHeartbeat(AnyHeartbeat, frozen=True, kw_only=True, gc=False, tag="heartbeat"):
    """Once a second, for the whole connection: *heartbeat_counter* rises by one."""

    heartbeat_counter: int
    time: Time
    sequence_num: int = -1


class EmptyFrame(Message, frozen=True, kw_only=True, gc=False, tag="empty_frame"):
    """A frame of *channel* without a message, such as the snapshot of an account without open orders."""

    channel: str
    sequence_num: int = -1


# ---- trades and prices


class _MarketTrade(TradeFields, frozen=True, kw_only=True, gc=False):
    ids_are_consecutive = True

    product_id: str
    trade_id: Count
    price: Decimal
    size: Decimal
    time: Time
    side: Side | Literal["BUY", "SELL"]
    sequence_num: int = -1

    def __post_init__(self) -> None:
        # Most messages of some pipelines are trades: what `check` and `check_sizes` do is written out here.
        size = self.size
        try:
            if not (fits(self.price).is_finite() and fits(size).is_finite()):
                raise ValueError(NOT_FINITE)
        except ArithmeticError:
            raise ValueError(TOO_LONG) from None
        if size.is_signed() and size < ZERO:
            raise ValueError(NEGATIVE)
        force_setattr(self, "side", _LOWER[self.side])

    @property
    def taker_side(self) -> Side:
        """The side of the order that came in and traded: the opposite of `side`, which is the maker's."""
        return "buy" if self.side == "sell" else "sell"


_LOWER: dict[str, Side] = {"BUY": "buy", "SELL": "sell", "buy": "buy", "sell": "sell"}
# The machines read it for every trade, and a slot is read faster than a property.
_MarketTrade.maker_side = _MarketTrade.side  # pyright: ignore[reportAttributeAccessIssue]  # a slot of the struct


class MarketTrade(_MarketTrade, Trade, frozen=True, kw_only=True, gc=False, tag="market_trade"):
    """A trade; *side* is the maker's, in lower case."""


class PriorMarketTrade(_MarketTrade, PriorTrade, frozen=True, kw_only=True, gc=False, tag="prior_trade"):
    """One of the last 100 trades before the subscription, in its snapshot: not a new one, and so no `MarketTrade`."""


def as_new(prior: PriorMarketTrade) -> MarketTrade:
    """The trade of a snapshot as a new one: it was missed during an interruption."""
    return MarketTrade(
        product_id=prior.product_id,
        trade_id=prior.trade_id,
        price=prior.price,
        size=prior.size,
        time=prior.time,
        side=prior.side,
        sequence_num=prior.sequence_num,
    )


_TICKER = {
    "best_bid_size": "best_bid_quantity",
    "best_ask_size": "best_ask_quantity",
    "volume_24h": "volume_24_h",
    "low_24h": "low_24_h",
    "high_24h": "high_24_h",
    "low_52w": "low_52_w",
    "high_52w": "high_52_w",
    "percent_24h": "price_percent_chg_24_h",
}


class AdvancedTicker(market.Ticker, frozen=True, kw_only=True, gc=False, tag="ticker", rename=_TICKER):
    """The price, with the best bid and ask, which `ticker_batch` leaves out. *percent_24h*: the price's change."""

    product_id: str
    price: Decimal
    best_bid: Decimal | None = None
    best_bid_size: Decimal | None = None
    best_ask: Decimal | None = None
    best_ask_size: Decimal | None = None
    volume_24h: Decimal | None = None
    low_24h: Decimal | None = None
    high_24h: Decimal | None = None
    low_52w: Decimal | None = None
    high_52w: Decimal | None = None
    percent_24h: Decimal | None = None
    sequence_num: int = -1

    def __post_init__(self) -> None:
        # Nearly every ticker has all of these: what `check` does is written out, which takes half the time.
        try:
            if (
                _fits(self.price).is_finite()
                and _fits(self.best_bid).is_finite()
                and _fits(self.best_bid_size).is_finite()
                and _fits(self.best_ask).is_finite()
                and _fits(self.best_ask_size).is_finite()
                and _fits(self.volume_24h).is_finite()
                and _fits(self.low_24h).is_finite()
                and _fits(self.high_24h).is_finite()
                and _fits(self.low_52w).is_finite()
                and _fits(self.high_52w).is_finite()
                and _fits(self.percent_24h).is_finite()
            ):
                return
        except (TypeError, ArithmeticError):
            pass
        check(*_ticker_numbers(self))


_fits: Callable[[Any], Decimal] = fits  # raises `TypeError` for `None`
_ticker_numbers = attrgetter("price", *(name for name in _TICKER), "best_bid", "best_ask")


class CandleUpdate(Message, frozen=True, kw_only=True, gc=False, tag="candle"):
    """The candle of the five minutes from *start* on, so far: the last update of a *start* has its final values."""

    product_id: str
    start: Time
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    sequence_num: int = -1

    def __post_init__(self) -> None:
        check(self.open, self.high, self.low, self.close)
        check_sizes(self.volume)


# ---- level 2


class AdvancedL2Snapshot(BookSnapshot, frozen=True, kw_only=True, gc=False, tag="l2_snapshot"):
    """The whole book by price, best first on each side."""

    product_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    sequence_num: int = -1


class AdvancedL2Update(BookUpdate, frozen=True, kw_only=True, gc=False, tag="l2_update"):
    """Changes `(side, price, size)` to the book: *size* is the new total there, zero removes the price."""

    product_id: str
    changes: tuple[tuple[Side, Decimal, Decimal], ...]
    sequence_num: int = -1


# ---- status


class AdvancedStatusProduct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product, and its *status*: `online`, `offline`, `internal`, `delisted`, or another one."""

    id: str
    product_type: str | None = None
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.base_increment, self.quote_increment, self.min_market_funds)


class AdvancedStatus(Message, frozen=True, kw_only=True, gc=False, tag="status"):
    """The products and their states, now and then."""

    products: tuple[AdvancedStatusProduct, ...]
    sequence_num: int = -1


# ---- one account: orders and balances


class OrderUpdate(Message, frozen=True, kw_only=True, gc=False, tag="order"):
    """The state of one of your orders: its totals so far, not a single fill.

    *status* is PENDING, OPEN, FILLED, CANCEL_QUEUED, CANCELLED, EXPIRED or FAILED; more values of it, and of the other
    upper-case texts, may appear. *snapshot*: the order was open when the subscription began. A text that is empty, and
    a time in the year 1, are `None`.
    """

    order_id: str
    product_id: str | None = None
    client_order_id: str | None = None
    status: str
    order_side: str | None = None
    order_type: str | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    avg_price: Decimal | None = None
    cumulative_quantity: Decimal | None = None
    leaves_quantity: Decimal | None = None
    filled_value: Decimal | None = None
    completion_percentage: Decimal | None = None
    number_of_fills: int | None = None
    total_fees: Decimal | None = None
    total_value_after_fees: Decimal | None = None
    outstanding_hold_amount: Decimal | None = None
    time_in_force: str | None = None
    post_only: bool | None = None
    creation_time: Time | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    cancel_reason: str | None = None
    reject_reason: str | None = None
    retail_portfolio_id: str | None = None
    product_type: str | None = None
    contract_expiry_type: str | None = None
    risk_managed_by: str | None = None
    trigger_status: str | None = None
    snapshot: bool = False
    sequence_num: int = -1

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            if value == "" or (isinstance(value, datetime) and value.year == 1):
                force_setattr(self, name, None)
            elif isinstance(value, Decimal):
                check(value)

    @property
    def side(self) -> Side | None:
        """The side of the order; `None` where it is neither BUY nor SELL."""
        return _LOWER.get(self.order_side or "")

    @property
    def done(self) -> bool:
        """True if nothing more can happen to the order."""
        return self.status in ("FILLED", "CANCELLED", "EXPIRED", "FAILED")


class MarginWindow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The margin of one part of the day."""

    margin_window_type: str | None = None
    margin_level: str | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    liquidation_buffer_percentage: Decimal | None = None
    total_hold: Decimal | None = None
    futures_buying_power: Decimal | None = None

    def __post_init__(self) -> None:
        check(
            self.initial_margin,
            self.maintenance_margin,
            self.liquidation_buffer_percentage,
            self.total_hold,
            self.futures_buying_power,
        )


class FuturesBalance(Message, frozen=True, kw_only=True, gc=False, tag="futures_balance"):
    """The balances of your futures account, in US dollars."""

    futures_buying_power: Decimal | None = None
    total_usd_balance: Decimal | None = None
    cbi_usd_balance: Decimal | None = None
    cfm_usd_balance: Decimal | None = None
    total_open_orders_hold_amount: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    daily_realized_pnl: Decimal | None = None
    initial_margin: Decimal | None = None
    available_margin: Decimal | None = None
    liquidation_threshold: Decimal | None = None
    liquidation_buffer_amount: Decimal | None = None
    liquidation_buffer_percentage: Decimal | None = None
    intraday_margin_window_measure: MarginWindow | None = None
    overnight_margin_window_measure: MarginWindow | None = None
    sequence_num: int = -1

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            if isinstance(value, Decimal):
                check(value)


BARE = (
    AdvancedSubscriptions
    | AdvancedError
    | ConnectionHeartbeat
    | EmptyFrame
    | MarketTrade
    | PriorMarketTrade
    | AdvancedTicker
    | CandleUpdate
    | AdvancedL2Snapshot
    | AdvancedL2Update
    | AdvancedStatus
    | OrderUpdate
    | FuturesBalance
)
"""All messages, as they are encoded without a frame."""
