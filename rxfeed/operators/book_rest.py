"""The snapshot of a book from the exchange's REST interface."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from rxfeed._version import __version__
from rxfeed.core.book_snapshot import BookSnapshot
from rxfeed.errors import ConfigError, ConnectFailed

REST_URL = "https://api.exchange.coinbase.com"
SnapshotSource = Callable[[str], BookSnapshot | bytes | str | Mapping[str, Any]]
"""Gives a product's book order by order: a `BookSnapshot`, or what `GET /products/<id>/book?level=3` answers."""

_PIECE = 1 << 20
_HERE = ("127.0.0.1", "::1", "localhost")


def rest_snapshot(
    url: str = REST_URL,
    *,
    timeout: float = 10.0,
    max_size: int = 64 * 1024 * 1024,
    ssl_context: ssl.SSLContext | None = None,
) -> Callable[[str], BookSnapshot]:
    """A function that takes a product's book, order by order, from the REST interface at *url*.

        >>> full_book = rest_snapshot("http://127.0.0.1:8080", timeout=5)

    It blocks, for *timeout* seconds at most between two answers of the system and in all, and takes no more than
    *max_size* bytes (a large book has 7 MB). It raises `ConnectFailed` where there is no answer or another one than
    200, and `FrameMalformed` where that is no book. The exchange blocks who asks often: ten requests a second.
    """
    parts = urlsplit(url) if isinstance(url, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"url: {url!r} is not an http or https URL")
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise ConfigError(f"timeout: {timeout!r} is not a number of seconds")
    # A proxy is for the world, not for this machine.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.HTTPSHandler(context=ssl_context)]
    if parts.hostname in _HERE:
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    base = url.rstrip("/")

    def take(product_id: str) -> BookSnapshot:
        deadline = time.monotonic() + timeout
        address = f"{base}/products/{quote(product_id, safe='')}/book?level=3"
        request = urllib.request.Request(address, headers={"User-Agent": f"rxfeed/{__version__}"})
        body = bytearray()
        try:
            with opener.open(request, timeout=timeout) as response:
                while piece := response.read1(_PIECE):
                    body += piece
                    if len(body) > max_size:
                        raise ConnectFailed(f"{address}: the answer is over {max_size:,} bytes")
                    if time.monotonic() > deadline:
                        raise ConnectFailed(f"{address}: no whole answer within {timeout:g} s")
        except urllib.error.HTTPError as error:
            error.close()
            raise ConnectFailed(f"{address}: {error.code} {error.reason}") from None
        except (OSError, http.client.HTTPException) as error:
            raise ConnectFailed(f"{address}: {error}") from error
        return BookSnapshot.of(bytes(body))

    return take
