"""The list of products from a venue's REST API."""

from __future__ import annotations

import ssl

from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.transport import Headers, HttpClient
from rxfeed.venues import DEFAULT_VENUE, RestProduct, Venue
from rxfeed.venues import venue as venue_of


class ProductsRest:
    """Requests the products of *venue* from the REST API at *url* (`None`: its own).

        >>> from rxfeed.feed import ProductsRest
        >>> client = ProductsRest("http://127.0.0.1:8080", timeout=5)

    A request takes at most *timeout* seconds, with its retries. *ssl_context*, *proxy* and *headers*: as for a `Feed`.
    Raises `ConfigError` if the venue has no REST API.
    """

    def __init__(
        self,
        url: str | Secret | None = None,
        *,
        venue: str | Venue = DEFAULT_VENUE,
        timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | Secret | None = None,
        headers: Headers | None = None,
    ) -> None:
        try:
            found = venue_of(venue)
            if found.rest is None:
                raise ConfigError(f"venue: {found.name} has no REST API")
            self._rules = found.rest
            self._client = HttpClient(
                found.rest_url if url is None else url,
                timeout=timeout,
                rate=found.rest.requests_per_second,
                ssl_context=ssl_context,
                proxy=proxy,
                headers=headers,
            )
        finally:
            url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them

    def products(self) -> tuple[RestProduct, ...]:
        """All products, in the venue's order.

        Raises `ConnectFailed` if there is no response, `RequestRejected` if its status is not 2xx, and
        `FrameMalformed` if it is no list of products.
        """
        return self._rules.products(self._client.get(self._rules.products_path()).body)

    def close(self) -> None:
        """Make a running request fail at once; from any thread."""
        self._client.close()
