"""Requests pages of trades. Their items are decoded one at a time, so that the feed's thread does not wait for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from rxfeed.core import Reconnect
from rxfeed.transport import HttpClient
from rxfeed.venues import RestRules, TradeItem

PAUSES = Reconnect(initial=0.1, maximum=1.0)
"""Between the attempts of a page."""
MOST_PASSES = 3
"""So often a page is read if it lacks trades that it should have."""
SLACK = timedelta(seconds=1)
"""The times of a venue's trades may be a little out of order."""
_AT_ONCE = 4
"""So many trades are decoded without a pause, some 0.03 ms."""
_PAUSE = 0.0005
"""Seconds."""


class TradeAnswers:
    """The answers about trades of one venue's REST API, with its *rules*; from any thread.

    *client* makes the client of all requests, at the first one.
    """

    def __init__(self, rules: RestRules, client: Callable[[], HttpClient]) -> None:
        self._rules = rules
        self._make_client = client
        self._client: HttpClient | None = None
        self._lock = threading.Lock()
        self.closed = threading.Event()

    def get(self, product: str, path: str) -> tuple[tuple[TradeItem, ...], int]:
        """The trades of the answer, newest first as they are, and its time in nanoseconds; none after `close`."""
        with self._lock:
            if self.closed.is_set():
                return (), time.time_ns()
            if self._client is None:
                self._client = self._make_client()
            client = self._client
        body = client.get(path).body
        return self._rules.trade_items(product, body), time.time_ns()

    def close(self) -> None:
        """End; a running request fails at once."""
        with self._lock:
            self.closed.set()
            client = self._client
        if client is not None:
            client.close()


def pause_after(made: Sequence[object]) -> None:
    """After each `_AT_ONCE` of what was *made*, let other threads compute."""
    if len(made) % _AT_ONCE == 0:
        time.sleep(_PAUSE)
