"""What operators stand between."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, TypeVar

from reactivex import Observable

from rxfeed.messages import Message

A = TypeVar("A")
B = TypeVar("B")

Operator = Callable[[Observable[A]], Observable[B]]

Wish = tuple[frozenset[type[Message]], frozenset[str] | None]
"""Types of messages, and the products wanted of them (`None`: all)."""


class Selectable(Observable[Message]):
    """A source that can select by type and product itself, without asking every subscriber about every message."""

    @abstractmethod
    def select(self, wish: Wish) -> Observable[Any]:
        """The messages that *wish* names."""
