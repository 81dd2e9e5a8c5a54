"""Frames of trades: the id, the second and the price of a trade are the same number."""

from __future__ import annotations

from typing import Any

from tests.venues.coinbase_advanced.wire import (
    BTC,
    trade,
    trades,
)


def one(trade_id: int, product: str = BTC) -> dict[str, Any]:
    return trade(trade_id, trade_id, product=product)


def snapshot(number: int, *ids: int, product: str = BTC) -> str:
    return trades(number, *(one(each, product) for each in ids), kind="snapshot")
