"""The classic client's keepalive: a thread that sends pings."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from rxfeed.compat.session import Session
from rxfeed.errors import ConnectionLost

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient

log = logging.getLogger("rxfeed.compat")


class KeepaliveThread(threading.Thread):
    """Runs `_keepalive`; a script may start it too, and may wait for it before it was started.

    Many scripts end with `client.start()`. From Python 3.12 on, no thread can be created once the main thread has
    ended, so `prepare` creates this one before, and it waits for `begin`.
    """

    def __init__(self, run: Callable[[], None]) -> None:
        # A daemon, so that an overridden `_keepalive` that sleeps does not keep the process alive.
        super().__init__(target=self._run_when_due, name="rxfeed-keepalive", daemon=True)
        self._keepalive = run
        self._decided = threading.Event()
        self._due = False

    def prepare(self) -> None:
        """Create the thread, which waits."""
        super().start()

    def start(self) -> None:
        self._decide(due=True)
        if self.ident is None:
            try:
                super().start()
            except RuntimeError as error:
                log.warning("no keepalive of the client's own: %s; the feed's pings continue", error)

    def begin(self) -> None:
        """Start it, unless that was done before."""
        if not self._due:
            self.start()

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end, if it has begun and is another thread."""
        self._decide(due=self._due)
        if self.ident is not None and self is not threading.current_thread():
            super().join(timeout)

    def _decide(self, due: bool) -> None:
        self._due = due
        self._decided.set()

    def _run_when_due(self) -> None:
        self._decided.wait()
        if self._due:
            self._keepalive()


def ping_until_ended(client: WebsocketClient, session: Session, interval: float) -> None:
    """Send a ping through the `ws` of *client* every *interval* seconds, until *session* has ended."""
    while not session.ended.wait(interval):
        try:
            if client.ws is not None and client.ws.connected:
                client.ws.ping("keepalive")
        except (ConnectionLost, OSError):  # the session ends with the reason
            return
