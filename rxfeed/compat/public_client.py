"""cbpro's `PublicClient`: the calls that streaming scripts make beside the stream."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import quote

from rxfeed.compat.advanced import AdvancedCalls
from rxfeed.compat.attributes import PerInstance
from rxfeed.compat.hosts import chosen, live, redirection
from rxfeed.compat.notices import Kind, Notices, note
from rxfeed.compat.rest_session import RestResponse, RestSession
from rxfeed.compat.types import Attribute, Given, Json
from rxfeed.errors import ConfigError, RequestRejected
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, Venue
from rxfeed.venues.coinbase_exchange import REST_URL

Values = Mapping[str, object]
"""The parameters of a query, before they are made texts."""

_ORDERS = 3
_MOST_BOOKS, _MINUTE = 10, 60.0
_POLLED = (
    "get_product_order_book(level=3) was called 10 times within a minute, and the exchange may block a client that "
    "polls it: use OrderBook of this module, which needs it once"
)
_GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)


class PublicClient:
    """The public REST API of the exchange; every call returns parsed JSON, as the exchange gives it.

    A product that does not exist is no exception, but a dict with a `message`, as with cbpro. If there is no answer at
    all, `ConnectFailed` is raised. *timeout*: seconds of a call, with its retries. *venue*: as for `WebsocketClient`.
    `session` has `headers`, `proxies` and `verify` for all requests; a `requests.Session` may be put in its place.

    From Advanced Trade come the same shapes. `sequence` is the id of the product's newest trade, and each price of a
    book counts as one order. `get_product_order_book(level=3)` and `get_currencies` raise `ConfigError`.
    """

    session: Attribute = PerInstance(RestSession)

    def __init__(self, api_url: str = REST_URL, timeout: float = 30, *, venue: str | Venue | None = None) -> None:
        named = chosen(venue)
        self.__chosen = None if named is None else named.name  # a copy of a venue would be another one
        found, text = live(api_url, self.__venue)
        if text:
            Notices().warn(Kind.SUBSTITUTED, text)
        self.url = str(found).rstrip("/")
        self.auth: Attribute = None
        self.timeout = timeout

    # ---- products

    def get_products(self) -> Json:
        """The products that can be traded."""
        return self._send_message("get", "/products")

    def get_product_order_book(self, product_id: str, level: int = 1) -> Json:
        """The book: the best prices (level 1), all prices (2), or all orders (3)."""
        if level == _ORDERS:
            self.__count_orders()
        return self._send_message("get", _path(product_id, "book"), params={"level": level})

    def get_product_ticker(self, product_id: str) -> Json:
        """The last trade, the best prices and the volume of a day."""
        return self._send_message("get", _path(product_id, "ticker"))

    def get_product_trades(
        self, product_id: str, before: Given = "", after: Given = "", limit: int | None = None, result: Given = None
    ) -> Iterator[Json]:
        """The trades, the newest first: an iterator that requests the next page when it is needed.

        *after*: only older trades than the one with this id; *before*: only newer ones, of one page. *limit*: the most
        trades; `None`: all there have ever been.
        """
        given = {"before": before, "after": after}
        params = {name: value for name, value in given.items() if value not in ("", None)}
        trades = self._send_paginated_message(_path(product_id, "trades"), params=params)
        return trades if limit is None else islice(trades, limit)

    def get_product_historic_rates(
        self, product_id: str, start: Given = None, end: Given = None, granularity: int | None = None
    ) -> Json:
        """Candles: lists of time, low, high, open, close and volume; *granularity*: their seconds."""
        if granularity not in (None, "", *_GRANULARITIES):
            allowed = ", ".join(map(str, _GRANULARITIES))
            raise ConfigError(f"granularity: {granularity!r} is none of {allowed}")
        given = {"start": start, "end": end, "granularity": granularity}
        params = {name: value for name, value in given.items() if value not in (None, "")}
        return self._send_message("get", _path(product_id, "candles"), params=params)

    def get_product_24hr_stats(self, product_id: str) -> Json:
        """The prices and the volume of a day."""
        return self._send_message("get", _path(product_id, "stats"))

    # ---- the rest

    def get_currencies(self) -> Json:
        """The currencies."""
        return self._send_message("get", "/currencies")

    def get_time(self) -> Json:
        """The time of the exchange."""
        return self._send_message("get", "/time")

    # ---- requests

    def _send_message(self, method: str, endpoint: str, params: Values | None = None, data: object = None) -> Json:
        if method.lower() != "get" or data is not None:
            raise ConfigError(f"{method} {endpoint}: only GET requests are supported: orders are out of scope")
        note(Kind.USED, f"PublicClient: GET {endpoint}")
        try:
            if self.__venue is COINBASE_ADVANCED:
                return AdvancedCalls(self.__body).answer(endpoint, params or {})
            return json.loads(self.__get(endpoint, params).content)
        except ConfigError as error:
            note(Kind.UNAVAILABLE, str(error))
            raise
        except RequestRejected as error:
            return _described(error)

    def _send_paginated_message(self, endpoint: str, params: Values | None = None) -> Iterator[Json]:
        note(Kind.USED, f"PublicClient: GET {endpoint}")
        params = dict(params or {})
        try:
            if self.__venue is COINBASE_ADVANCED:
                yield from AdvancedCalls(self.__body).trades(endpoint, params)
                return
            while True:
                response = self.__get(endpoint, params)
                yield from json.loads(response.content)
                after = response.headers.get("cb-after")
                if not after or params.get("before") is not None:
                    return
                params["after"] = after
        except RequestRejected as error:
            yield from _described(error)  # as cbpro: the keys of the dict with the message

    def __body(self, path: str) -> bytes:
        if self.auth is not None:
            raise ConfigError("auth: Advanced Trade does not take keys of Coinbase Exchange: leave it as None")
        return self.__get(path, None).content

    def __get(self, endpoint: str, params: Values | None) -> RestResponse:
        """The response; raises `RequestRejected` for an error of the exchange."""
        servers = redirection(self.__venue)
        base = str(self.url).rstrip("/") if servers is None else servers.rest
        answer = self.session.request("get", base + endpoint, params=params, auth=self.auth, timeout=self.timeout)
        if answer.status_code >= 300:  # redirects are not followed
            answer.raise_for_status() if isinstance(answer, RestResponse) else None
            what = f"{base}{endpoint}: the server answered {answer.status_code}"  # to a session of the script's own
            raise RequestRejected(what, answer.status_code, "", dict(answer.headers), answer.content, 0.0)
        return answer

    def __count_orders(self) -> None:
        """Issue a warning where the exchange may block a script that requests all orders again and again."""
        times = self.__dict__.setdefault("_PublicClient__times", deque(maxlen=_MOST_BOOKS))
        times.append(time.monotonic())
        if len(times) == _MOST_BOOKS and times[-1] - times[0] < _MINUTE:
            self.__dict__.setdefault("_PublicClient__notices", Notices()).warn(Kind.UNAVAILABLE, _POLLED)

    @property
    def __venue(self) -> Venue:
        return chosen(self.__dict__.get("_PublicClient__chosen")) or COINBASE_EXCHANGE


def _path(product_id: str, what: str) -> str:
    return f"/products/{quote(product_id, safe='')}/{what}"


def _described(error: RequestRejected) -> Json:
    """The exchange's own description of *error*; raises *error* if it has none."""
    try:
        found = json.loads(error.body)
    except ValueError:
        raise error from None
    if not isinstance(found, dict) or "message" not in found:
        raise error
    return found
