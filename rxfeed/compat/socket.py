"""The classic client's `ws`: the four operations that scripts use."""

from __future__ import annotations

from typing import Any

from rxfeed.errors import ConnectionLost, FeedClosed
from rxfeed.feed import Connected, Disconnected, Ended, Feed, FeedStatus

_MOST_IN_A_PING = 125


class Socket:
    """Stands for the connection of one session; any thread may use it, the feed's own does the sending.

    `connected` is True from the moment when the subscription is sent until the connection ends.
    """

    def __init__(self, feed: Feed) -> None:
        self.connected = False
        self.closed_by_script = False
        self._feed = feed
        feed.status.subscribe(self._follow)

    def send(self, payload: str | bytes, *_: Any) -> int:
        """Send *payload* as text and return its length. Raises `ConnectionLost` once the session is over."""
        text = payload if isinstance(payload, str) else bytes(payload).decode()
        try:
            self._feed.send(text)
        except FeedClosed:
            raise ConnectionLost("the socket is closed") from None
        return len(text)

    def ping(self, payload: str | bytes = "") -> None:
        """Send a ping, beside those of the keepalive. Raises `ConnectionLost` once the session is over."""
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        if len(data) > _MOST_IN_A_PING:
            raise ValueError(f"a ping holds {_MOST_IN_A_PING} bytes at the most")
        try:
            self._feed.ping(data)
        except FeedClosed:
            raise ConnectionLost("the socket is closed") from None

    def close(self, *_: Any, **__: Any) -> None:
        """Close the connection, and with it end the session; harmless when that is done."""
        self.closed_by_script = True
        self._feed.close()

    def _follow(self, status: FeedStatus) -> None:
        if isinstance(status, Connected):
            self.connected = True
        elif isinstance(status, Disconnected | Ended):
            self.connected = False
