"""Makers of messages with defaults.

- Prices and sizes are given as `Decimal`, `str` or `int`; a float is refused, as 0.1 is not one tenth.
- *time* is an aware datetime, the seconds after noon of 2026-01-02 (UTC), or a time of that day, such as "12:00:10".
- Trade ids and sequences rise by one with each message that is made, so that they are distinct.
- *epoch* is the message's `epoch`. *fields* are further fields of the venue's struct, and override what is made here.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from itertools import count
from typing import Literal, TypeVar, cast

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.market import (
    AnyHeartbeat,
    BookSnapshot,
    BookUpdate,
    Message,
    OrderDone,
    OrderOpened,
    Origin,
    PriorTrade,
    Side,
    Ticker,
    Trade,
    stamp,
)

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
"""What `time=0` is."""
Number = Decimal | str | int
When = datetime | timedelta | str | float
VenueName = Literal["coinbase_exchange", "coinbase_advanced"]

M = TypeVar("M", bound=Message)
_ids = count(1)
_EXCHANGE: VenueName = "coinbase_exchange"
# The structs of each venue by maker.
_STRUCTS = {
    "coinbase_exchange": {
        "trade": "Match",
        "prior_trade": "LastMatch",
        "ticker": "ExchangeTicker",
        "heartbeat": "ExchangeHeartbeat",
        "book": "Snapshot",
        "book_update": "L2Update",
    },
    "coinbase_advanced": {
        "trade": "MarketTrade",
        "prior_trade": "PriorMarketTrade",
        "ticker": "AdvancedTicker",
        "heartbeat": "ConnectionHeartbeat",
        "book": "AdvancedL2Snapshot",
        "book_update": "AdvancedL2Update",
    },
}


def trade(
    price: Number = 100,
    size: Number = 1,
    *,
    time: When = 0,
    taker_side: Side = "buy",
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> Trade:
    """A trade. *taker_side*: the side of the order that came in; the struct's own *side* is the maker's.

    >>> from rxfeed.testing import trade
    >>> bought = trade("60000.10", "0.5", time="12:00:10")
    >>> bought.price * bought.size, bought.taker_side, bought.time.isoformat()
    (Decimal('30000.050'), 'buy', '2026-01-02T12:00:10+00:00')
    >>> trade(venue="coinbase_advanced").type
    'market_trade'
    """
    values = _trade(price, size, time, taker_side, product_id, venue)
    return cast(Trade, _made("trade", venue, epoch, values | fields))


def prior_trade(
    price: Number = 100,
    size: Number = 1,
    *,
    time: When = 0,
    taker_side: Side = "buy",
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> PriorTrade:
    """The trade from before the subscription, which windows do not count; otherwise as `trade`."""
    values = _trade(price, size, time, taker_side, product_id, venue)
    return cast(PriorTrade, _made("prior_trade", venue, epoch, values | fields))


def ticker(
    price: Number = 100,
    *,
    bid: Number | None = None,
    ask: Number | None = None,
    time: When = 0,
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> Ticker:
    """A ticker. *bid*, *ask*: the best prices; `None`: the message has none.

    >>> from rxfeed.testing import ticker
    >>> ticker(100, bid="99.5", ask=101).best_bid
    Decimal('99.5')
    """
    values: dict[str, object] = {
        "product_id": product_id,
        "price": arguments.decimal("price", price),
        "best_bid": None if bid is None else arguments.decimal("bid", bid),
        "best_ask": None if ask is None else arguments.decimal("ask", ask),
        "time": _time(time),
    }
    return cast(Ticker, _made("ticker", venue, epoch, values | _numbered(venue) | fields))


def heartbeat(
    time: When = 0,
    *,
    last_trade_id: int = 0,
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> AnyHeartbeat:
    """A heartbeat, which moves the time of windows on. *last_trade_id*: 0 before any trade.

    One of Coinbase Advanced Trade is of the whole connection: it has neither a product nor a trade id.
    """
    if venue == _EXCHANGE:
        values: dict[str, object] = {"product_id": product_id, "last_trade_id": last_trade_id, "sequence": next(_ids)}
    else:
        values = {"heartbeat_counter": next(_ids)}
    return cast(AnyHeartbeat, _made("heartbeat", venue, epoch, values | {"time": _time(time)} | fields))


def book(
    bids: Iterable[tuple[Number, Number]] = ((99, 1),),
    asks: Iterable[tuple[Number, Number]] = ((101, 1),),
    *,
    time: When = 0,
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> BookSnapshot:
    """The whole book by price: *bids* and *asks* are `(price, size)`, best first.

    >>> from rxfeed.testing import book
    >>> book(bids=[("99.5", 2), (99, 1)]).bids[0]
    (Decimal('99.5'), Decimal('2'))
    """
    sides = {"bids": tuple(map(_level, bids)), "asks": tuple(map(_level, asks))}
    values = {"product_id": product_id, "time": _time(time)} | sides
    return cast(BookSnapshot, _made("book", venue, epoch, values | fields))


def book_update(
    *changes: tuple[Side, Number, Number],
    time: When = 0,
    product_id: str = "BTC-USD",
    venue: VenueName = _EXCHANGE,
    epoch: int = 0,
    **fields: object,
) -> BookUpdate:
    """*changes* `(side, price, size)` to the book: *size* is the new total at the price, and 0 removes it.

    >>> from rxfeed.testing import book_update
    >>> book_update(("buy", 99, 3), ("sell", 101, 0)).changes[1]
    ('sell', Decimal('101'), Decimal('0'))
    """
    made = tuple((side, *_level((price, size))) for side, price, size in changes)
    values = {"product_id": product_id, "time": _time(time), "changes": made}
    return cast(BookUpdate, _made("book_update", venue, epoch, values | fields))


def order_opened(
    order_id: str,
    price: Number = 100,
    size: Number = 1,
    *,
    side: Side = "buy",
    time: When = 0,
    sequence: int | None = None,
    product_id: str = "BTC-USD",
    epoch: int = 0,
    **fields: object,
) -> OrderOpened:
    """An order of Coinbase Exchange rests on the book. *sequence*: of the product; `None`: the next number."""
    values = _order(order_id, side, time, sequence, product_id)
    values |= {"price": arguments.decimal("price", price), "remaining_size": arguments.decimal("size", size)}
    return cast(OrderOpened, _struct(_EXCHANGE, "Open", epoch, values | fields))


def order_done(
    order_id: str,
    *,
    reason: str = "canceled",
    side: Side = "buy",
    time: When = 0,
    sequence: int | None = None,
    product_id: str = "BTC-USD",
    epoch: int = 0,
    **fields: object,
) -> OrderDone:
    """An order of Coinbase Exchange has ended; *reason*: "filled" or "canceled". Otherwise as `order_opened`."""
    values = _order(order_id, side, time, sequence, product_id) | {"reason": reason}
    return cast(OrderDone, _struct(_EXCHANGE, "Done", epoch, values | fields))


# ---- the parts


def _trade(
    price: Number, size: Number, time: When, taker: Side, product_id: str, venue: VenueName
) -> dict[str, object]:
    arguments.one_of("taker_side", taker, ("buy", "sell"))
    values: dict[str, object] = {
        "product_id": product_id,
        "price": arguments.decimal("price", price),
        "size": arguments.decimal("size", size),
        "time": _time(time),
        "side": "sell" if taker == "buy" else "buy",
    }
    numbers = _numbered(venue)
    values["trade_id"] = numbers.get("sequence") or next(_ids)
    if venue == _EXCHANGE:
        values |= {"maker_order_id": "maker", "taker_order_id": "taker"}
    return values | numbers


def _order(order_id: str, side: Side, time: When, sequence: int | None, product_id: str) -> dict[str, object]:
    number = next(_ids) if sequence is None else sequence
    return {"order_id": order_id, "side": side, "time": _time(time), "sequence": number, "product_id": product_id}


def _numbered(venue: VenueName) -> dict[str, object]:
    """The sequence of a product, which messages of Coinbase Exchange have."""
    return {"sequence": next(_ids)} if venue == _EXCHANGE else {}


def _level(level: tuple[Number, Number]) -> tuple[Decimal, Decimal]:
    price, size = level
    return arguments.decimal("price", price), arguments.decimal("size", size)


def _time(time: When) -> datetime:
    if isinstance(time, datetime):
        return arguments.aware("time", time)
    if isinstance(time, str):
        try:
            return datetime.fromisoformat(f"{NOON.date()}T{time}+00:00")
        except ValueError:
            raise ConfigError(f"time: {time!r} is not a time of a day such as '12:00:10'") from None
    return NOON + (time if isinstance(time, timedelta) else timedelta(seconds=time))


def _made(maker: str, venue: VenueName, epoch: int, values: dict[str, object]) -> Message:
    arguments.one_of("venue", venue, tuple(_STRUCTS))
    return _struct(venue, _STRUCTS[venue][maker], epoch, values)


def _struct(venue: VenueName, name: str, epoch: int, values: dict[str, object]) -> Message:
    message: Message = getattr(import_module(f"rxfeed.venues.{venue}"), name)(**values)
    return stamp(message, Origin(message.raw, 0, epoch))
