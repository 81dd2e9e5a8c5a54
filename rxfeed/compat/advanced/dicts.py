"""The dicts of the classic client, made of the messages of Advanced Trade.

Synthetic, since Advanced Trade does not have it:
- `sequence` is the id of the product's newest trade: it rises by one with each trade, and a heartbeat repeats it.
- `maker_order_id` and `taker_order_id` are made of the trade's id.
- `open_24h` is computed from the price and its change in a day. `volume_30d` is `0`.
- The time of a heartbeat is the full second. Prices have no zeros at their end.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from rxfeed.compat.advanced.texts import decimals, price_text, size_text, time_text
from rxfeed.compat.types import Content
from rxfeed.market import ErrorMessage, Subscriptions
from rxfeed.venues.coinbase_advanced import (
    AdvancedL2Snapshot,
    AdvancedL2Update,
    AdvancedStatus,
    AdvancedTicker,
    MarketTrade,
    PriorMarketTrade,
)

AnyTrade = MarketTrade | PriorMarketTrade

_ACKNOWLEDGED = {"level2_batch": "level2_50", "ticker_batch": "ticker_1000"}
_DATA_OF = {
    "level2": "level2",
    "level2_batch": "level2",
    "ticker": "ticker",
    "ticker_batch": "ticker",
    "matches": "market_trades",
    "status": "status",
    "heartbeat": "heartbeats",
}


def match(trade: AnyTrade, kind: str) -> Content:
    """A `match` or `last_match`; its side is the maker's."""
    return {
        "type": kind,
        "trade_id": trade.trade_id,
        "maker_order_id": _order_id(1, trade.trade_id),
        "taker_order_id": _order_id(2, trade.trade_id),
        "side": trade.side,
        "size": size_text(trade.size),
        "price": price_text(trade.price),
        "product_id": trade.product_id,
        "sequence": trade.trade_id,
        "time": time_text(trade.time),
    }


def ticker(newest: AdvancedTicker, trade: AnyTrade) -> Content:
    """The `ticker` that *trade* causes, with the figures of the *newest* one; its side is the taker's."""
    return {
        "type": "ticker",
        "sequence": trade.trade_id,
        "product_id": trade.product_id,
        "price": price_text(trade.price),
        "open_24h": price_text(_open(newest)),
        "volume_24h": size_text(newest.volume_24h),
        "low_24h": price_text(newest.low_24h),
        "high_24h": price_text(newest.high_24h),
        "volume_30d": "0",
        "best_bid": price_text(newest.best_bid),
        "best_bid_size": size_text(newest.best_bid_size),
        "best_ask": price_text(newest.best_ask),
        "best_ask_size": size_text(newest.best_ask_size),
        "side": trade.taker_side,
        "time": time_text(trade.time),
        "trade_id": trade.trade_id,
        "last_size": size_text(trade.size),
    }


def snapshot(book: AdvancedL2Snapshot) -> Content:
    """A `snapshot`: both sides with the best price first."""
    asks, bids = sorted(book.asks), sorted(book.bids, reverse=True)
    return {
        "type": "snapshot",
        "product_id": book.product_id,
        "asks": [[price_text(price), size_text(size)] for price, size in asks],
        "bids": [[price_text(price), size_text(size)] for price, size in bids],
        "time": time_text(book.time),
    }


def l2update(update: AdvancedL2Update) -> Content:
    """An `l2update`: each size is the new total at its price."""
    return {
        "type": "l2update",
        "product_id": update.product_id,
        "changes": [[side, price_text(price), size_text(size)] for side, price, size in update.changes],
        "time": time_text(update.time),
    }


def heartbeat(product: str, time: datetime, last: AnyTrade | None) -> Content:
    """The `heartbeat` of one product."""
    number = 0 if last is None else last.trade_id
    return {
        "type": "heartbeat",
        "last_trade_id": number,
        "product_id": product,
        "sequence": number,
        "time": time_text(time.replace(microsecond=0)),
    }


def status(states: AdvancedStatus) -> Content:
    """A `status`, without the currencies."""
    products = [
        {
            "id": each.id,
            "base_currency": each.base_currency,
            "quote_currency": each.quote_currency,
            "base_increment": _number(each.base_increment),
            "quote_increment": _number(each.quote_increment),
            "display_name": each.display_name,
            "status": each.status,
            "status_message": each.status_message,
            "min_market_funds": _number(each.min_market_funds),
            "post_only": False,
            "limit_only": False,
            "cancel_only": False,
            "fx_stablecoin": False,
        }
        for each in states.products
    ]
    return {"type": "status", "products": products, "currencies": []}


def subscriptions(answer: Subscriptions, served: Mapping[str, Mapping[str, None]]) -> Content:
    """The `subscriptions` that lists what of *served*, by the classic's names, has been acknowledged."""
    listed = {each.name: each.product_ids or () for each in answer.channels}
    channels: list[Content] = []
    for name, products in served.items():
        data = _DATA_OF[name]
        if data not in listed:
            continue
        there = products if data == "heartbeats" else [each for each in products if each in listed[data]]
        entry = {"name": _ACKNOWLEDGED.get(name, name), "product_ids": list(there), "account_ids": None}
        channels.append(entry)
    return {"type": "subscriptions", "channels": channels}


def error(answer: ErrorMessage) -> Content:
    """An `error` of the venue."""
    return {"type": "error", "message": answer.message, "reason": answer.reason or ""}


def refusal(reason: str) -> Content:
    """The `error` for a channel that the venue does not have."""
    return {"type": "error", "message": "Failed to subscribe", "reason": reason}


def _order_id(kind: int, trade_id: int) -> str:
    return f"00000000-0000-0000-000{kind}-{trade_id:012d}"


def _open(newest: AdvancedTicker) -> Decimal:
    if newest.percent_24h is None or newest.percent_24h <= -100:
        return newest.price
    digits = decimals(newest.price, newest.low_24h, newest.high_24h, newest.best_bid, newest.best_ask)
    return round(newest.price / (1 + newest.percent_24h / 100), digits)


def _number(value: Decimal | None) -> str | None:
    return None if value is None else price_text(value)
