"""The classic clients of this process, so that a rehearsal can close those that a script leaves open."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient


# By id, because a subclass may not be hashable.
_clients: WeakValueDictionary[int, WebsocketClient] = WeakValueDictionary()


def add_client(client: WebsocketClient) -> None:
    """Add *client*, until it is garbage."""
    _clients[id(client)] = client


def clients() -> list[WebsocketClient]:
    """All clients that exist."""
    return list(_clients.values())
