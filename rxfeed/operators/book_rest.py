"""The snapshot of a book from the exchange's REST API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from rxfeed.core import Level3Snapshot
from rxfeed.secrets import Secret
from rxfeed.transport import RestClient
from rxfeed.venues import DEFAULT_VENUE, VENUES

_VENUE = VENUES[DEFAULT_VENUE]
REST_URL = _VENUE.rest_url
SnapshotSource = Callable[[str], Level3Snapshot | bytes | str | Mapping[str, Any]]
"""Returns a product's book by order: a `Level3Snapshot`, or the body of `GET /products/<id>/book?level=3`."""


def rest_snapshot(
    url: str | Secret = REST_URL,
    *,
    timeout: float = 10.0,
    max_size: int = 64 * 1024 * 1024,
    ssl_context: ssl.SSLContext | None = None,
) -> Callable[[str], Level3Snapshot]:
    """A function that requests a product's book, by order, from the REST API at *url*.

        >>> full_book = rest_snapshot("http://127.0.0.1:8080", timeout=5)

    The function blocks for at most *timeout* seconds, from resolving the host to the last byte, and reads at most
    *max_size* bytes (a large book has 7 MB). It does not follow redirects. It raises `ConnectFailed` if there is no
    response or its status is not 200, and `FrameMalformed` if the body is not a book. The exchange accepts ten requests
    a second.
    """
    client = RestClient(url, timeout=timeout, max_size=max_size, ssl_context=ssl_context)

    def take(product_id: str) -> Level3Snapshot:
        return Level3Snapshot.of(client.get(_VENUE.level3_path.format(product=quote(product_id, safe=""))))

    return take
