"""The snapshot of a book from a venue's REST API."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from urllib.parse import quote

from rxfeed.core import Level3Snapshot, Reconnect, Seconds
from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.transport import Headers, HttpClient
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

# `full_book` retries by its own policy.
_ONCE = Reconnect(retries=0)


def rest_snapshot(
    url: str | Secret | None = None,
    *,
    venue: str | Venue = DEFAULT_VENUE,
    timeout: Seconds = 10.0,
    max_size: int = 64 * 1024 * 1024,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | Secret | None = None,
    headers: Headers | None = None,
) -> Callable[[str], Level3Snapshot]:
    """A function that requests a product's book, by order, from the REST API of *venue* at *url* (`None`: its own).

        >>> from rxfeed import rest_snapshot
        >>> request_book = rest_snapshot("http://127.0.0.1:8080", timeout=5)

    The function blocks for at most *timeout* seconds, from resolving the host to the last byte, and reads at most
    *max_size* bytes (a large book has 7 MB). Requests are spaced by the venue's rate limit. Redirects are not followed.
    *ssl_context*, *proxy* and *headers*: as for a `Feed`. It raises `ConnectFailed` if there is no response,
    `RequestRejected` if its status is not 200, and `FrameMalformed` if the body is not a book.
    """
    try:
        found = venue_of(venue)
        if not found.level3_path:
            raise ConfigError(f"venue: the REST API of {found.name} has no book by order")
        client = HttpClient(
            found.rest_url if url is None else url,
            timeout=timeout,
            rate=found.rest_requests_per_second,
            retry=_ONCE,
            max_size=max_size,
            ssl_context=ssl_context,
            proxy=proxy,
            headers=headers,
        )
    finally:
        url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them

    def request(product_id: str) -> Level3Snapshot:
        return Level3Snapshot.of(client.get(found.level3_path.format(product=quote(product_id, safe=""))).body)

    return request
