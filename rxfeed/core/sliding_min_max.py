"""The highest and lowest price of a sliding span."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Price(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A *price* that counts *until* a time, with a *tag* of the caller."""

    price: Decimal
    until: datetime
    tag: T


class SlidingMinMax(Generic[T]):
    """Keeps only the prices that can become the minimum or maximum: two monotonic queues, amortised O(1) a price.

    Prices are pushed in the order of their *until*. Of equal prices the earlier one is kept first.
    """

    __slots__ = ("_highs", "_lows")

    def __init__(self) -> None:
        self._highs: deque[Price[T]] = deque()
        self._lows: deque[Price[T]] = deque()

    def __bool__(self) -> bool:
        return bool(self._highs)

    def __len__(self) -> int:
        return len(self._highs) + len(self._lows)

    def push(self, price: Decimal, until: datetime, tag: T, now: datetime) -> tuple[Price[T], Price[T]]:
        """The lowest and the highest price, after *price* was added and those that count until *now* were removed."""
        entry = Price(price, until, tag)
        highs, lows = self._highs, self._lows
        while lows and lows[0].until <= now:
            lows.popleft()
        while lows and lows[-1].price > price:
            lows.pop()
        lows.append(entry)
        while highs and highs[0].until <= now:
            highs.popleft()
        while highs and highs[-1].price < price:
            highs.pop()
        highs.append(entry)
        return lows[0], highs[0]

    def clear(self) -> None:
        self._highs.clear()
        self._lows.clear()
