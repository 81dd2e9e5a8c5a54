"""The highest and lowest price of a sliding span."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from decimal import Decimal
from typing import Generic, Protocol, TypeVar

import msgspec


class Held(Protocol):
    """A *price* that counts *until* a time."""

    @property
    def price(self) -> Decimal: ...
    @property
    def until(self) -> datetime: ...


H = TypeVar("H", bound=Held)


class Price(msgspec.Struct, frozen=True, gc=False):
    """A *price* that counts *until* a time."""

    price: Decimal
    until: datetime


class SlidingMinMax(Generic[H]):
    """Keeps only the prices that can become the minimum or maximum: two monotonic queues, amortised O(1) a price.

    Prices are pushed in the order of their *until*. Of equal prices the earlier one is kept first.
    """

    __slots__ = ("_highs", "_lows")

    def __init__(self) -> None:
        self._highs: deque[H] = deque()
        self._lows: deque[H] = deque()

    def __bool__(self) -> bool:
        return bool(self._highs)

    def __len__(self) -> int:
        return len(self._highs) + len(self._lows)

    def push(self, held: H, now: datetime) -> tuple[H, H]:
        """The lowest and the highest price, after *held* was added and those that count until *now* were removed."""
        highs, lows, price = self._highs, self._lows, held.price
        while lows and lows[0].until <= now:
            lows.popleft()
        while lows and lows[-1].price > price:
            lows.pop()
        lows.append(held)
        while highs and highs[0].until <= now:
            highs.popleft()
        while highs and highs[-1].price < price:
            highs.pop()
        highs.append(held)
        return lows[0], highs[0]

    def clear(self) -> None:
        self._highs.clear()
        self._lows.clear()
