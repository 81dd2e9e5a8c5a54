"""Messages as readable lines, one for each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from rxfeed.cli.text import plain_number, printable
from rxfeed.core import ByType
from rxfeed.market import BookSnapshot, BookUpdate, Message, PriorTrade, Ticker, Trade, Unknown
from rxfeed.venues.coinbase_exchange import messages as m

_SHOWN_ELSEWHERE = frozenset(("product_id", "time", "price", "size", "_origin"))
_SIZES = ("size", "last_size")
_MOST_CHANGES = 3
_MOST_TEXT = 100


def line(message: Message) -> str:
    """One line for *message*: time (UTC; without one, that of the receipt), product, type and content.

    >>> from rxfeed.cli.lines import line
    >>> from rxfeed.testing import ticker
    >>> line(ticker("60000.10", product_id="BTC-USD"))
    '12:00:00.000000  BTC-USD     ticker              60000.10'
    """
    time = message.time or message.received
    begin = f"{time:%H:%M:%S.%f}  {message.product_id or '-':<10}  {message.type:<12}"
    price = getattr(message, "price", None)
    if price is not None:
        size = next((value for name in _SIZES if (value := getattr(message, name, None)) is not None), None)
        begin += f"  {_text(price):>14}  {_text(size):>14}"
    rest = _REST[type(message)](message)
    return printable(f"{begin}  {rest}".rstrip())


def _ticker(ticker: Ticker) -> str:
    side, volume = (getattr(ticker, name, None) for name in ("side", "volume_24h"))  # not every venue has them
    parts = (("", side), ("bid ", ticker.best_bid), ("ask ", ticker.best_ask), ("volume ", volume))
    return "  ".join(f"{name}{_text(value):<4}" for name, value in parts if value is not None)


def _trade(trade: Trade | PriorTrade) -> str:
    return f"{trade.taker_side:<4}  trade {trade.trade_id}"


def _snapshot(book: BookSnapshot) -> str:
    best = [f"{name} {_text(side[0][0])}" for name, side in (("bid", book.bids), ("ask", book.asks)) if side]
    return "  ".join([f"{len(book.bids)} bids, {len(book.asks)} asks", *best])


def _update(update: BookUpdate) -> str:
    parts = [f"{side:<4} {_text(price)} {_text(size)}" for side, price, size in update.changes[:_MOST_CHANGES]]
    left = len(update.changes) - len(parts)
    return ", ".join(parts) + (f" and {left} more" if left else "")


def _status(status: m.Status) -> str:
    return f"{len(status.products)} products, {len(status.currencies)} currencies"


def _unknown(message: Unknown) -> str:
    text = message.raw.decode(errors="replace")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _fields(message: Message) -> str:
    parts = ((name, getattr(message, name)) for name in message.__struct_fields__ if name not in _SHOWN_ELSEWHERE)
    return "  ".join(f"{name} {_text(value)}" for name, value in parts if value is not None)


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return plain_number(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}"
    return str(value)


_REST: ByType[Callable[[Any], str]] = ByType(
    {
        Message: _fields,
        Ticker: _ticker,
        Trade: _trade,
        PriorTrade: _trade,
        BookSnapshot: _snapshot,
        BookUpdate: _update,
        m.Status: _status,
        Unknown: _unknown,
    }
)
