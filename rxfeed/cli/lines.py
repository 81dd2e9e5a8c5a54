"""Messages as readable lines, one for each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from rxfeed.cli.text import plain_number, printable
from rxfeed.core import ByType
from rxfeed.market import BookSnapshot, BookUpdate, Message, PriorTrade, Ticker, Trade, Unknown
from rxfeed.venues.coinbase_advanced import CandleUpdate
from rxfeed.venues.coinbase_exchange import messages as m

_SHOWN_ELSEWHERE = frozenset(("product_id", "time", "price", "size", "sequence_num", "_origin"))
_SIZES = ("size", "last_size")
_WIDTH = 80
_MOST_TEXT = 100


def line(message: Message) -> str:
    """One line for *message*: time (UTC; without one, that of the receipt), product, type and content.

    Lines of trades, tickers, heartbeats, candles and books have at most 80 characters; `clipped` shortens others.

    >>> from rxfeed.cli.lines import line
    >>> from rxfeed.testing import ticker
    >>> line(ticker("60000.10", bid="60000.09", ask="60000.11"))
    '12:00:00.000 BTC-USD  ticker        60000.10            60000.09/60000.11'
    """
    time = message.time or message.received
    begin = f"{time:%H:%M:%S}.{time.microsecond // 1000:03} {message.product_id or '-':<8} {message.type:<11}"
    price = getattr(message, "price", None)
    if price is not None:
        size = next((value for name in _SIZES if (value := getattr(message, name, None)) is not None), None)
        begin += f" {_text(price):>10} {_text(size):>10}"
    rest = _REST[type(message)](message)
    return printable(f"{begin} {rest}".rstrip())


def clipped(text: str, width: int) -> str:
    """*text* in at most *width* characters, with an ellipsis in place of the rest."""
    return text if len(text) <= width else f"{text[: width - 3]}..."


def _ticker(ticker: Ticker) -> str:
    side = getattr(ticker, "side", None)  # not every venue has it
    return " ".join(filter(None, (f"{side or '':<4}".strip(), _quotes(ticker.best_bid, ticker.best_ask))))


def _quotes(bid: Decimal | None, ask: Decimal | None) -> str:
    """The best prices as "bid/ask", with a dash for one that is not there."""
    if bid is None and ask is None:
        return ""
    return "/".join("-" if each is None else _text(each) for each in (bid, ask))


def _trade(trade: Trade | PriorTrade) -> str:
    return f"{trade.taker_side:<4} trade {trade.trade_id}"


def _snapshot(book: BookSnapshot) -> str:
    bid, ask = (side[0][0] if side else None for side in (book.bids, book.asks))
    return f"{len(book.bids)} bids, {len(book.asks)} asks {_quotes(bid, ask)}"


def _update(update: BookUpdate) -> str:
    """As many changes as fit into the line, and the number of the others."""
    room, count = _WIDTH - 34, len(update.changes)
    shown = ""
    for number, (side, price, size) in enumerate(update.changes, 1):
        more = f"{shown}{', ' if shown else ''}{side} {_text(price)} {_text(size)}"
        if number > 1 and len(f"{more} and {count - number} more") > room:
            return f"{shown} and {count - number + 1} more"
        shown = more
    return shown


def _candle(candle: CandleUpdate) -> str:
    prices = " ".join(map(_text, (candle.open, candle.high, candle.low, candle.close)))
    return f"{candle.start:%H:%M} {prices}"


def _status(status: m.Status) -> str:
    return f"{len(status.products)} products, {len(status.currencies)} currencies"


def _unknown(message: Unknown) -> str:
    text = message.raw.decode(errors="replace")
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}..."


def _fields(message: Message) -> str:
    parts = ((name, getattr(message, name)) for name in message.__struct_fields__ if name not in _SHOWN_ELSEWHERE)
    return " ".join(
        f"{len(value)} {name}" if isinstance(value, tuple) else f"{name} {_text(value)}"
        for name, value in parts
        if value is not None
    )


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
        CandleUpdate: _candle,
        m.Status: _status,
        Unknown: _unknown,
    }
)
