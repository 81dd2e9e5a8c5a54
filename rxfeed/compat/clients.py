"""The classic clients of this process, so that a rehearsal can close those that a script leaves open."""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

# By id, because a subclass may not be hashable.
_clients: WeakValueDictionary[int, Any] = WeakValueDictionary()


def add_client(client: Any) -> None:
    """Add *client*, until it is garbage."""
    _clients[id(client)] = client


def clients() -> list[Any]:
    """All clients that exist."""
    return list(_clients.values())
