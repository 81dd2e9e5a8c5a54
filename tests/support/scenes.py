"""Servers that play one scene for each connection, and feeds on a clock two hundred times as fast."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any

from rxfeed import Feed, Reconnect
from rxfeed.feed import (
    Clock,
)
from tests.support.clocks import ManualClock
from tests.support.collect import Collected
from tests.support.wire import Play, Wire, frame

FAST = Clock(speed=200)
QUICK = Reconnect(initial=0, maximum=0)


def scenes(*plays: Callable[[Wire], None]) -> Play:
    """One for each connection, the last for all that follow; each after handshake and subscription."""
    numbers = count()

    def play(wire: Wire) -> None:
        number = min(next(numbers), len(plays) - 1)
        plays[number](wire)

    return play


def sending(*pieces: bytes) -> Callable[[Wire], None]:
    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for piece in pieces:
            wire.send(piece)
        wire.until_closed()

    return scene


def passing(clock: ManualClock, *pieces: bytes) -> Callable[[Wire], None]:
    """Send *pieces*; then *clock* advances, second by second, until the client ends the connection."""

    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for piece in pieces:
            wire.send(piece)
        wire.sock.settimeout(0.001)
        while True:
            with suppress(TimeoutError):
                if not wire.sock.recv(4096):
                    return
            clock.advance(1)

    return scene


def answering(text: str) -> Callable[[Wire], None]:
    def scene(wire: Wire) -> None:
        wire.read_request()
        wire.send(text)

    return scene


def tick(sequence: int, price: str = "1.5") -> bytes:
    return frame(f'{{"type":"ticker","product_id":"A-B","sequence":{sequence},"price":"{price}"}}')


def trade(trade_id: int, second: float, price: str = "2", kind: str = "match") -> bytes:
    time_text = datetime.fromtimestamp(1_764_000_000 + second, UTC).isoformat(timespec="microseconds")
    return frame(
        f'{{"type":"{kind}","trade_id":{trade_id},"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1",'
        f'"price":"{price}","product_id":"A-B","sequence":{trade_id * 10},"time":"{time_text.replace("+00:00", "Z")}"}}'
    )


def fast_feed(url: str, channels: Any = "ticker", **settings: Any) -> Feed:
    """A feed on the fast clock, on which every delay of this machine is long.

    It asks for no pongs, since these servers answer none, waits for no data, and reports no lag.
    """
    quiet: dict[str, Any] = {"reconnect": QUICK, "ping_interval": None, "stale_after": None, "clock": FAST}
    quiet |= {"lag_threshold": 1e9, "heartbeat_timeout": 1e9}
    return Feed("A-B", channels, url=url, **(quiet | settings))


def kinds(status: Collected[Any]) -> list[str]:
    return [type(each).__name__ for each in status.items]


def of(status: Collected[Any], kind: type) -> list[Any]:
    return [each for each in status.items if isinstance(each, kind)]


def wait_until(ready: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)
