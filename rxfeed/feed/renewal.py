"""The replacement of one connection by a new one, before it is closed.

Rules:
- The new connection is arbitrated with the old one. It is ready if all its subscriptions are acknowledged, data has
  come, and each book by price has moved to it. If no data comes or a book does not move, it is ready some seconds after
  the acknowledgement.
- The old connection is closed after a while in which it brings what was on its way when the new one was subscribed, and
  not while messages are held.
- If the new connection is not ready in time, it is closed, and the old one stays.
- Afterwards one of them is the only one: when all copies of messages have come, it is arbitrated no longer.
"""

from __future__ import annotations

import logging
import math
from enum import Enum
from typing import TYPE_CHECKING

from rxfeed.feed.feed_connection import FeedConnection
from rxfeed.feed.status import Renewed

if TYPE_CHECKING:
    from rxfeed.feed.connections import Connections

log = logging.getLogger("rxfeed.feed")

_POLL = 0.02  # seconds of the wall clock
_READY_WITHIN = 60.0
_QUIET = 5.0  # so long after the acknowledgement no data is needed
_SETTLED = 0.5  # the old connection brings within it what was on its way


class _State(Enum):
    NEW = "new"
    OPENING = "opening"
    ACKNOWLEDGED = "acknowledged"
    SETTLING = "settling"
    CLOSING = "closing"
    CATCHING_UP = "catching up"


class Renewal:
    """Replaces *old*; call `step` again and again, until it returns `None`.

    *opened_until*: it is not replaced if it was opened later. *begin*: the time before which nothing is done.
    """

    def __init__(
        self, connections: Connections, old: FeedConnection, opened_until: float = math.inf, begin: float = -math.inf
    ) -> None:
        self._connections = connections
        self._opened_until = opened_until
        self._begin = begin
        self._old = old
        self._new: FeedConnection | None = None
        self._kept = old
        self._state = _State.NEW
        self._since = 0.0

    def step(self, now: float) -> float | None:
        """Do what is due; the seconds until the next step, or `None` at the end."""
        while True:
            before = self._state
            if self._advance(now):
                return None
            if self._state is before:
                return _POLL * self._connections.clock.speed
            self._since = now

    def _advance(self, now: float) -> bool:
        """Go on to another state, if that is possible; True at the end."""
        if self._state is _State.NEW:
            if self._old.over or self._old.leaving or self._connections.closing:
                return True
            if self._old.loop.began > self._opened_until:
                return True
            if now < self._begin:
                return False
            self._connections.arbitrate(self._old)
            self._new = self._connections.replace(self._old)
            self._state = _State.OPENING
            return False
        new, old, waited = self._new, self._old, now - self._since
        assert new is not None
        assert old.arbiter is not None
        machine = old.arbiter.machine
        if new.over and (old.over or self._kept is new):
            return True
        if new.over and self._state is not _State.CATCHING_UP:
            self._give_up()
            return False
        match self._state:
            case _State.OPENING:
                if new.subscriptions.whole_is_acknowledged:
                    self._state = _State.ACKNOWLEDGED
                elif waited > _READY_WITHIN:
                    log.warning(
                        "renew: connection %d stays, since no new one was subscribed within %g s; check the status",
                        *(old.number, _READY_WITHIN),
                    )
                    self._connections.retire(new)
                    self._give_up()
            case _State.ACKNOWLEDGED:
                with self._connections.streams.lock:
                    moved = not machine.follows(old.line)
                if (new.loop.working and moved) or waited > _QUIET or old.over:
                    self._state = _State.SETTLING
            case _State.SETTLING:
                if (waited >= _SETTLED and not machine.holding) or waited > _READY_WITHIN or old.over:
                    self._connections.retire(old)
                    self._kept = new
                    self._state = _State.CLOSING
            case _State.CLOSING:
                if old.over:
                    new.streams.report(Renewed())
                    self._state = _State.CATCHING_UP
            case _:
                if waited >= self._connections.patience and not machine.holding:
                    if self._connections.redundancy == 1:
                        self._connections.direct(self._kept)
                    return True
        return False

    def _give_up(self) -> None:
        """The old connection stays."""
        assert self._old.arbiter is not None
        with self._connections.streams.lock:
            self._old.arbiter.machine.stays(self._old.line)
        self._state = _State.CATCHING_UP
