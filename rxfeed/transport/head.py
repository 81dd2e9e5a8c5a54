"""The head of an HTTP answer, read from a socket before a deadline and up to a size."""

from __future__ import annotations

import http.client
import io
import socket
from typing import Any

from rxfeed.secrets import shown_url
from rxfeed.transport.attempt import Attempt

LARGEST_HEAD = 64 * 1024
"""Bytes that the status line and the headers may have; servers send some 2 kB."""
_LONGEST_SHOWN = 200


class HeadTooLarge(http.client.HTTPException):
    """An answer goes on and on before its body."""


class _Bytes(io.RawIOBase):
    """What a socket receives, until the attempt's deadline, and up to `limit` bytes."""

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        super().__init__()
        self._sock, self._attempt = sock, attempt
        self.limit: int | None = LARGEST_HEAD
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.ended:
            return 0
        count = self._attempt.receive_into(self._sock, memoryview(buffer))
        if self.limit is not None:
            self.limit -= count
            if self.limit < 0:
                raise HeadTooLarge(f"the server's answer has over {LARGEST_HEAD:,} bytes of headers")
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """As a socket has it."""
        return io.BufferedReader(self)


class Answer:
    """The head of an answer: `status`, `reason` and `headers`, with lower-case names. Close it, or use it with `with`.

    Raises `http.client.HTTPException` where what came is no HTTP, and `OSError`.
    """

    def __init__(self, sock: socket.socket, attempt: Attempt) -> None:
        self._bytes = _Bytes(sock, attempt)
        self._response = http.client.HTTPResponse(self._bytes)  # pyright: ignore[reportArgumentType]  # it needs makefile
        try:
            self._response.begin()
        except BaseException:
            self.close()
            raise
        self.status = self._response.status
        self.reason = shown(self._response.reason)
        self.headers: dict[str, str] = {}
        for name, value in self._response.headers.items():
            name, value = name.lower(), str(value).strip()
            self.headers[name] = f"{self.headers[name]}, {value}" if name in self.headers else value

    def close(self) -> None:
        """Read no more; the socket stays open."""
        self._response.close()

    def __enter__(self) -> Answer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        text = f"{self.status} {self.reason}".rstrip()
        return f"{text}, a redirect to {_without_secrets(self.headers['location'])}" if self.redirects else text

    @property
    def redirects(self) -> bool:
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers

    def unread(self) -> bytes:
        """What came behind the head, with the same reads."""
        self._bytes.ended = True
        return self._response.fp.peek()  # pyright: ignore[reportAttributeAccessIssue]  # makefile gave a BufferedReader

    def body(self, largest: int) -> bytes | None:
        """The whole body; `None` if it has over *largest* bytes."""
        self._bytes.limit = None
        body = bytearray()
        try:
            while piece := self._response.read1(1 << 20):
                body += piece
                if len(body) > largest:
                    return None
        except http.client.IncompleteRead:
            raise ConnectionResetError(f"the connection ended after {len(body):,} bytes of it") from None
        return bytes(body)


def _without_secrets(location: str) -> str:
    return shown(shown_url(location) if "://" in location else location.partition("?")[0])


def shown(text: str) -> str:
    """*text*, which a server sent, as an error may show it: printable, and not too long."""
    clean = "".join(each if each.isprintable() else "?" for each in text.strip())
    return clean if len(clean) <= _LONGEST_SHOWN else f"{clean[:_LONGEST_SHOWN]}..."
