"""The HTTP side of the local exchange, without a socket: the head of a request in, the bytes of the answer out.

It is served on the port of the WebSocket. A request for another path than `/` without an `Upgrade` header is one for
it, and its connection is none of those that faults count.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

from rxfeed.core import in_seconds
from rxfeed.sim.frames import Json, encode
from rxfeed.sim.ledger import Log
from rxfeed.sim.rest_faults import OfRequests, RestGarbage, RestHole, RestLatency, RestStatus
from rxfeed.sim.venue import NOT_FOUND, RestAnswer, RestRequest

BURST = 1.5  # times the limit that may come at once, as at the venues: 15 at 10 a second
LIMITED = RestAnswer(HTTPStatus.TOO_MANY_REQUESTS, {"message": "Public rate limit exceeded"}, {"Retry-After": "1"})
UNREADABLE = RestAnswer(HTTPStatus.BAD_REQUEST, {"message": "Bad request"})
JSON = "application/json; charset=utf-8"


class RestReply(NamedTuple):
    """The bytes of an answer, and the seconds after which they are sent."""

    wire: bytes
    delay: float = 0.0


class Rest:
    """Answers requests with *answer*, unless faults or *limit*, in requests a second, are against it.

    *clock*: seconds that only go up.
    """

    def __init__(
        self,
        answer: Callable[[RestRequest], RestAnswer],
        *,
        limit: int | None = None,
        faults: list[OfRequests] | None = None,
        log: Log | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests = 0
        self._answer = answer
        self._limit = limit
        self._clock = clock
        self._tokens = BURST * (limit or 0)
        self._filled = clock()
        self._log = log or Log()
        self._faults = [_PendingFault(fault) for fault in faults or ()]

    def inject(self, fault: OfRequests) -> None:
        """Apply *fault* to the requests from now on."""
        self._faults.append(_PendingFault(fault))

    def respond(self, head: bytes) -> RestReply:
        """The response to a request with this head."""
        self.requests += 1
        request = _request(head)
        if request is None:
            return RestReply(_wire(UNREADABLE.status, encode(UNREADABLE.content)))
        if not self._allowed():
            return RestReply(_wire(LIMITED.status, encode(LIMITED.content), LIMITED.headers))
        due = list(self._due(request.path))
        answer = NOT_FOUND if request.method not in ("GET", "HEAD") else self._answer(request)
        if request.method not in ("GET", "HEAD") and self._answer(request._replace(method="GET")) is not NOT_FOUND:
            answer = RestAnswer(HTTPStatus.METHOD_NOT_ALLOWED, {"message": "Method not allowed"})
        status: int = answer.status
        content, headers = answer.content, answer.headers
        body: bytes | None = None
        for fault in due:
            match fault:
                case RestStatus():
                    status, body = fault.code, fault.body.encode()
                    headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
                case RestGarbage():
                    status, body = (
                        HTTPStatus.OK,
                        fault.payload.encode() if isinstance(fault.payload, str) else fault.payload,
                    )
                case RestHole():
                    content = _without(content, fault)
        delay = sum(in_seconds(fault.seconds) for fault in due if isinstance(fault, RestLatency))
        body = encode(content) if body is None else body
        return RestReply(_wire(status, body, headers, bodyless=request.method == "HEAD"), delay)

    def _allowed(self) -> bool:
        """Whether the limit lets one more request pass."""
        if self._limit is None:
            return True
        now = self._clock()
        self._tokens = min(BURST * self._limit, self._tokens + (now - self._filled) * self._limit)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _due(self, path: str) -> Iterator[OfRequests]:
        for pending in self._faults:
            fault = pending.fault
            if fault.path in path:
                pending.seen += 1
                past = pending.seen - (fault.after or 0)
                if past > 0 and (fault.count is None or past <= fault.count):
                    if past == 1:
                        self._log.add(0, fault, self.requests - 1)
                    yield fault


class _PendingFault:
    """A fault, and how many requests with its path there have been."""

    __slots__ = ("fault", "seen")

    def __init__(self, fault: OfRequests) -> None:
        self.fault = fault
        self.seen = 0


def _request(head: bytes) -> RestRequest | None:
    words = head.partition(b"\r\n")[0].decode("latin-1").split(" ")
    if len(words) != 3:
        return None
    path, _, query = words[1].partition("?")
    return RestRequest(words[0], unquote(path), dict(parse_qsl(query)))


def _wire(status: int, body: bytes, headers: Mapping[str, str] | None = None, *, bodyless: bool = False) -> bytes:
    phrase = HTTPStatus(status).phrase if status in list(HTTPStatus) else "Unknown"
    lines = [
        f"HTTP/1.1 {int(status)} {phrase}",
        f"Date: {formatdate(usegmt=True)}",
        f"Content-Type: {JSON}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join((*lines, "", "")).encode() + (b"" if bodyless else body)


def _without(content: Json, fault: RestHole) -> Json:
    """A list of trades, or an object with one, without the trades of *fault*."""
    if isinstance(content, dict):
        return content | {name: _without(value, fault) for name, value in content.items() if name == "trades"}
    if isinstance(content, list):
        return [each for each in content if not _is_hidden(each, fault)]
    return content


def _is_hidden(trade: object, fault: RestHole) -> bool:
    return isinstance(trade, dict) and "trade_id" in trade and int(trade["trade_id"]) in fault.trade_ids
