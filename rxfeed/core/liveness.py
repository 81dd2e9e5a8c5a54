"""Is the other side still there? Times are seconds of any clock that only moves forward."""

from __future__ import annotations

import math

_NEVER = math.inf


class Keepalive:
    """Says when a ping is due, whether or not messages flow, what a pong's round trip was, and when one is missing.

    *interval*: seconds between pings; `None` for no pings at all. *timeout*: seconds that a pong may take.
    """

    __slots__ = ("_count", "_due", "_sent", "interval", "timeout")

    def __init__(self, interval: float | None, timeout: float, now: float) -> None:
        self.interval = interval
        self.timeout = timeout
        self._due = _NEVER if interval is None else now + interval
        self._count = 0
        self._sent: dict[bytes, float] = {}

    def remaining(self, now: float) -> float:
        """Seconds until a ping is due or a pong is late, at least 0; infinite without pings."""
        oldest = next(iter(self._sent.values())) + self.timeout if self._sent else _NEVER
        return max(0.0, min(self._due, oldest) - now)

    def step(self, now: float) -> tuple[bytes, ...]:
        """The payload of the ping to send at *now*, or nothing. After a jump of the clock one is due, not many."""
        if self.interval is None or now < self._due:
            return ()
        self._due = now + self.interval
        self._count += 1
        payload = b"rxfeed %d" % self._count
        self._sent[payload] = now
        return (payload,)

    def pong(self, payload: bytes, now: float) -> float | None:
        """Seconds since the ping with *payload* was sent; `None` for a pong that nobody asked for."""
        sent = self._sent.get(payload)
        if sent is None:
            return None
        # Pongs may answer the newest ping alone (RFC 6455, 5.5.3): an answer to this one settles those before it.
        for earlier in list(self._sent):
            del self._sent[earlier]
            if earlier == payload:
                break
        return now - sent

    def silent(self, now: float) -> bool:
        """True once a ping has waited for its pong longer than it may."""
        return bool(self._sent) and now - next(iter(self._sent.values())) >= self.timeout


class Watchdog:
    """Says when nothing was heard for *patience* seconds, from the very start on; `None` for any length of time."""

    __slots__ = ("_until", "patience")

    def __init__(self, patience: float | None, now: float) -> None:
        self.patience = _NEVER if patience is None else patience
        self._until = now + self.patience

    def heard(self, now: float) -> None:
        self._until = now + self.patience

    def remaining(self, now: float) -> float:
        """Seconds until it will be stale, at least 0."""
        return max(0.0, self._until - now)

    def stale(self, now: float) -> bool:
        return now >= self._until


class HeartbeatWatch:
    """Says whose heartbeat is missing: each product that it expects is told once, until it beats again.

    *patience*: seconds between two beats that are too many. O(1) a beat.
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
        """*product* has beaten; True where it had been missing."""
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
        """The products whose heartbeat is missing since the last call."""
        late = []
        for product, last in self._last.items():
            if now - last < self.patience:
                break
            late.append(product)
        for product in late:
            del self._last[product]
        self._late.update(late)
        return tuple(late)
