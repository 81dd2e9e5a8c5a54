"""The response to an HTTP request: its head, and how its body is read.

Rules, of RFC 9112:
- Interim answers (100 to 199, other than 101, which ends HTTP on this connection) are passed over.
- A line may end with LF alone, and a line that begins with a blank continues the header before it. Headers of one name
  are joined with commas.
- A body is in chunks, or of the length in `Content-Length`, or it ends with the connection.
- What is none of that raises `ResponseInvalid`: a body that is divided in another way than the server meant would give
  wrong data.
"""

from __future__ import annotations

import re
import socket

from rxfeed.secrets import shown_url
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.hidden import HiddenTexts
from rxfeed.transport.received_bytes import ReceivedBytes, ResponseInvalid

LARGEST_HEAD = 64 * 1024
"""The most bytes of status line and headers; servers send some 2 kB."""
_LONGEST_SHOWN = 200
_END_OF_LINE = re.compile(rb"\r?\n")
_END_OF_HEADERS = re.compile(rb"(?:^|\r?\n)\r?\n")
_STATUS_LINE = re.compile(r"HTTP/1\.(\d) (\d{3})(?: (.*))?")
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:(.*)", re.DOTALL)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_LENGTH = re.compile(r"\d{1,15}")
_LARGEST_LINE = 4096  # bytes of the line before a chunk
_WITHOUT_BODY = (101, 204, 304)
_BOUNDS = {"content-length", "transfer-encoding"}
_HEADERS = "headers"


class ResponseHead:
    """The head of a response: `status`, and `headers` with lower-case names; no error shows what is *hidden*.

    Raises `OSError` and `ResponseInvalid`.
    """

    def __init__(self, sock: socket.socket, attempt: ConnectAttempt, hidden: HiddenTexts) -> None:
        self._hidden = hidden
        self._received = ReceivedBytes(sock, attempt)
        while self._is_interim():
            pass

    def _is_interim(self) -> bool:
        """Read a head; True if another one follows."""
        line = self._received.until(_END_OF_LINE, LARGEST_HEAD, _HEADERS).decode("latin-1")
        found = _STATUS_LINE.fullmatch(line)
        if found is None:
            raise self._not_http("its first line is", line)
        self._minor, self.status, self._reason = found[1], int(found[2]), found[3] or ""
        self.headers = self._parsed(self._received.until(_END_OF_HEADERS, LARGEST_HEAD, _HEADERS).decode("latin-1"))
        return 100 <= self.status < 200 and self.status != 101

    def __str__(self) -> str:
        text = f"{self.status} {self.reason}".rstrip()
        return f"{text}, a redirect to {self._location}" if self.redirects else text

    @property
    def reason(self) -> str:
        return shown(self._without_hidden(self._reason))

    @property
    def shown_headers(self) -> dict[str, str]:
        """`headers`, without what is hidden."""
        return {name: self._without_hidden(value) for name, value in self.headers.items()}

    @property
    def redirects(self) -> bool:
        return self.status in (301, 302, 303, 307, 308) and "location" in self.headers

    @property
    def leaves_open(self) -> bool:
        """After `body`: True if the connection takes another request: it is certain where the body ended."""
        options = {each.strip() for each in self.headers.get("connection", "").lower().split(",")}
        is_certain = self.status in _WITHOUT_BODY or len(_BOUNDS & self.headers.keys()) == 1
        return self._minor == "1" and is_certain and "close" not in options and not len(self._received)

    def unread(self) -> bytes:
        """The bytes after the head that were read together with it."""
        return bytes(self._received.waiting())

    def body(self, largest: int) -> bytes | None:
        """The whole body; `None` if it has over *largest* bytes."""
        coding = self.headers.get("transfer-encoding")
        if self.status in _WITHOUT_BODY:
            return b""
        if coding is not None and coding.lower() != "chunked":
            raise self._not_http("Transfer-Encoding is", coding)
        if coding is not None:
            body = self._chunks(largest)
        elif "content-length" in self.headers:
            body = self._of_length(largest)
        else:
            body = self._received.rest(largest)
        return None if body is None else bytes(body)

    def _of_length(self, largest: int) -> bytearray | None:
        given = self.headers["content-length"]
        lengths = {each.strip() for each in given.split(",")}
        length = lengths.pop()
        if lengths or not _LENGTH.fullmatch(length):
            raise self._not_http("Content-Length is", given)
        return self._piece(int(length), 0) if int(length) <= largest else None

    def _chunks(self, largest: int) -> bytearray | None:
        body = bytearray()
        while True:
            line = self._line_of_chunk(len(body))
            found = _SIZE.fullmatch(line)
            if found is None:
                raise self._not_http("a chunk begins with", line.decode("latin-1"))
            size = int(found[1], 16)
            if size == 0:
                while self._line_of_chunk(len(body)):  # headers after the body
                    pass
                return body
            if len(body) + size > largest:
                return None
            body += self._piece(size, len(body))
            if self._line_of_chunk(len(body)):
                raise self._not_http("a chunk is longer than its size")

    def _line_of_chunk(self, before: int) -> bytes:
        try:
            return self._received.until(_END_OF_LINE, _LARGEST_LINE, "a chunk's first line")
        except ConnectionResetError:
            raise _ended(before) from None

    def _piece(self, size: int, before: int) -> bytearray:
        piece = self._received.exactly(size)
        if len(piece) < size:
            raise _ended(before + len(piece))
        return piece

    @property
    def _location(self) -> str:
        location = self.headers["location"]
        return shown(self._without_hidden(shown_url(location) if "://" in location else location.partition("?")[0]))

    def _parsed(self, text: str) -> dict[str, str]:
        headers: dict[str, str] = {}
        name = ""
        for line in text.replace("\r\n", "\n").split("\n") if text else ():
            if name and line[:1] in (" ", "\t"):
                headers[name] = f"{headers[name]} {line.strip()}".strip()
                continue
            found = _HEADER.fullmatch(line)
            if found is None:
                raise self._not_http("a header is", line)
            name, value = found[1].lower(), found[2].strip()
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        return headers

    def _not_http(self, what: str, text: str | None = None) -> ResponseInvalid:
        return ResponseInvalid(
            f"the response is not HTTP: {what}" + ("" if text is None else f" {shown(self._without_hidden(text))!r}")
        )

    def _without_hidden(self, text: str) -> str:
        return self._hidden.without(text.encode("latin-1")).decode("latin-1")


def _ended(size: int) -> ConnectionResetError:
    return ConnectionResetError(f"the connection ended after {size:,} bytes of the body")


def shown(text: str) -> str:
    """*text* of a server in a form for errors: printable, and not too long."""
    clean = "".join(each if each.isprintable() else "?" for each in text.strip())
    return clean if len(clean) <= _LONGEST_SHOWN else f"{clean[:_LONGEST_SHOWN]}..."
