"""The classic client's `ws`: the operations of websocket-client that scripts use, on top of a feed.

Rules:
- The feed has no thread: `deliver` and `recv` read from it, in the thread that calls them.
- While `deliver` runs, frames go to its handlers; otherwise they wait for `recv`, or for the next `deliver`.
- After `end`, a script with a read loop of its own gets what has arrived, and the next frame if one arrives soon. So
  its loop reaches its own test of `stop`, as with the classics. Then the feed is closed, and `recv` raises.
- While `deliver` runs, `end` closes the feed at once, whatever was read with `recv` before.
"""

from __future__ import annotations

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator

from rxfeed.compat.contents import Reader
from rxfeed.compat.hooks import check_values
from rxfeed.compat.settings import ClassicFeed, explained
from rxfeed.compat.types import Content, Json
from rxfeed.errors import ConnectionLost, FeedClosed
from rxfeed.feed import Connected, Disconnected, Ended, FeedStatus, Gap
from rxfeed.market import Malformed, Message
from rxfeed.transport import ReceiveTimedOut, SocketClosed

_MOST_IN_A_PING = 125
_GRACE = 1.0  # seconds


class Socket:
    """Stands for the connection of one session; any thread may use it.

    `connected` is True from the moment when the subscription is sent until the connection ends.
    """

    def __init__(self, feed: ClassicFeed) -> None:
        self.connected = False
        self.closed_by_script = False
        self._feed = feed
        self._translator = feed.translator
        self.interrupted: Callable[[], object] = lambda: None
        """Called when messages were missed, on a venue that shows it."""
        self._waiting: deque[Message | Content | Malformed] = deque()
        self._handler: Callable[[Json], None] | None = None
        self._malformed: Callable[[Malformed], None] | None = None
        self._timeout: float | None = None
        self._until: float | None = None  # the end of the grace
        self._read = False  # the script reads with `recv`
        feed.status.subscribe(self._follow)
        feed.malformed.subscribe(self._broken)
        self._reader = Reader()
        feed.read_by(self._reader, self._arrived)

    # ---- what scripts use

    def recv(self) -> str:
        """The next frame, as it came. Raises what ended the connection, and a time-out after `settimeout`."""
        self._read = True
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        while not self._waiting:
            limits = [limit for limit in (deadline, self._until) if limit is not None]
            left = min(limits) - time.monotonic() if limits else None
            if left is not None and left <= 0:
                if self._until is not None and time.monotonic() >= self._until:
                    self._feed.close()
                    raise SocketClosed("the socket is closed")
                raise ReceiveTimedOut("Connection timed out")
            if not self._feed.step(left) and not self._waiting:
                raise self.cause or SocketClosed("the socket is closed")
        item = self._waiting.popleft()
        return json.dumps(item) if isinstance(item, dict) else item.raw.decode(errors="replace")

    def __iter__(self) -> Iterator[str]:
        while True:
            yield self.recv()

    def send(self, payload: str | bytes, *_: object) -> int:
        """Send *payload* as text and return its length. Raises `ConnectionLost` once the session is over."""
        text = payload if isinstance(payload, str) else bytes(payload).decode()
        try:
            change = None if self._translator is None else self._translator.change(text)
            if change is None:
                self._feed.send(text)
            else:
                self._request(*change)
            self._feed.flush()
        except FeedClosed:
            raise SocketClosed("the socket is closed") from None
        return len(text)

    def _request(self, more: list[Content], less: list[Content]) -> None:
        """Change the subscription, by the names of the venue."""
        if more:
            self._feed.add([], more)
        if less:
            self._feed.remove([], less)

    def ping(self, payload: str | bytes = "") -> None:
        """Send a ping, beside those of the keepalive. Raises `ConnectionLost` once the session is over."""
        data = payload.encode() if isinstance(payload, str) else bytes(payload)
        if len(data) > _MOST_IN_A_PING:
            raise ValueError(f"a ping holds {_MOST_IN_A_PING} bytes at the most")
        try:
            self._feed.ping(data)
            self._feed.flush()
        except FeedClosed:
            raise SocketClosed("the socket is closed") from None

    def settimeout(self, timeout: float | None) -> None:
        """Let `recv` wait at most *timeout* seconds; `None`: without a limit."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """The seconds that `recv` waits at most."""
        return self._timeout

    timeout = property(gettimeout, settimeout)

    @property
    def sock(self) -> socket.socket | None:
        """The socket under the connection; `None` if it is not open."""
        return self._feed.sock

    def close(self, *_: object, **__: object) -> None:
        """Close the connection, and with it end the session; harmless when that is done."""
        self.closed_by_script = True
        self._feed.close()

    def shutdown(self) -> None:
        """As `close`."""
        self.close()

    # ---- what the client uses

    def open(self) -> None:
        """Connect and subscribe; raises what refused it."""
        self._feed.open()
        if self._feed.over and self.cause is not None:
            raise self.cause

    def unavailable(self) -> list[str]:
        """A text for each product that the exchange cannot have, and for each channel that it does not have."""
        return [*self._feed.invalid_products, *([] if self._translator is None else self._translator.refused)]

    def __str__(self) -> str:
        about = self._feed.about
        channels, products = about.get("channels", []), about.get("products", [])
        return f"{', '.join(channels)} of {', '.join(products) or 'no product'} from {about.get('url', '')}"

    def deliver(
        self, handler: Callable[[Json], None], malformed: Callable[[Malformed], None], *, checked: bool = False
    ) -> None:
        """Pass the content of each message to *handler*, and other frames to *malformed*, until the connection ends.

        *checked*: values that are not valid are to be found, also those that only a full decoding finds.
        """
        while self._waiting:
            item = self._waiting.popleft()
            if isinstance(item, Malformed):
                malformed(item)
            elif isinstance(item, dict):
                handler(item)
            else:
                _pass(item, handler, malformed)
        self._malformed, self._handler = malformed, handler
        self._reader.handle = None if checked else handler
        if self._until is not None:  # `end` came before, or at this moment: see there
            self._feed.close(timeout=0)
        try:
            self._feed.drive()
        finally:
            self._handler = self._malformed = self._reader.handle = None

    def end(self) -> None:
        """Request the end, and return at once."""
        if self._read and not self._feed.over:
            # `end` and `deliver` each set their own attribute before they look at the other's, so one of them closes.
            self._until = time.monotonic() + _GRACE
            if self._handler is None:
                self._feed.nudge()
                return
        self._feed.close(timeout=0)

    def finish(self) -> None:
        """Close the connection, and return when that is done."""
        self._feed.close()

    @property
    def cause(self) -> Exception | None:
        """What ended the connection, with its remedy; `None` if it was closed here, or is open."""
        cause = self._feed.cause
        return explained(cause) if isinstance(cause, Exception) else None

    def _arrived(self, message: Message) -> None:
        if self._translator is not None:
            for content in self._translator.contents(message):
                if self._handler is None:
                    self._waiting.append(content)
                else:
                    self._handler(content)
        elif self._handler is None or self._malformed is None:
            self._waiting.append(message)
        else:
            _pass(message, self._handler, self._malformed)

    def _broken(self, frame: Malformed) -> None:
        self.interrupted()
        if self._malformed is None:
            self._waiting.append(frame)
        else:
            self._malformed(frame)

    def _follow(self, status: FeedStatus) -> None:
        if isinstance(status, Connected):
            self.connected = True
            if self._translator is not None:
                self._translator.connected()
        elif isinstance(status, Gap):
            self.interrupted()
        elif isinstance(status, Disconnected | Ended):
            self.connected = False


def lost_by_script() -> ConnectionLost:
    """The error for a connection that the script has closed through `ws`."""
    return ConnectionLost("the connection was closed by ws.close()")


def _pass(message: Message, handler: Callable[[Json], None], malformed: Callable[[Malformed], None]) -> None:
    """Pass the content of *message* to *handler*; if it has too many values to be decoded, to *malformed*."""
    try:
        check_values(message.raw)
    except ValueError as error:
        malformed(Malformed(message.raw, f"{message.type}: {error}"))
    else:
        handler(message.content)
