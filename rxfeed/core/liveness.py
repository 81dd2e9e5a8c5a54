"""Detects a silent connection. Times are seconds of clocks that only move forward.

Rules:
- Silence is measured in idle time: the time spent waiting for a socket that was empty. While messages are delivered, or
  more of them wait to be read, idle time does not advance. So a slow subscriber is never taken for a silent server. The
  deadline of a pong counts from when it could have been read.
- Pings are sent by the clock itself, whether or not the connection is idle.
- A message that is arriving holds idle time back (`Arrival`), since no pong can overtake it.
"""

from __future__ import annotations

import math

_NEVER = math.inf

ARRIVAL_RATE = 10_000.0
"""Bytes a second: a message that arrives more slowly than this does not hold idle time back."""
ARRIVAL_LIMIT = 600.0
"""Seconds that one message may take to arrive: 64 MiB at 1 Mbit/s take 537."""
_CREDIT = 1.0  # seconds for which bytes that came faster than `ARRIVAL_RATE` count later


class Keepalive:
    """Emits the pings that are due, measures the round trip of a pong, and detects one that is missing.

    *interval*: seconds between pings; `None` for no pings at all. *timeout*: seconds of idle time that a pong may take.
    Methods take the clock's time *now*, and the *idle* time; without the latter both are the same clock.
    """

    __slots__ = ("_count", "_due", "_sent", "interval", "timeout")

    def __init__(self, interval: float | None, timeout: float, now: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self._due = _NEVER if interval is None else now + interval
        self._count = 0
        self._sent: dict[bytes, tuple[float, float]] = {}  # by payload: the time and the idle time, oldest first

    def remaining(self, now: float, idle: float | None = None) -> float:
        """Seconds until a ping is due or a pong is late, at least 0; infinite without pings."""
        until_ping = self._due - now
        if not self._sent:
            return max(0.0, until_ping)
        return max(0.0, min(until_ping, self._oldest + self.timeout - (now if idle is None else idle)))

    def step(self, now: float, idle: float | None = None) -> tuple[bytes, ...]:
        """The payload of the ping to send at *now*, or nothing. After a jump of the clock one is due, not many."""
        if self.interval is None or now < self._due:
            return ()
        self._due = now + self.interval
        self._count += 1
        payload = b"rxfeed %d" % self._count
        self._sent[payload] = (now, now if idle is None else idle)
        return (payload,)

    def pong(self, payload: bytes, now: float) -> float | None:
        """Seconds since the ping with *payload* was sent; `None` for a pong without a ping."""
        sent = self._sent.get(payload)
        if sent is None:
            return None
        # Pongs may answer the newest ping alone (RFC 6455, 5.5.3): an answer to this one settles those before it.
        for earlier in list(self._sent):
            del self._sent[earlier]
            if earlier == payload:
                break
        return now - sent[0]

    def silent(self, idle: float) -> bool:
        """True if a ping has waited for its pong for *timeout* seconds of idle time."""
        return bool(self._sent) and idle - self._oldest >= self.timeout

    @property
    def _oldest(self) -> float:
        """The idle time at which the oldest ping without a pong was sent."""
        return next(iter(self._sent.values()))[1]


class Arrival:
    """Measures for how long a message that is arriving holds idle time back: see the rules above.

    Each byte counts for `1 / ARRIVAL_RATE` seconds, up to `ARRIVAL_LIMIT` seconds for one message.
    """

    __slots__ = ("_credit", "_held", "lasted", "size")

    def __init__(self) -> None:
        self.size = 0
        """Bytes of the message so far; 0 between messages."""
        self.lasted = 0.0
        """Seconds of reading since the message began."""
        self._held = self._credit = 0.0

    def step(self, size: int, seconds: float) -> float:
        """The idle part of *seconds* of reading, after which *size* bytes of a message have come; 0 for a whole one."""
        if size < self.size or not size:  # another message began, or none is there
            self._held = self._credit = self.lasted = 0.0
            self.size = 0
        if not size:
            return seconds
        credit = self._credit + (size - self.size) / ARRIVAL_RATE
        held = min(credit, seconds, ARRIVAL_LIMIT - self._held)
        self.size = size
        self.lasted += seconds
        self._held += held
        self._credit = min(credit - held, _CREDIT)
        return seconds - held

    @property
    def endless(self) -> bool:
        """True if one message has been arriving for `ARRIVAL_LIMIT` seconds."""
        return self.lasted >= ARRIVAL_LIMIT


class Watchdog:
    """Detects that no data came for *patience* seconds, from the start on; `None` for no limit."""

    __slots__ = ("_until", "patience")

    def __init__(self, patience: float | None, now: float) -> None:
        self.patience = _NEVER if patience is None else patience
        self._until = now + self.patience

    def heard(self, now: float) -> None:
        """Data was received at *now*."""
        self._until = now + self.patience

    def remaining(self, now: float) -> float:
        """Seconds until the connection is stale, at least 0."""
        return max(0.0, self._until - now)

    def stale(self, now: float) -> bool:
        return now >= self._until


class HeartbeatWatch:
    """Detects missing heartbeats: each expected product is emitted once, until its heartbeat comes again.

    *patience*: seconds without a heartbeat after which it is missing. O(1) a heartbeat.
    """

    __slots__ = ("_last", "_late", "patience")

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self._last: dict[str, float] = {}  # oldest beat first
        self._late: set[str] = set()

    def expect(self, products: frozenset[str], now: float) -> None:
        """Watch exactly *products* from now on."""
        for product in self._last.keys() - products:
            del self._last[product]
        self._late &= products
        for product in sorted(products - self._last.keys() - self._late):
            self._last[product] = now

    def beat(self, product: str, now: float) -> bool:
        """A heartbeat of *product* came; True if it had been missing."""
        back = product in self._late
        self._late.discard(product)
        if back or self._last.pop(product, None) is not None:
            self._last[product] = now
        return back

    def remaining(self, now: float) -> float:
        """Seconds until the next product will be late, at least 0; infinite while none is watched."""
        oldest = next(iter(self._last.values()), _NEVER)
        return max(0.0, oldest + self.patience - now)

    def step(self, now: float) -> tuple[str, ...]:
        """The products that became late since the last call."""
        late: list[str] = []
        for product, last in self._last.items():
            if now - last < self.patience:
                break
            late.append(product)
        for product in late:
            del self._last[product]
        self._late.update(late)
        return tuple(late)
