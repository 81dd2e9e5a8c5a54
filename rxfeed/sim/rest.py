"""The REST server of the local exchange, for the book of a product.

It has a port of its own, so that requests are never among the connections that faults count.
"""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from itertools import islice
from typing import Any
from urllib.parse import parse_qs, unquote

from rxfeed.core.matching import SIDES, BookSide, MatchingEngine, Product, size_text
from rxfeed.sim.frames import encode

PATIENCE = 5.0  # seconds that a client has for its request
LONGEST = 16 * 1024  # bytes of a request

Answer = tuple[HTTPStatus, Any]
Books = Callable[[], Mapping[str, MatchingEngine]]


class Rest:
    """Answers `GET /products/<id>/book?level=1|2|3` from the engines that *books* gives, with the time of *clock*."""

    def __init__(self, books: Books, clock: Callable[[], str]) -> None:
        self.port = 0
        self.requests = 0
        self._books = books
        self._clock = clock
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, ssl: tls.SSLContext | None) -> None:
        """Accept requests, on a free port."""
        self._server = await asyncio.start_server(self._serve, host, 0, ssl=ssl, limit=LONGEST)
        self.port = self._server.sockets[0].getsockname()[1]

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._response(request))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    def _response(self, request: bytes) -> bytes:
        self.requests += 1
        status, content = self.answer(request.partition(b"\r\n")[0].decode("latin-1"))
        body = encode(content)
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Date: {formatdate(usegmt=True)}",
            "Content-Type: application/json; charset=utf-8",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return "\r\n".join((*head, "", "")).encode() + body

    def answer(self, line: str) -> Answer:
        """The status and the content of the answer to a request that begins with *line*."""
        method, _, rest = line.partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        match path.split("/"):
            case ["", "products", name, "book"]:
                engine = self._books().get(unquote(name))
            case _:
                engine = None
        if engine is None:
            return HTTPStatus.NOT_FOUND, {"message": "NotFound"}
        if method != "GET":
            return HTTPStatus.METHOD_NOT_ALLOWED, {"message": "Method not allowed"}
        level = parse_qs(query).get("level", ["1"])[-1]
        if level not in ("1", "2", "3"):
            return HTTPStatus.BAD_REQUEST, {"message": "Invalid level"}
        return HTTPStatus.OK, self._book(engine, int(level))

    def _book(self, engine: MatchingEngine, level: int) -> dict[str, Any]:
        bids, asks = (_entries(engine.product, engine.sides[side], level) for side in SIDES)
        return {
            "bids": bids,
            "asks": asks,
            "sequence": engine.sequence,
            "auction_mode": False,
            "auction": None,
            "time": self._clock(),
        }


def _entries(product: Product, side: BookSide, level: int) -> list[tuple[str, str, Any]]:
    """(price, size, number of orders) of the best price or of all, or (price, size, order id) of every order."""
    if level == 3:
        return [(product.price_text(each.price), size_text(each.size), each.order_id) for each in side.orders()]
    lengths: dict[int, int] = {}
    for each in side.orders():
        lengths[each.price] = lengths.get(each.price, 0) + 1
    levels = islice(side, 1) if level == 1 else iter(side)
    return [(product.price_text(price), size_text(size), lengths[price]) for price, size in levels]
