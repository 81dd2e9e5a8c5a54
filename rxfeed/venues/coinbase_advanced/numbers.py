"""The numbers in many frames of Advanced Trade: trade ids. The numbers of frames are checked when they are received."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from rxfeed.venues.coinbase_advanced.channels import BOOK, BOOK_FRAME, TRADES
from rxfeed.venues.numbers import FrameLine, NumberGroup


class _Trade(msgspec.Struct, gc=False):
    product_id: str
    trade_id: str


class _Product(msgspec.Struct, gc=False):
    product_id: str


class _Event(msgspec.Struct, gc=False):
    type: str = ""
    product_id: str | None = None
    trades: list[_Trade] | None = None
    tickers: list[_Product] | None = None
    candles: list[_Product] | None = None


class SkimmedAdvancedFrame(msgspec.Struct, gc=False):
    channel: str
    events: list[_Event] = []


class AdvancedNumbers:
    """Reads the numbers of frames."""

    frame: Any = SkimmedAdvancedFrame

    def groups(self, lines: Sequence[FrameLine], channels: dict[str | None, frozenset[str]]) -> Iterator[NumberGroup]:
        trades: dict[str, tuple[list[FrameLine], list[int]]] = {}
        found: dict[tuple[str, str | None], list[FrameLine]] = {}
        for line in lines:
            frame = line.frame
            channel = frame.channel
            for event in frame.events:
                if event.trades is not None:
                    if event.type != "update":
                        raise ValueError("trades of a snapshot are new ones or not")
                    for trade in reversed(event.trades):
                        known = trades.get(trade.product_id)
                        if known is None:
                            known = trades[trade.product_id] = [], []
                        known[0].append(line)
                        known[1].append(int(trade.trade_id))
                    continue
                several = event.tickers or event.candles
                names = [event.product_id] if several is None else [each.product_id for each in several]
                for name in names:
                    found.setdefault((channel, name), []).append(line)
        for product, (own, ids) in trades.items():
            yield NumberGroup(TRADES, product, own, ids)
        for (channel, product), own in found.items():
            yield NumberGroup(BOOK if channel == BOOK_FRAME else channel, product, own)
