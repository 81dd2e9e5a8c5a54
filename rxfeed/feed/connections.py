"""The connections of a feed: as many as the venue's limits and the redundancy need.

Rules:
- Each connection has its own loop, subscriptions, detector and counters, and a thread; the first one runs on the
  thread of the feed. A thread that waits for a socket costs nothing, and a slow handshake or name look-up of one
  connection delays no other one. Deliveries are serialised by the lock of the streams, for each batch of frames.
- No connection is opened less than the interval of `pace` after another one.
- The connections of a shard are arbitrated if there are several, and while one replaces another one.
- If a connection ends with an error that ends a feed, the feed ends, unless another connection of its shard goes on.
- Locks are taken in this order: that of the streams, then that of this class.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from rxfeed.core import ConnectionPlan, Pair, RateLimit
from rxfeed.errors import ConfigError
from rxfeed.feed.clock import Clock
from rxfeed.feed.connection_streams import ConnectionStreams
from rxfeed.feed.endings import serving
from rxfeed.feed.feed_connection import ConnectionInfo, FeedConnection
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.product_ids import ProductIds
from rxfeed.feed.reconnect_loop import ReconnectLoop
from rxfeed.feed.renewal import Renewal
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import ConnectionRemoved
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.feed.supervisor import Supervisor

if TYPE_CHECKING:
    from rxfeed.feed.connection_arbiter import ConnectionArbiter
    from rxfeed.feed.renewal_schedule import RenewalSchedule

log = logging.getLogger("rxfeed.feed")

_YOUNG = 60.0  # seconds: if a server announces its restart, connections that are younger are not renewed
_TOGETHER = 0.5  # seconds: connections that it closes within them are opened anew, and not renewed


class Connections:
    """Opens the connections that *plan* asks for, runs them, and changes them with the subscriptions.

    *settings*: of each replica of a shard. *patience*: seconds within which another connection may bring what one has
    missed. *interval*: seconds between two openings. *schedule*: of the renewals.
    """

    def __init__(
        self,
        settings: tuple[FeedSettings, ...],
        plan: ConnectionPlan,
        redundancy: int,
        subscriptions: SubscriptionManager,
        ids: ProductIds,
        streams: FeedStreams,
        clock: Clock,
        *,
        patience: float,
        interval: float,
        schedule: RenewalSchedule | None = None,
    ) -> None:
        self.patience = patience
        self.clock = clock
        self.streams = streams
        self.redundancy = redundancy
        self.cause: Exception | None = None
        """What ended the feed, once it has ended; `None` if it was closed."""
        self._settings = settings
        self._plan = plan
        self._subscriptions = subscriptions
        self._ids = ids
        self._lock = threading.RLock()
        self._pacing = threading.Lock()
        self._rate = RateLimit(1 / interval)
        self._lines = itertools.count(1)
        self._all: dict[int, FeedConnection] = {}  # by line
        self._homes: dict[str, int] = {}  # the last shard of each product
        self._retired: list[Stats] = []  # the counters of connections that are over
        self._highest = 0  # of the epochs of connections that are over
        self._running = self._closing = False
        self._over = threading.Event()
        self.supervisor = Supervisor(self)
        self._schedule = schedule
        pairs = subscriptions.desired
        plan.add(pairs)
        self._planned = dict.fromkeys(pairs)
        for shard, planned in plan.shards.items():
            self._open_shard(shard, planned, whole=len(plan.shards) == 1)
        self.first = next(iter(self._all.values()))

    # ---- what there is

    @property
    def present(self) -> list[FeedConnection]:
        """The connections that are not over, in the order of their numbers."""
        with self._lock:
            return sorted(self._all.values(), key=lambda each: (each.number, each.line))

    @property
    def infos(self) -> list[ConnectionInfo]:
        """The descriptions of the connections; one that is being replaced has the counters of both."""
        present: dict[int, FeedConnection] = {}
        for each in self.present:
            if not each.leaving and (each.number not in present or each.loop.working):
                present[each.number] = each
        return [each.info for each in present.values()]

    def stats(self) -> list[Stats]:
        """The counters of all connections, also of those that are over."""
        with self._lock:
            found = {id(each.streams.stats): each.streams.stats for each in self._all.values()}
            return [*self._retired, *found.values()]

    def arbiters(self) -> list[ConnectionArbiter]:
        """The arbiters in use."""
        return list({id(each.arbiter): each.arbiter for each in self.present if each.arbiter is not None}.values())

    @property
    def several(self) -> bool:
        """True if there is more than one connection."""
        return len(self._all) > 1

    @property
    def closing(self) -> bool:
        """True if the connections are being closed."""
        return self._closing

    def delivers(self, thread: threading.Thread) -> bool:
        """True if messages are delivered on *thread*."""
        return self.supervisor.thread is thread or any(each.thread is thread for each in self.present)

    # ---- begin and end

    def run(self) -> Exception | None:
        """Run until the end; the exception that ended it, or `None` if it was closed."""
        with self._lock:
            self._running = True
            others = [each for each in self._all.values() if each is not self.first]
        try:
            for each in others:
                self._start(each)
            for task in () if self._schedule is None else self._schedule.tasks(self):
                self.supervisor.add(task, standing=True)
            if self.redundancy > 1 or self._schedule is not None:
                self.supervisor.start()
            cause = self.first.loop.run()
        except BaseException:
            self.close()
            self._ended(self.first, None)
            self._wait()
            raise
        self._ended(self.first, cause)
        try:
            self._wait()
        except BaseException:  # Ctrl-C, after the first connection was replaced
            self.close()
            self._wait()
            raise
        return self.cause

    def close(self) -> None:
        """Make `run` return soon; from any thread."""
        with self._lock:
            self._closing = True
            connections = list(self._all.values())
        for each in connections:
            each.loop.close()
        self.supervisor.wake()

    def nudge(self) -> None:
        """Wake all loops, because something waits to be sent; from any thread."""
        for each in self.present:
            each.loop.nudge()

    def _wait(self) -> None:
        while not self._over.wait(0.5):
            pass
        self.supervisor.join()

    def _start(self, connection: FeedConnection) -> None:
        thread = threading.Thread(
            target=self._serve, args=(connection,), name=f"rxfeed-{connection.number}", daemon=True
        )
        with self._lock:
            if self._closing:
                connection.loop.close()
            connection.thread = thread
        thread.start()

    def _serve(self, connection: FeedConnection) -> None:
        cause: Exception | None = None
        with serving(self.streams.sinks):
            try:
                cause = connection.loop.run()
            except Exception as error:
                log.exception("the feed ends with an unexpected error: this is a defect of rxfeed, please report it")
                cause = error
            except BaseException as error:  # SystemExit, KeyboardInterrupt: a subscriber raised it
                self.streams.sinks.leave(error)
            finally:
                self._ended(connection, cause)

    def _ended(self, connection: FeedConnection, cause: Exception | None) -> None:
        arbiter = connection.arbiter
        if arbiter is not None:
            with self.streams.lock:
                arbiter.deliver(arbiter.machine.leave(connection.line))
        with self._lock:
            connection.over = True
            self._highest = max(self._highest, connection.highest_epoch)
            self._all.pop(connection.line, None)
            self._subscriptions.leave(connection.subscriptions)
            if all(each.streams.stats is not connection.streams.stats for each in self._all.values()):
                self._retired.append(connection.streams.stats)
            others = [each for each in self._all.values() if each.shard == connection.shard]
            fatal = cause is not None and not connection.leaving and not others
            last = not self._all
            alone = all(each.arbiter is not arbiter for each in self._all.values())
            removed = connection.leaving and all(each.number != connection.number for each in self._all.values())
        if self._closing and alone and arbiter is not None:
            with self.streams.lock:
                arbiter.finish()
        if cause is not None and not connection.leaving and others:
            log.warning("connection %d ends, and the others of its products go on: %s", connection.number, cause)
        if removed and not self._closing:
            connection.streams.report(ConnectionRemoved())
        if fatal:
            self.cause = self.cause or cause
        if fatal or last:
            self.close()
        if last:
            self._over.set()

    # ---- shards

    def _open_shard(self, shard: int, pairs: Iterable[Pair], *, whole: bool = False) -> list[FeedConnection]:
        pairs = list(pairs)
        arbiter = self.make_arbiter(None) if self.redundancy > 1 else None
        least = self._least(shard, pairs)
        opened: list[FeedConnection] = []
        for replica, number in enumerate(self._plan.connections_of(shard)):
            part = self._subscriptions.part(None if whole else pairs)
            part.raise_epochs(least)
            streams = ConnectionStreams(self.streams, self._settings[0].lag_threshold, 0)
            opened.append(self._open(number, shard, replica, part, streams, arbiter))
        if arbiter is not None and least:
            arbiter.machine.gaps.interrupted(max(least.values()))
        self._number()
        return opened

    def _open(
        self,
        number: int,
        shard: int,
        replica: int,
        part: SubscriptionManager,
        streams: FeedStreams,
        arbiter: ConnectionArbiter | None,
        leaving: Iterable[int] = (),
    ) -> FeedConnection:
        settings = self._settings[replica % len(self._settings)]
        line = next(self._lines)
        loop = ReconnectLoop(
            settings,
            part,
            self._ids,
            streams,
            self.clock,
            pace=self._pace,
            restarting=partial(self._restarting, line),
            covered=partial(self._is_covered, line),
            accompanied=partial(self._is_accompanied, line),
            repairs=arbiter is None,
        )
        connection = FeedConnection(line, number, shard, replica, loop, part, streams)
        if arbiter is not None:
            arbiter.machine.join(connection.line, leaving=leaving)
            loop.arbitrate(arbiter.frames_of(connection.line), arbiter.machine.gaps.of_connection())
            connection.arbiter = arbiter
        with self._lock:
            self._all[connection.line] = connection
            if not any(each.number < number for each in self._all.values()):
                part.user_requests = self._subscriptions.user_requests
        return connection

    def _number(self) -> None:
        """Number the events of the connections, if there are several."""
        if self.several:
            self.streams.expected_connections = len({each.number for each in self._all.values()})
            for each in self._all.values():
                each.streams.connection = each.number

    def _pace(self) -> float:
        """Seconds until the next connection may be opened, which is reserved; a single one has its own back-off."""
        with self._pacing:
            if not self.several and self.redundancy == 1:
                self._rate.reserve(self.clock.now(), math.inf)
                return 0.0
            return self._rate.reserve(self.clock.now(), math.inf) or 0.0

    def _least(self, shard: int, pairs: Iterable[Pair]) -> dict[str, int]:
        """The epochs of products that were on other shards before: above all epochs so far."""
        moved = {product for _, product in pairs if product is not None and self._homes.get(product, shard) != shard}
        self._homes |= {product: shard for _, product in pairs if product is not None}
        if not moved:
            return {}
        highest = max(self._highest, *(each.highest_epoch for each in self._all.values()), 0)
        return dict.fromkeys(moved, highest + 1)

    def update(self) -> None:
        """The desired pairs have changed: open, close and change connections; from any thread."""
        with self._lock:
            if self._closing:
                return
            desired = dict.fromkeys(self._subscriptions.desired)
            added = [pair for pair in desired if pair not in self._planned]
            removed = [pair for pair in self._planned if pair not in desired]
            self._planned = desired
            before = {shard: dict.fromkeys(pairs) for shard, pairs in self._plan.shards.items()}
            self._plan.remove(removed)
            self._plan.add(added)
            after = {shard: dict.fromkeys(pairs) for shard, pairs in self._plan.shards.items()}
            for connection in [*self._all.values()]:
                if connection.shard not in after:
                    connection.leaving = True
                    connection.loop.close()
            for shard, pairs in after.items():
                if shard in before:
                    self._change(shard, before[shard], pairs)
                    continue
                for connection in self._open_shard(shard, pairs):
                    if self._running:
                        self._start(connection)
        self.nudge()

    def _change(self, shard: int, before: Iterable[Pair], after: Iterable[Pair]) -> None:
        added = [pair for pair in after if pair not in before]
        removed = [pair for pair in before if pair not in after]
        least = self._least(shard, added)
        for each in self._all.values():
            if each.shard == shard:
                each.subscriptions.change(added, removed, least)

    # ---- arbitration

    def make_arbiter(self, of: FeedConnection | None) -> ConnectionArbiter:
        """An arbiter for a shard; *of*: its only connection, with the lock of the streams held."""
        settings = self._settings[0]
        if settings.venue.merging is None:
            raise ConfigError(f"redundancy: connections of {settings.venue.name} cannot be merged")
        gaps = None if of is None else of.loop.continuity
        from rxfeed.core import Arbitration
        from rxfeed.feed.connection_arbiter import ConnectionArbiter

        machine = Arbitration(settings.venue.merging, self.clock.real(self.patience) * self.clock.speed, gaps)
        arbiter = ConnectionArbiter(
            machine,
            self.streams,
            self.clock.now,
            snapshot_needed=self._snapshot_needed,
            number_of=self._number_of,
            held=self.supervisor.wake,
        )
        if of is None and settings.has_repairs:
            from rxfeed.feed.make_repairs import make_repairs

            arbiter.repairs = make_repairs(settings, self.streams, machine.gaps, self.clock, self.supervisor.wake)
        return arbiter

    def _number_of(self, line: int) -> int:
        with self._lock:
            return self._all[line].number if line in self._all else 0

    def _snapshot_needed(self, line: int, product: str) -> None:
        with self._lock:
            connection = self._all.get(line)
        if connection is not None:
            connection.loop.renew_book(product)

    # ---- renewal

    def renew(self, connections: Iterable[FeedConnection] | None = None) -> None:
        """Replace each of *connections* by a new one, one after another; from any thread, without waiting.

        `None`: all connections.
        """
        if self._settings[0].venue.merging is None:
            raise ConfigError(f"renew: connections of {self._settings[0].venue.name} cannot be merged")
        for each in self.present if connections is None else connections:
            if not each.leaving:
                self.supervisor.add(Renewal(self, each))
        self.supervisor.start()

    def _is_covered(self, line: int) -> bool:
        """True if another connection brings what connection *line* has."""
        with self.streams.lock, self._lock:
            connection = self._all.get(line)
            arbiter = None if connection is None else connection.arbiter
            return arbiter is not None and arbiter.machine.covered(line)

    def _is_accompanied(self, line: int) -> bool:
        """True if another connection with the number of connection *line* is open."""
        with self._lock:
            own = self._all.get(line)
            return own is not None and any(
                each.number == own.number and each is not own and each.loop.sock is not None
                for each in self._all.values()
            )

    def _restarting(self, line: int) -> None:
        """The server of connection *line* has announced that it closes, so it may close its other connections, too."""
        if self._settings[0].venue.merging is None:
            return
        now = self.clock.now()
        opened_until = now - _YOUNG
        with self._lock:
            closed = self._all.get(line)
            others = [
                each
                for each in self._all.values()
                if closed is not None and each is not closed and each.loop.url == closed.loop.url
            ]
        old = [each for each in others if not each.leaving and each.loop.began <= opened_until]
        for each in old:
            self.supervisor.add(Renewal(self, each, opened_until, now + _TOGETHER))
        if old and closed is not None:
            log.info("the server of connection %d restarts: its other %d are renewed", closed.number, len(old))
            self.supervisor.start()

    def arbitrate(self, connection: FeedConnection) -> ConnectionArbiter:
        """The arbiter of *connection*'s shard, which is made if there is none."""
        with self.streams.lock:
            if connection.arbiter is None:
                arbiter = self.make_arbiter(connection)
                arbiter.machine.join(connection.line)
                own = connection.loop.continuity.of_connection()
                arbiter.repairs = connection.loop.give_repairs()
                connection.arbiter = arbiter
                connection.loop.arbitrate(arbiter.frames_of(connection.line), own)
            return connection.arbiter

    def replace(self, old: FeedConnection) -> FeedConnection:
        """A new connection in place of *old*, which continues until `retire`."""
        assert old.arbiter is not None
        with self.streams.lock, self._lock:
            part = self._subscriptions.part(old.subscriptions.desired)
            new = self._open(old.number, old.shard, old.replica, part, old.streams, old.arbiter, leaving=(old.line,))
        self._start(new)
        return new

    def retire(self, connection: FeedConnection) -> None:
        """Close *connection*, while the feed runs on."""
        with self._lock:
            connection.leaving = True
            heirs = [each for each in self._all.values() if each.number == connection.number and not each.leaving]
            if heirs and connection.subscriptions.user_requests is self._subscriptions.user_requests:
                heirs[0].subscriptions.user_requests = self._subscriptions.user_requests
        connection.loop.close()

    def direct(self, connection: FeedConnection) -> None:
        """*connection* is the only one of its shard again: its messages need no arbiter any more."""
        with self.streams.lock:
            arbiter = connection.arbiter
            if arbiter is None:
                return
            gaps = arbiter.machine.gaps
            gaps.rejoin(connection.loop.continuity)
            connection.loop.arbitrate(None, gaps)
            connection.loop.take_repairs(arbiter.repairs)
            connection.arbiter = None
