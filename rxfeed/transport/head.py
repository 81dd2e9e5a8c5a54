"""The head of an HTTP response, read from a socket within a deadline and a size limit."""

from __future__ import annotations

import io
import socket
from typing import TYPE_CHECKING

from rxfeed.secrets import shown_url
from rxfeed.transport.connect_attempt import ConnectAttempt

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LARGEST_HEAD = 64 * 1024
"""The most bytes of status line and headers; servers send some 2 kB."""
_LONGEST_SHOWN = 200


class ResponseInvalid(Exception):
    """A response is not HTTP, or its head is larger than `LARGEST_HEAD`; the text has the reason."""


class _Bytes(io.RawIOBase):
    """The bytes that a socket receives, until the attempt's deadline, and at most `limit` bytes."""

    def __init__(self, sock: socket.socket, attempt: ConnectAttempt) -> None:
        super().__init__()
        self._sock, self._attempt = sock, attempt
        self.limit: int | None = LARGEST_HEAD
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self.ended:
            return 0
        count = self._attempt.receive_into(self._sock, memoryview(buffer))
        if self.limit is not None:
            if count == 0:  # http.client would take it as the end of the headers
                raise ConnectionResetError("the server closed the connection before the end of the response's headers")
            self.limit -= count
            if self.limit < 0:
                raise ResponseInvalid(f"the server's response has over {LARGEST_HEAD:,} bytes of headers")
        return count

    def makefile(self, mode: str) -> io.BufferedReader:
        """As the method of a socket."""
        return io.BufferedReader(self)


class ResponseHead:
    """The head of a response: `status`, `reason`, and `headers` with lower-case names. Close it, or use `with`.

    Raises `OSError` and `ResponseInvalid`.
    """

    def __init__(self, sock: socket.socket, attempt: ConnectAttempt) -> None:
        import http.client  # it loads the parser of e-mails, which only a connection needs

        self._bytes = _Bytes(sock, attempt)
        self._response = http.client.HTTPResponse(self._bytes)  # pyright: ignore[reportArgumentType]  # it needs makefile
        try:
            self._response.begin()
        except http.client.HTTPException as error:
            self.close()
            raise _not_http(error) from error
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

    def __enter__(self) -> ResponseHead:
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
        """The bytes after the head that were read together with it."""
        self._bytes.ended = True
        return self._response.fp.peek()  # pyright: ignore[reportAttributeAccessIssue]  # makefile gave a BufferedReader

    def body(self, largest: int) -> bytes | None:
        """The whole body; `None` if it has over *largest* bytes."""
        from http.client import HTTPException, IncompleteRead

        self._bytes.limit = None
        body = bytearray()
        try:
            while piece := self._response.read1(1 << 20):
                body += piece
                if len(body) > largest:
                    return None
        except IncompleteRead:
            raise ConnectionResetError(f"the connection ended after {len(body):,} bytes of the body") from None
        except HTTPException as error:
            raise _not_http(error) from error
        return bytes(body)


def _not_http(error: Exception) -> ResponseInvalid:
    return ResponseInvalid(f"the response is not HTTP: {shown(repr(error))}")


def _without_secrets(location: str) -> str:
    return shown(shown_url(location) if "://" in location else location.partition("?")[0])


def shown(text: str) -> str:
    """*text* of a server in a form for errors: printable, and not too long."""
    clean = "".join(each if each.isprintable() else "?" for each in text.strip())
    return clean if len(clean) <= _LONGEST_SHOWN else f"{clean[:_LONGEST_SHOWN]}..."
