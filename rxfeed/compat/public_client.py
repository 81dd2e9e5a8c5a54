"""cbpro's `PublicClient`: the calls that streaming scripts make beside the stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from urllib.parse import quote

from rxfeed.compat.hosts import live, redirection
from rxfeed.compat.notices import Kind, Notices, note
from rxfeed.compat.types import Given, Json
from rxfeed.errors import ConfigError, RequestRejected
from rxfeed.transport import HttpClient, Response
from rxfeed.venues.coinbase_exchange import REST_URL

Values = Mapping[str, object]
"""The parameters of a query, before they are made texts."""

_GRANULARITIES = (60, 300, 900, 3600, 21600, 86400)


class PublicClient:
    """The public REST API of the exchange; every call returns parsed JSON, as the exchange gives it.

    A product that does not exist is no exception, but a dict with a `message`, as with cbpro. If there is no answer at
    all, `ConnectFailed` is raised. *timeout*: seconds of a call, with its retries.
    """

    def __init__(self, api_url: str = REST_URL, timeout: float = 30) -> None:
        found, text = live(api_url)
        if text:
            Notices().warn(Kind.SUBSTITUTED, text)
        self.url = str(found).rstrip("/")
        self.auth = None
        self.timeout = timeout

    # ---- products

    def get_products(self) -> Json:
        """The products that can be traded."""
        return self._send_message("get", "/products")

    def get_product_order_book(self, product_id: str, level: int = 1) -> Json:
        """The book: the best prices (level 1), all prices (2), or all orders (3)."""
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
        if granularity is not None and granularity not in _GRANULARITIES:
            allowed = ", ".join(map(str, _GRANULARITIES))
            raise ConfigError(f"granularity: {granularity!r} is none of {allowed}")
        given = {"start": start, "end": end, "granularity": granularity}
        params = {name: value for name, value in given.items() if value is not None}
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
            return json.loads(self.__get(endpoint, params).body)
        except RequestRejected as error:
            return _described(error)

    def _send_paginated_message(self, endpoint: str, params: Values | None = None) -> Iterator[Json]:
        note(Kind.USED, f"PublicClient: GET {endpoint}")
        params = dict(params or {})
        while True:
            try:
                response = self.__get(endpoint, params)
            except RequestRejected as error:
                yield from _described(error)  # as cbpro: the keys of the dict with the message
                return
            yield from json.loads(response.body)
            after = response.headers.get("cb-after")
            if not after or params.get("before") is not None:
                return
            params["after"] = after

    def __get(self, endpoint: str, params: Values | None) -> Response:
        servers = redirection()
        base = self.url if servers is None else servers.rest
        made = self.__dict__.get("_PublicClient__http")
        # Made here: a class has a client as its default, and the proxy of the environment may be a wrong one.
        if made is None or made[:2] != (base, self.timeout):
            made = self.__http = (base, self.timeout, HttpClient(base, timeout=self.timeout))
        values = {name: value if isinstance(value, int) else str(value) for name, value in (params or {}).items()}
        return made[2].get(endpoint, values)

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in self.__dict__.items() if name != "_PublicClient__http"}


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
