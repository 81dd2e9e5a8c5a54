"""Publishes the items of a source: the queue, and the thread with the connection.

Rules:
- Items are published in their order, at most *in_flight* of them without an acknowledgement.
- After a lost connection, a refusal, or no acknowledgement for some seconds, all messages without one are sent again in
  their order, before new ones. The server refuses those that it has stored, by their identity.
- A message that was refused while later ones were stored comes after them on the tape. Each message has the number
  below which all are settled, by which consumers restore the order: see `rxfeed.tape.session_order`.
- With a spill, all that waits while the connection is lost is written to disk, and published before anything newer.
- Every second the publisher sends a sign of life, so that time passes on a quiet tape.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from rxfeed.errors import ConfigError, ConnectionLost, RxfeedError, SinkError
from rxfeed.market import Message
from rxfeed.operators import BoundedQueue, ForkedQueue
from rxfeed.recording import Recordable
from rxfeed.sinks import RetryPolicy
from rxfeed.tape.acknowledgements import Acknowledgements
from rxfeed.tape.books import SharedBooks
from rxfeed.tape.connection import TapeConnection
from rxfeed.tape.encoding import TapeEncoder
from rxfeed.tape.envelope import ItemKind, TapeEnvelope
from rxfeed.tape.in_flight import InFlight
from rxfeed.tape.leases import Leases
from rxfeed.tape.results import TapeCounters, TapeWrite, UnpublishedCounts
from rxfeed.tape.settings import TapeSettings
from rxfeed.tape.stored import StoredMessages
from rxfeed.tape.stream import ensure_stream, payload_limit
from rxfeed.tape.subjects import escaped

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger("rxfeed.tape")

_TOGETHER = 128  # items between two turns of the loop, in which acknowledgements are read
_TICK = 0.05
_ALIVE = 1.0
_DESCRIBED = 600.0  # seconds between two descriptions of the publisher, which retention may delete
_ON_DISK = 1_000  # items that are written to disk at once
_STORE = 0.1  # seconds between two writes to disk, while the server is not available


class TapeWriter:
    """The queue and the thread of one subscription, and their end: see `rxfeed.feed.Sink`.

    *about* describes the source. *emit* is called with acknowledged writes and *ended* at the end, on the thread;
    *unsubscribe* unsubscribes from the source.
    """

    def __init__(
        self,
        settings: TapeSettings,
        counters: TapeCounters,
        make_encoder: Callable[[str], TapeEncoder],
        about: Callable[[], dict[str, object]],
        renew: Callable[[str], None] | None,
        emit: Callable[[TapeWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._about = about
        self._on_end = ended
        self._unsubscribe = unsubscribe
        self.session = secrets.token_hex(4)
        self.name = f"tape {settings.stream.name} at {settings.address.shown}"
        self.flush_seconds = settings.flush_seconds
        self._encoder = make_encoder(self.session)
        self._flight = InFlight(self.session)
        self._aside: list[TapeEnvelope] = []  # numbered, newer than the disk's, and older than those of the queue
        self._stored = self._open()
        self._storing = False
        self._books: SharedBooks | None = None
        if settings.shared:
            stream, member = settings.stream, f"{escaped(settings.publisher)[:40]}-{self.session}"
            leases = Leases(f"{stream.name}_leases", f"book-{settings.venue.name}", member, stream.replicas or 1)
            self._books = SharedBooks(leases, renew or (lambda product: None))
        policy = "drop_newest" if settings.overflow == "fail" else settings.overflow
        self._queue: BoundedQueue[Recordable] = BoundedQueue(settings.queue_size, policy, self._dropped)
        self._policy = RetryPolicy(settings.retry_seconds, settings.flush_seconds, settings.attempt_seconds)
        self._idle = False  # the loop waits for `_wake`
        self._acknowledgements = Acknowledgements(self.name, self._flight, counters, self._policy, emit)
        self._wake = asyncio.Event()
        self._overflow = 0
        self._most = 1_000_000
        self._inbox = ""
        self._described_at = self._alive_at = 0.0
        self._known = False
        self._received_ns = 0  # the receipt of the newest message that was sent
        self._lost = 0
        self._cause: Exception | None = None
        self._finished = threading.Event()
        self._connection = TapeConnection(
            settings.address, f"rxfeed-publish-{settings.publisher}", self._session, self._problem, self._ended
        )

    def _open(self) -> StoredMessages | None:
        settings = self._settings
        if settings.spill is None:
            return None

        def damaged(count: int) -> None:
            self._counters.dead += count

        return StoredMessages(settings.spill, f"tape {settings.stream.name} of {settings.venue.name}", damaged)

    # ---- for the source and for other threads

    def start(self) -> None:
        self._connection.start()

    def put(self, item: Recordable) -> None:
        self._counters.taken += 1
        self._queue.put(item)
        if self._idle:
            self._idle = False
            self._connection.call(self._wake.set)
        if self._overflow and self._settings.overflow == "fail" and not self._policy.ended:
            why = f"the queue of {self._queue.size} items is full, and overflow is 'fail'"
            self._fail(SinkError(f"{self.name}: {why}", 0))

    def _dropped(self) -> None:
        self._counters.dropped += 1  # always under the queue's lock
        self._overflow += 1

    def _fail(self, error: Exception) -> None:
        self.end(error)
        self._unsubscribe()

    def end(self, cause: Exception | None = None, deadline: float | None = None) -> None:
        self._cause = self._cause or cause
        self._policy.end(deadline)
        self._queue.end()
        self._connection.call(self._wake.set)

    def wait(self) -> None:
        self._connection.thread.join()

    def close(self, timeout: float) -> UnpublishedCounts:
        """End; wait until all is acknowledged, or *timeout* seconds. Returns the unpublished counts."""
        self.end(deadline=time.monotonic() + timeout)
        self._unsubscribe()
        if threading.current_thread() not in self.threads and not self._finished.wait(timeout):
            self._connection.stop()
            self._finished.wait(0.5)
        return UnpublishedCounts(*self.remaining)

    @property
    def over(self) -> bool:
        return self._finished.is_set()

    @property
    def queued(self) -> int:
        return len(self._queue) + self._flight.items + sum(each.items for each in self._aside)

    @property
    def spilled(self) -> int:
        return 0 if self._stored is None else self._stored.count

    @property
    def spill_bytes(self) -> int:
        return 0 if self._stored is None else self._stored.bytes

    @property
    def in_flight(self) -> int:
        return len(self._flight)

    @property
    def remaining(self) -> tuple[int, int]:
        return self.queued + self._lost + self._queue.late, self.spilled

    @property
    def full(self) -> bool:
        return self._settings.overflow == "block" and len(self._queue) >= self._queue.size

    @property
    def threads(self) -> tuple[threading.Thread, ...]:
        return (self._connection.thread,)

    def forked(self) -> None:
        self._queue = ForkedQueue()
        if self._stored is not None:
            self._stored.forked()

    @property
    def lag(self) -> float:
        first = self._flight.oldest
        oldest = 0 if first is None else first.received_ns
        if self._stored is not None and self._stored.count:
            oldest = self._stored.oldest_ns
        return max(0.0, (time.time_ns() - oldest) / 1e9) if oldest else 0.0

    # ---- on the loop's thread: one connection

    async def _session(self, client: Client, lost: asyncio.Event) -> None:
        self._wake = asyncio.Event()
        self._acknowledgements.begin(lost)
        info = await ensure_stream(client.jetstream(), self._settings.stream, known=self._known)
        self._known = True
        self._most = payload_limit(client.max_payload, info)
        self._inbox = client.new_inbox()
        await client.subscribe(f"{self._inbox}.*", cb=self._acknowledgements.received)
        self._problem(None)
        work = [self._publish(client), self._watch(client), lost.wait()]
        if self._books is not None:
            work.append(self._books.keep(client))
        tasks = [asyncio.create_task(each) for each in work]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self._acknowledgements.report()
        if tasks[0] in done:
            tasks[0].result()
        elif tasks[1] in done:
            tasks[1].result()
        elif tasks[-1] in done and self._books is not None:
            tasks[-1].result()
        elif self._acknowledgements.failure is not None:
            raise ConnectionLost(f"{self.name}: {self._acknowledgements.failure}")

    async def _publish(self, client: Client) -> None:
        """Publish until the source has ended and all is acknowledged."""
        if self._stored is not None:
            await self._publish_stored(client, self._stored)
        again = list(self._flight)
        await self._send_all(client, again)
        self._counters.retries += len(again)
        await self._describe(client)
        queue, most = self._queue, self._settings.in_flight
        while True:
            if len(self._flight) >= most:
                await self._acknowledgements.wait_until_fewer(most)
            items = queue.take(_TOGETHER, idle=0.0)
            if items:
                # All are in flight before the first is sent, which may fail.
                encode = self._encoder.encode if self._books is None else self._shared
                envelopes = [each for each in map(encode, items) if each is not None]
                for part in [part for each in envelopes for part in self._flight.add(each, self._most)]:
                    await self._send(client, part)
                self._received_ns = _newest(items, self._received_ns)
                await asyncio.sleep(0)
                continue
            if queue.is_over:
                break
            self._wake.clear()
            self._idle = True
            if len(queue) or queue.is_over:  # it came meanwhile
                self._idle = False
                continue
            await self._wake.wait()
            self._idle = False
        await self._acknowledgements.wait_until_fewer(1)
        await self._publish_one(client, self._encoder.own(ItemKind.END, b""))
        await self._acknowledgements.wait_until_fewer(1)
        if self._books is not None:
            with contextlib.suppress(Exception):  # the leases expire
                await asyncio.wait_for(self._books.leave(), 1.0)

    async def _publish_stored(self, client: Client, stored: StoredMessages) -> None:
        """Publish what is on disk, and then put what is newer in flight."""
        while envelopes := stored.next(self._settings.in_flight):
            for each in envelopes:
                self._flight.put(each)
            await self._send_all(client, envelopes)
            await self._acknowledgements.wait_until_fewer(1)
            stored.remove()
            if not self._aside and len(self._queue) > self._queue.size // 2:
                self._store_queue(stored)
        aside, self._aside = self._aside, []
        for each in aside:
            self._flight.put(each)

    async def _send_all(self, client: Client, envelopes: list[TapeEnvelope]) -> None:
        for place, envelope in enumerate(envelopes):
            await self._send(client, envelope)
            if not (place + 1) % _TOGETHER:
                await asyncio.sleep(0)

    def _shared(self, item: Recordable) -> TapeEnvelope | None:
        """The message of *item*; `None` also for that of a book which another publisher has."""
        assert self._books is not None
        lease = self._books.lease(item)
        if lease is None:
            self._counters.withheld += 1
            return None
        envelope = self._encoder.encode(item)
        if envelope is not None:
            envelope.lease = lease
        return envelope

    async def _publish_one(self, client: Client, envelope: TapeEnvelope) -> None:
        for part in self._flight.add(envelope, self._most):
            await self._send(client, part)

    async def _send(self, client: Client, envelope: TapeEnvelope) -> None:
        if len(envelope.payload) > self._most:  # nats-py would raise, with each attempt
            self._acknowledgements.dead(
                envelope.key, f"its {len(envelope.payload)} bytes are more than the server takes now"
            )
            return
        envelope.sent_at = time.monotonic()
        headers = envelope.headers(self._settings.venue.name, self.session, self._flight.settled)
        await client.publish(envelope.subject, envelope.payload, reply=f"{self._inbox}.{envelope.key}", headers=headers)

    async def _describe(self, client: Client) -> None:
        await self._publish_one(client, self._description())

    def _description(self) -> TapeEnvelope:
        self._described_at = time.monotonic()
        about = {
            "publisher": self._settings.publisher,
            "shared": self._settings.shared,
            **self._about(),
            "renamed": self._encoder.renamed,
        }
        payload = msgspec.json.encode(about)
        return self._encoder.own(ItemKind.SESSION, payload, self._settings.publisher_subject)

    async def _watch(self, client: Client) -> None:
        """Report what was acknowledged, send signs of life, and detect a server that does not answer."""
        while True:
            await asyncio.sleep(_TICK)
            self._acknowledgements.report()
            now, oldest = time.monotonic(), self._flight.oldest
            if oldest is not None and now - oldest.sent_at > self._settings.attempt_seconds:
                raise ConnectionLost(f"{self.name}: no acknowledgement for {self._settings.attempt_seconds:g} s")
            if self._policy.ended or self.spilled:  # what is on disk comes first
                continue
            if now - self._alive_at >= _ALIVE and len(self._flight) < self._settings.in_flight:
                self._alive_at = now
                await self._publish_one(client, self._encoder.own(ItemKind.ALIVE, b"%d" % self._received_ns))
                if now - self._described_at >= _DESCRIBED:
                    await self._describe(client)

    # ---- the disk, while there is no connection

    def _keep_storing(self) -> None:
        """Write what waits to disk, now and until there is a connection."""
        self._storing = self._counters.problem is not None
        if not self._storing or self._stored is None:
            return
        try:
            self._store(self._stored)
        except Exception as error:  # of an item that is no message, or of a damaged file that cannot be created again
            self.end(error)
            self._connection.stop()
            return
        asyncio.get_running_loop().call_later(_STORE, self._keep_storing)

    def _store(self, stored: StoredMessages) -> None:
        """Write what is in flight and in the queue to disk, as far as it has space."""
        self._aside = self._aside + self._flight.clear()
        if not self._aside or stored.store(self._aside, self.session):
            self._aside = []
            self._store_queue(stored)

    def _store_queue(self, stored: StoredMessages) -> None:
        """The same of the queue alone; nothing older may be in memory."""
        encode = self._encoder.encode if self._books is None else self._shared
        groups = -(-len(self._queue) // _ON_DISK)  # not what comes meanwhile: the connection must have its turn
        for _ in range(groups):
            items = self._queue.take(_ON_DISK, idle=0.0)
            envelopes = [each for each in map(encode, items) if each is not None]
            if envelopes and not self._described_at:  # consumers need it before the first message
                envelopes.insert(0, self._description())
            numbered = [part for each in envelopes for part in self._flight.numbered(each, self._most)]
            if numbered and not stored.store(numbered, self.session):
                self._aside = numbered
                return

    # ---- problems and the end

    def _problem(self, text: str | None) -> None:
        if text is None:
            if self._counters.problem is not None:
                log.warning("%s: messages are published again", self.name)
            self._connection.connected_before = True
            self._policy.succeeded()
        elif self._counters.problem is None:
            log.warning("%s: messages wait, and are sent when this is mended: %s", self.name, text)
        self._counters.problem = text
        if text is not None and not self._storing:
            self._keep_storing()
        if text is not None and self._policy.left() <= 0:
            self._connection.stop()

    def _ended(self, error: Exception | None) -> None:
        if error is not None and not isinstance(error, RxfeedError):
            log.error("%s: a defect of rxfeed, please report it", self.name, exc_info=error)
        self._unsubscribe()
        if self._stored is not None:
            self._end_storing(self._stored)
        self._lost = self._flight.items + sum(each.items for each in self._aside) + self._queue.clear()
        self._aside = []
        self._flight = InFlight(self.session)
        self._counters.lost += self._lost + self._queue.late
        self._finished.set()
        self._on_end(self._outcome(error))

    def _end_storing(self, stored: StoredMessages) -> None:
        try:
            self._store(stored)
        except Exception as error:  # those that are left are counted as lost
            log.error("%s: what waits cannot be written to %s", self.name, stored.path, exc_info=error)
        if stored.count:
            log.warning("%s: %d messages wait in %s for the next start", self.name, stored.count, stored.path)
        stored.close()

    def _outcome(self, error: Exception | None) -> Exception | None:
        lost = self._lost + self._queue.late + (self._overflow if self._settings.overflow == "fail" else 0)
        cause = error or self._cause
        if isinstance(cause, ConfigError) or (not lost and error is None and not isinstance(cause, SinkError)):
            return cause
        why = str(cause or self._counters.problem or "the time was over")
        outcome = SinkError(f"{lost} items not published: {why}", lost)
        outcome.__cause__ = cause
        return outcome


def _newest(items: Sequence[Recordable], before: int) -> int:
    """The latest receipt of the messages in *items*, and *before*."""
    return max(before, *(each.received_ns for each in items if isinstance(each, Message)), 0)
