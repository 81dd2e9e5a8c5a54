"""What a window computes from its trades."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from rxfeed.core.numbers import exactly
from rxfeed.market import PriorTrade, Repairs, Trade

R = TypeVar("R")

AT_ONCE = 16
"""Trades that are added together, since exact sums then take half the time."""


class WindowAccumulator(ABC, Generic[R]):
    """The sums of one window `[start, end)`, without the *waiting* trades, which are in the order of arrival.

    *start* and *end* are in Unix microseconds. *whole* is False if trades of the window were missed. `Windowing` sets
    all three. *repaired*: the number of trades that had been missed, and came in another way.
    """

    __slots__ = ("end", "repaired", "start", "waiting", "whole")

    start: int
    end: int
    whole: bool

    def __init__(self) -> None:
        self.waiting: list[Trade | PriorTrade] = []
        self.repaired = 0

    @exactly
    def gather(self, waiting: list[Trade | PriorTrade]) -> None:
        """Add the waiting trades, and empty the list."""
        if Repairs.made:
            self.repaired += sum(trade.repaired for trade in waiting)
        self._add(waiting)
        waiting.clear()

    @exactly
    def absorb(self, other: Self) -> None:
        """Add what *other* has; only for windows that merge."""
        for window in (self, other):
            window.gather(window.waiting)
        self.repaired += other.repaired
        self._merge(other)

    @abstractmethod
    def _add(self, trades: list[Trade | PriorTrade], /) -> None:
        """Add *trades*; `+` and `*` are exact here."""

    @abstractmethod
    def _merge(self, other: Any, /) -> None:
        """Add the sums of *other*, which is of the same class; `+` is exact here."""

    @abstractmethod
    def result(self, product_id: str, start: datetime, end: datetime, complete: bool) -> R:
        """The output for the window."""
