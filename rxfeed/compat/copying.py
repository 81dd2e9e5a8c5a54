"""Copies and pickles of a client: with its settings, and without its session."""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient


_MANAGER = "_WebsocketClient__rxfeed"


def state_without_session(client: WebsocketClient) -> dict[str, object]:
    """The attributes of *client* for a copy: what belongs to a session that runs, or ran, is as before `start()`."""
    state = dict(client.__dict__)
    manager = state.get(_MANAGER)
    if manager is not None:
        state[_MANAGER] = copy.copy(manager)
        if manager.session.begun:
            state |= {name: value for name, value in (("ws", None), ("stop", True)) if name in state}
    for name in ("thread", "keepalive"):
        if isinstance(state.get(name), threading.Thread):
            state[name] = None
    return state
