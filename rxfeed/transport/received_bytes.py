"""The bytes of a response, taken from a socket piece by piece, until the deadline of an attempt."""

from __future__ import annotations

import re
import socket

from rxfeed.transport.connect_attempt import ConnectAttempt

_AT_ONCE = 16 * 1024
_LONGEST_END = 4  # bytes of an end that `until` looks for


class ResponseInvalid(Exception):
    """A response is not HTTP, or a part of it is too large; the text has the reason."""


class ReceivedBytes:
    """The bytes that *sock* receives until the deadline of *attempt*; each of them is taken once."""

    def __init__(self, sock: socket.socket, attempt: ConnectAttempt) -> None:
        self._sock, self._attempt = sock, attempt
        self._data = bytearray()

    def __len__(self) -> int:
        """So many bytes were received and not taken."""
        return len(self._data)

    def until(self, end: re.Pattern[bytes], largest: int, what: str) -> bytes:
        """The bytes before *end*, which are taken together with it.

        Raises `ResponseInvalid` for over *largest* bytes, and `ConnectionResetError` if the connection ends before;
        *what*: what they are, for the texts of these errors.
        """
        at = 0
        while (found := end.search(self._data, at)) is None:
            at = max(0, len(self._data) - _LONGEST_END)  # the end may have begun there
            if len(self._data) > largest:
                break
            if not self._more():
                raise ConnectionResetError(f"the server closed the connection before the end of {what}")
        if found is None or found.start() > largest:
            raise ResponseInvalid(f"the server's response has over {largest:,} bytes of {what}")
        taken = bytes(self._data[: found.start()])
        del self._data[: found.end()]
        return taken

    def exactly(self, size: int) -> bytearray:
        """The next *size* bytes, or fewer if the connection ends before."""
        taken = bytearray(size)
        at = min(size, len(self._data))
        taken[:at] = self._data[:at]
        del self._data[:at]
        while at < size:
            count = self._attempt.receive_into(self._sock, memoryview(taken)[at:])
            if count == 0:
                return taken[:at]
            at += count
        return taken

    def rest(self, largest: int) -> bytearray | None:
        """All bytes up to the end of the connection; `None` if they are over *largest*."""
        while len(self._data) <= largest:
            if not self._more():
                return self.waiting()
        return None

    def waiting(self) -> bytearray:
        """What was received already."""
        taken, self._data = self._data, bytearray()
        return taken

    def _more(self) -> bool:
        """Wait for more bytes; False at the end of the connection."""
        buffer = bytearray(_AT_ONCE)
        count = self._attempt.receive_into(self._sock, memoryview(buffer))
        self._data += buffer[:count]
        return count > 0
