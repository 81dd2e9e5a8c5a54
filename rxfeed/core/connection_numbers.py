"""The numbers of a feed's connections, as its events and messages have them."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import TypeVar

_FIRST = 1
_Value = TypeVar("_Value")


def renumber(by_connection: MutableMapping[int, _Value], number: int) -> None:
    """*number* is in use: if it shows that there are several connections, what is kept of the first one moves to 1.

    As long as a feed has one connection, its number is 0.

    >>> from rxfeed.core import renumber
    >>> states = {0: "open"}
    >>> renumber(states, 2)
    >>> states
    {1: 'open'}
    """
    if number and 0 in by_connection:
        by_connection.setdefault(_FIRST, by_connection.pop(0))
