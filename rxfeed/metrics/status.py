"""What the status events of a feed show: the state of the connection, gaps by product, reconnects by cause."""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum

from rxfeed.core import renumber
from rxfeed.feed import (
    Connected,
    Connecting,
    ConnectionRemoved,
    Disconnected,
    Ended,
    FeedStatus,
    Gap,
    HeartbeatMissing,
    Idle,
    KeepalivePong,
    Reconnecting,
    Rejected,
    Repaired,
    Stats,
    Subscribed,
)
from rxfeed.metrics.values import ProductLabels, Values


class ConnectionState(Enum):
    """The state of a feed's connection; of several ones, that of the worst one."""

    IDLE = "idle"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    SUBSCRIBED = "subscribed"
    WAITING = "waiting"
    ENDED = "ended"


_STATES: dict[type[FeedStatus], ConnectionState] = {
    Idle: ConnectionState.IDLE,
    Connecting: ConnectionState.CONNECTING,
    Connected: ConnectionState.CONNECTED,
    Subscribed: ConnectionState.SUBSCRIBED,
    Disconnected: ConnectionState.WAITING,
    Reconnecting: ConnectionState.WAITING,
    Ended: ConnectionState.ENDED,
}
_WORST_FIRST = (
    ConnectionState.WAITING,
    ConnectionState.CONNECTING,
    ConnectionState.IDLE,
    ConnectionState.CONNECTED,
    ConnectionState.SUBSCRIBED,
)
UNKNOWN = "unknown"


class StatusCounts:
    """Counters of status events, from the time of its subscription on."""

    def __init__(self, venue: str, products: ProductLabels) -> None:
        self._venue = venue
        self._products = products
        self.ended = False
        self._states: dict[int, ConnectionState] = {}  # by connection
        self._gaps: dict[str, int] = {}
        self._missing: dict[str, int] = {}
        self._repaired: dict[str, int] = {}
        self._causes: dict[str, int] = {}
        self._rejections = self._heartbeats = 0
        self._round_trip: float | None = None

    def status(self, status: FeedStatus) -> None:
        state = _STATES.get(type(status))
        if state is ConnectionState.ENDED:
            self.ended = True
        elif state is not None:
            renumber(self._states, status.connection)
            self._states[status.connection] = state
        match status:
            case ConnectionRemoved(connection=connection):
                self._states.pop(connection, None)
            case Gap(product_id=product, first=first, last=last):
                _add(self._gaps, self._products.of(product), 1)
                _add(self._missing, self._products.of(product), last - first + 1)
            case Repaired(product_id=product, first=first, last=last):
                _add(self._repaired, self._products.of(product), last - first + 1)
            case Reconnecting(cause=cause):
                _add(self._causes, type(cause).__name__, 1)
            case Rejected():
                self._rejections += 1
            case HeartbeatMissing():
                self._heartbeats += 1
            case _:
                pass

    def pong(self, pong: KeepalivePong) -> None:
        self._round_trip = pong.round_trip

    def state(self, present: Collection[int] = ()) -> ConnectionState:
        """The state, which is that of the worst connection; of those with the numbers in *present*, if it has any."""
        if self.ended:
            return ConnectionState.ENDED
        states = self._states.copy()
        found = {state for number, state in states.items() if number in present} or {*states.values()}
        return next((each for each in _WORST_FIRST if each in found), ConnectionState.IDLE)

    def read(self, values: Values, stats: Stats, products: set[str], present: Collection[int] = ()) -> None:
        """Add the counters; *products*: labels that have a 0 before their first event, so that an increase is seen.

        *present*: as for `state`.
        """
        venue = self._venue
        present_state = self.state(present)
        for state in ConnectionState:
            values.add("rxfeed_connection_state", state is present_state, venue, state.value)
        for name, counted, total in (
            ("rxfeed_gaps_total", self._gaps.copy(), stats.gaps),
            ("rxfeed_missing_numbers_total", self._missing.copy(), stats.gapped),
            ("rxfeed_repaired_numbers_total", self._repaired.copy(), 0),
        ):
            for product in {"", *products, *counted}:
                values.add(name, counted.get(product, 0), venue, product)
            # Before the subscription to the status, products were not counted.
            values.add(name, max(0, total - sum(counted.values())), venue, "")
        causes = self._causes.copy()
        for cause, count in causes.items():
            values.add("rxfeed_reconnects_total", count, venue, cause)
        values.add("rxfeed_reconnects_total", max(0, stats.reconnects - sum(causes.values())), venue, UNKNOWN)
        values.add("rxfeed_rejections_total", self._rejections, venue)
        values.add("rxfeed_heartbeats_missing_total", self._heartbeats, venue)
        if self._round_trip is not None:
            values.set("rxfeed_ping_round_trip_seconds", self._round_trip, venue)


def _add(counts: dict[str, int], key: str, count: int) -> None:
    counts[key] = counts.get(key, 0) + count
