"""The highest and lowest of the last prices."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Price(msgspec.Struct, Generic[T], frozen=True, gc=False):
    """A *price* that counts *until* a time, and what the user of `Extremes` knows of it."""

    price: Decimal
    until: datetime
    tag: T


class Extremes(Generic[T]):
    """Holds of each direction only the prices that no later one has outdone; amortised O(1) a price.

    Prices come in the order of their *until*. Of equal ones the earlier stays in front.
    """

    __slots__ = ("_highs", "_lows")

    def __init__(self) -> None:
        self._highs: deque[Price[T]] = deque()
        self._lows: deque[Price[T]] = deque()

    def __bool__(self) -> bool:
        return bool(self._highs)

    def __len__(self) -> int:
        return len(self._highs) + len(self._lows)

    @property
    def high(self) -> Price[T]:
        return self._highs[0]

    @property
    def low(self) -> Price[T]:
        return self._lows[0]

    def add(self, price: Decimal, until: datetime, tag: T) -> None:
        entry = Price(price, until, tag)
        highs, lows = self._highs, self._lows
        while highs and highs[-1].price < price:
            highs.pop()
        highs.append(entry)
        while lows and lows[-1].price > price:
            lows.pop()
        lows.append(entry)

    def drop_until(self, time: datetime) -> None:
        """Forget the prices that count no longer than *time*."""
        highs, lows = self._highs, self._lows
        while highs and highs[0].until <= time:
            highs.popleft()
        while lows and lows[0].until <= time:
            lows.popleft()

    def clear(self) -> None:
        self._highs.clear()
        self._lows.clear()
