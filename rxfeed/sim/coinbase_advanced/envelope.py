"""The envelope of Advanced Trade's messages, without the number that a connection gives it."""

from __future__ import annotations

from collections.abc import Mapping

from rxfeed.sim.coinbase_advanced.texts import nano_time
from rxfeed.sim.frames import Frame, Json, Unnumbered, encode, text_frame
from rxfeed.sim.market import Market

LISTS = ("trades", "tickers", "candles", "orders")  # each item is a message; an empty list is one, too
BETWEEN = 1_137  # nanoseconds between two messages of one moment: more than the microsecond that their ids have
LATEST = 9_999_991  # nanoseconds from an event to its message


class Envelope:
    """Wraps events, with the time of *market* in nanoseconds."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._nanos = 0

    def wrap(self, channel: str, event: Mapping[str, Json]) -> Unnumbered:
        """The frame of one event."""
        return wrapped(channel, event, self._now())

    def _now(self) -> int:
        nanos = self._market.shown_micros * 1_000
        nanos += nanos * 37 % LATEST
        if nanos <= self._nanos < nanos + 10 * LATEST:  # not where the clock was set back
            nanos = self._nanos + BETWEEN
        self._nanos = nanos
        return nanos


def wrapped(channel: str, event: Mapping[str, Json], nanos: int) -> Unnumbered:
    """The frame of one event, at *nanos* (Unix nanoseconds)."""
    body = encode(event)
    head = f'{{"channel":"{channel}","timestamp":"{nano_time(nanos)}","sequence_num":'
    type = event.get("type")
    snapshot = channel == "l2_data" and type == "snapshot"
    kind = f"{channel}/{type}" if type else channel
    messages = next((len(event[name]) for name in LISTS if name in event), 1) or 1
    return Unnumbered(channel, head.encode(), b',"events":[%b]}' % body, snapshot, kind, messages)


def error(message: str) -> Frame:
    """An error, which has no envelope and no number."""
    return text_frame("error", encode({"type": "error", "message": message}))
