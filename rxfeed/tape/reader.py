"""Reads a tape in its order, from a place on, without a missing or doubled message.

Rules:
- A consumer of the stream sends messages on request, so that a slow subscriber is never overrun by the server.
- The consumer numbers what it sends. If a number is missing, if the consumer was deleted, or if the connection is lost,
  another consumer continues behind the last message that was received.
- If the stream was made anew, or has deleted messages that were not read, a `TapeBreak` is in their place. A consumer
  is not notified of deletions: while it is behind, the stream's first sequence is requested before more messages are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import msgspec

from rxfeed.errors import ConnectionLost
from rxfeed.market import microseconds, moment
from rxfeed.tape.connection import TapeAddress, TapeConnection
from rxfeed.tape.envelope import TapeItem, item_of
from rxfeed.tape.inbox import TapeBreak, TapeInbox
from rxfeed.tape.library import nats_py
from rxfeed.tape.subjects import PUBLISHER

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg
    from nats.js import JetStreamContext
    from nats.js.api import ConsumerConfig, StreamInfo

log = logging.getLogger("rxfeed.tape")

Since = datetime | Literal["all"] | None
_BATCH = 2_000
_EXPIRES = 30.0
_BEAT = 2.0
_SILENT = 6.0  # seconds without a message and without the server's heartbeat
_INACTIVE = 30.0  # seconds after which the server deletes the consumer of a reader that is gone
_EARLIER = 10_000_000  # microseconds; the clocks of servers and publishers may differ
_MOST = 20_000
_MOST_BYTES = 64 << 20


class ReaderPlace(msgspec.Struct):
    """Where a reader is: the sequence of the last item, and the stream that it is of."""

    last: int | None = None
    created: object = None
    target: int | None = None
    """The last message of the tape when the reader began, if it ends there."""


class TapeReader:
    """Puts the items of the tape *stream* at *address* on *filters* into `inbox`, beginning with *since*.

    *since*: `None` for what comes from now on, "all", a time, or the sequence of a message. *to_end*: end with the last
    message that is on the tape now. *ended* is called at the end, with the error that no later attempt can mend.
    """

    def __init__(
        self,
        address: TapeAddress,
        stream: str,
        prefix: str,
        filters: Sequence[str],
        since: Since | int,
        ended: Callable[[Exception | None], None],
        *,
        to_end: bool = False,
    ) -> None:
        self._stream = stream
        self._prefix = prefix
        self._filters = list(filters)
        self._since = since
        self._to_end = to_end
        self.name = f"tape {stream} at {address.shown}"
        self.problem: str | None = None
        self.foreign = 0
        """Messages that are none of this library."""
        self.place = ReaderPlace()
        self.inbox = TapeInbox(_MOST, _MOST_BYTES, self._room)
        self._chunk: list[TapeItem | TapeBreak] = []
        self._size = 0
        self._requested = self._expected = 0
        self._pending = 0  # messages that the consumer had not sent yet at its last one
        self._first = 0  # the stream's first sequence, if that was requested
        self._heard = 0.0
        self._lost: asyncio.Event | None = None
        self._failure: str | None = None
        self._wake = asyncio.Event()
        self._done = False
        self._on_end = ended
        self._nats = nats_py()
        self._connection = TapeConnection(address, f"rxfeed-read-{stream}", self._session, self._problem, self._ended)

    def start(self) -> None:
        self._connection.start()

    def stop(self) -> None:
        """End soon; from any thread."""
        self.inbox.stop()
        self._connection.stop()

    def join(self, seconds: float) -> None:
        if self._connection.thread.is_alive():
            self._connection.thread.join(seconds)

    def _room(self) -> None:
        self._connection.call(self._wake.set)

    # ---- one connection

    async def _session(self, client: Client, lost: asyncio.Event) -> None:
        js = client.jetstream()
        self._lost, self._failure, self._wake = lost, None, asyncio.Event()
        try:
            info: StreamInfo = await js.stream_info(self._stream)
        except self._nats.js.errors.NotFoundError:
            why = "there is no such stream; a publisher makes it (rxfeed publish)"
            raise ConnectionLost(f"{self.name}: {why}") from None
        first = self.place.last is None
        if first:
            await self._sessions(js, info)
        consumer = await js.add_consumer(self._stream, self._config(info))
        inbox = client.new_inbox()
        self._requested, self._expected, self._heard = 0, 1, time.monotonic()
        self._pending = self._first = 0
        await client.subscribe(inbox, cb=self._received)
        self._problem(None)
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{consumer.name}"
        try:
            if self._to_end and not consumer.num_pending:
                return
            await self._request_until_lost(client, js, subject, inbox, lost)
        finally:
            self._flush()
            self._lost = None
            if not lost.is_set():
                with contextlib.suppress(Exception):
                    await asyncio.wait_for(js.delete_consumer(self._stream, consumer.name), 1.0)
        if self._failure is not None:
            raise ConnectionLost(f"{self.name}: {self._failure}")

    async def _request_until_lost(
        self, client: Client, js: JetStreamContext, subject: str, inbox: str, lost: asyncio.Event
    ) -> None:
        request = msgspec.json.encode(
            {"batch": _BATCH, "expires": round(_EXPIRES * 1e9), "idle_heartbeat": round(_BEAT * 1e9)}
        )
        waiting = asyncio.create_task(lost.wait())
        try:
            while not lost.is_set() and not self._done:
                if self._requested <= _BATCH // 2 and not self.inbox.full:
                    if self._pending:
                        self._first = (await js.stream_info(self._stream)).state.first_seq
                    self._requested += _BATCH
                    await client.publish(subject, request, reply=inbox)
                self._wake.clear()
                waking = asyncio.create_task(self._wake.wait())
                await asyncio.wait((waiting, waking), timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
                silent = time.monotonic() - self._heard
                if self._requested and silent > _SILENT:
                    raise ConnectionLost(f"{self.name}: the server has sent nothing for {silent:.0f} s")
        finally:
            waiting.cancel()

    async def _sessions(self, js: JetStreamContext, info: StreamInfo) -> None:
        """Put the descriptions of the publishers before the first message, and set where to begin."""
        self.place.created = info.created
        if self._to_end:
            self.place.target = info.state.last_seq
        if isinstance(self._since, int):
            self.place.last = self._since - 1
        elif self._since is None:
            self.place.last = info.state.last_seq
        if self._since == "all":
            return
        subjects = f"{self._prefix}.{PUBLISHER}.*"
        found = await js.stream_info(self._stream, subjects_filter=subjects)
        for subject in found.state.subjects or ():
            message = await js.get_last_msg(self._stream, subject)
            with contextlib.suppress(Exception):
                item = item_of(0, subject, message.headers, message.data or b"")
                self._chunk.append(item)
        self._flush()

    def _config(self, info: StreamInfo) -> ConsumerConfig:
        api, place = self._nats.js.api, self.place
        start: dict[str, object] = {"deliver_policy": api.DeliverPolicy.ALL}
        if place.last is not None:
            if info.created != place.created:
                self._break("the stream was deleted and made anew")
                place.created, place.last = info.created, 0
            elif info.state.first_seq > place.last + 1 and info.state.last_seq > place.last and place.last:
                self._deleted(info.state.first_seq - place.last - 1)
            start = {
                "deliver_policy": api.DeliverPolicy.BY_START_SEQUENCE,
                "opt_start_seq": max(1, place.last + 1),
            }
        elif isinstance(self._since, datetime):
            start = {
                "deliver_policy": api.DeliverPolicy.BY_START_TIME,
                "opt_start_time": moment(microseconds(self._since) - _EARLIER),
            }
        return api.ConsumerConfig(
            filter_subjects=self._filters,
            ack_policy=api.AckPolicy.NONE,
            inactive_threshold=_INACTIVE,
            mem_storage=True,
            num_replicas=1,
            **start,
        )

    def _deleted(self, missing: int) -> None:
        self._break(f"the stream has deleted {missing} messages before they were read: its limits are too low")

    def _break(self, reason: str) -> None:
        log.warning("%s: %s. All epochs rise here", self.name, reason)
        self._chunk.append(TapeBreak(reason))
        self._flush()

    # ---- messages

    async def _received(self, message: Msg) -> None:
        self._heard = time.monotonic()
        reply = message.reply
        if not reply or not reply.startswith("$JS.ACK."):
            self._control(message)
            return
        tokens = reply.split(".")
        # $JS.ACK.[domain.account.]stream.consumer.delivered.sequence.consumer sequence.time.pending[.token]
        at = 5 if len(tokens) == 9 else 7
        sequence, number, pending = int(tokens[at]), int(tokens[at + 1]), int(tokens[at + 3])
        if number != self._expected:
            self._fail("messages were dropped on the way to this client")
            return
        if self._done:
            return
        self._expected += 1
        self._requested -= 1
        place = self.place
        if self._pending and place.last and sequence > place.last + 1:
            self._jumped(place.last + 1, sequence)
        place.last, self._pending = sequence, pending
        try:
            item = item_of(sequence, message.subject, message.headers, message.data)
        except ValueError as error:
            self._foreign(message, error)
        else:
            if not self._chunk:
                asyncio.get_running_loop().call_soon(self._flush)
            self._chunk.append(item)
            self._size += len(item.payload)
        if place.target is not None and (not pending or sequence >= place.target):
            self._done = True
            self._wake.set()
        elif self._requested <= _BATCH // 2:
            self._wake.set()

    def _jumped(self, expected: int, sequence: int) -> None:
        """Report messages that were deleted, and not read, between two received ones."""
        if expected < self._first <= sequence:
            self._deleted(self._first - expected)

    def _foreign(self, message: Msg, error: ValueError) -> None:
        self.foreign += 1
        if self.foreign == 1:
            where = message.subject
            log.warning("%s: a message on %s is skipped: %s; later ones are not logged", self.name, where, error)

    def _control(self, message: Msg) -> None:
        headers = message.headers or {}
        status, description = headers.get("Status"), headers.get("Description", "")
        if status == "100":
            return
        if status == "503":
            self._fail("the consumer is gone: the stream or the consumer was deleted, or its server ended")
        elif status == "409" and "MaxBytes" not in description and "Batch Completed" not in description:
            self._fail(f"the server ended the request: {description}")
        elif status in ("404", "408", "409"):
            self._requested = max(0, self._requested - int(headers.get("Nats-Pending-Messages", _BATCH)))
            self._wake.set()

    def _fail(self, why: str) -> None:
        if self._lost is not None:  # otherwise this reader has deleted the consumer
            self._failure = self._failure or why
            self._lost.set()

    def _flush(self) -> None:
        if self._chunk:
            chunk, size, self._chunk, self._size = self._chunk, self._size, [], 0
            self.inbox.put(chunk, size)

    # ---- problems and the end

    def _problem(self, text: str | None) -> None:
        if text is None:
            if self.problem is not None:
                log.warning("%s: messages are received again", self.name)
            self._connection.connected_before = True
        elif self.problem is None:
            log.warning("%s: nothing is received until this is mended: %s", self.name, text)
        self.problem = text

    def _ended(self, error: Exception | None) -> None:
        self._on_end(error)
        self.inbox.end()
