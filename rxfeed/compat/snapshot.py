"""The source of an order book's snapshot, and the times at which one may be requested."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from rxfeed.core import Backoff, Reconnect, longest
from rxfeed.secrets import Secret
from rxfeed.transport import HttpClient
from rxfeed.venues import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import BOOK_PATH

_ONCE = Reconnect(retries=0)


class RestClient:
    """The one call of cbpro's `PublicClient` that a book needs; *timeout* in seconds for all of it."""

    def __init__(self, url: str = COINBASE_EXCHANGE.rest_url, timeout: float = 10.0) -> None:
        self._url, self._timeout = Secret(url), timeout

    def get_product_order_book(self, product_id: str, level: int = 1) -> Any:
        """The parsed response of the exchange's REST API; raises `ConnectFailed` or `ValueError`."""
        # Made here, since a class has one as its default, and the proxy of the environment may be a wrong one.
        client = HttpClient(self._url, timeout=self._timeout, retry=_ONCE)
        return json.loads(client.get(BOOK_PATH.format(product=quote(product_id, safe="")), {"level": int(level)}).body)


class Fetch:
    """A call on a thread of its own: `done` is set when `result` or `error` is available."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self.done = threading.Event()
        self.result: Any = None
        self.error: Exception | None = None
        # A daemon, so that a response that never arrives does not keep a process alive.
        threading.Thread(target=self._run, name="rxfeed-snapshot", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = self._call()
        except Exception as error:
            self.error = error
        finally:
            self.done.set()


class Pace:
    """Computes when the next snapshot may be requested: a few at once, then with pauses that double.

    Times in seconds, of any clock that only moves forward.
    """

    BURST = 3
    LONGEST = 60.0

    def __init__(self) -> None:
        self._backoff = Backoff(Reconnect(initial=1.0, maximum=self.LONGEST), longest, apart=0.0)
        self._pause = 0.0
        self._tries = 0
        self._last = float("-inf")

    def due(self, now: float) -> bool:
        """True if a snapshot may be requested at *now*."""
        return now - self._last >= self._pause

    def tried(self, now: float) -> None:
        """A snapshot was requested at *now*."""
        if now - self._last > 2 * self.LONGEST:
            self._tries = 0
            self._backoff.succeeded()
        self._tries += 1
        self._last = now
        self._pause = 0.0 if self._tries < self.BURST else self._backoff.failed() or 0.0
