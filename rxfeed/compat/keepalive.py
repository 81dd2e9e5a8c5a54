"""The classic client's keepalive: a thread that sends pings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rxfeed.compat.session import Session
from rxfeed.errors import ConnectionLost

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient


class KeepaliveThread(threading.Thread):
    """Runs `_keepalive`; a script may start it too, and may wait for it before it was started."""

    def __init__(self, run: Callable[[], None]) -> None:
        # A daemon, so that an overridden `_keepalive` that sleeps does not keep the process alive.
        super().__init__(target=run, name="rxfeed-keepalive", daemon=True)

    def begin(self) -> None:
        """Start it, unless that was done before."""
        if self.ident is None:
            self.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, if it has begun and is another thread."""
        if self.ident is not None and self is not threading.current_thread():
            super().join(timeout)


def ping_until_ended(client: WebsocketClient, session: Session, interval: float) -> None:
    """Send a ping through the `ws` of *client* every *interval* seconds, until *session* has ended."""
    while not session.ended.wait(interval):
        try:
            if client.ws is not None and client.ws.connected:
                client.ws.ping("keepalive")
        except (ConnectionLost, OSError):  # the session ends with the reason
            return
