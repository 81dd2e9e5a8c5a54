"""The server's answers to the messages in flight, and what they mean for the publisher."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from rxfeed.sinks import RetryPolicy
from rxfeed.tape.in_flight import InFlight
from rxfeed.tape.results import TapeCounters, TapeWrite

if TYPE_CHECKING:
    from nats.aio.msg import Msg

log = logging.getLogger("rxfeed.tape")

_TOO_LARGE = 10054


class _Refusal(msgspec.Struct, frozen=True):
    code: int = 0
    err_code: int = 0
    description: str = ""


class _Acknowledgement(msgspec.Struct, frozen=True):
    seq: int = 0
    duplicate: bool = False
    error: _Refusal | None = None


_acknowledgement = msgspec.json.Decoder(_Acknowledgement).decode


class Acknowledgements:
    """Takes what is acknowledged, or can never be stored, out of *flight*. All calls are on one loop.

    *name*: of the publisher, in the log. *emit* is called with acknowledged writes, by `report`.
    """

    def __init__(
        self,
        name: str,
        flight: InFlight,
        counters: TapeCounters,
        policy: RetryPolicy,
        emit: Callable[[TapeWrite], None],
    ) -> None:
        self._name = name
        self._flight = flight
        self._counters = counters
        self._policy = policy
        self._emit = emit
        self._unreported: list[int] = [0, 0, 0]
        self._room = self._failed = asyncio.Event()
        self.failure: str | None = None
        """Why the server refused messages of this connection."""

    def begin(self, failed: asyncio.Event) -> None:
        """A connection begins; *failed* is set if the server refuses messages."""
        self._room, self._failed, self.failure = asyncio.Event(), failed, None

    async def received(self, message: Msg) -> None:
        key = int(message.subject.rpartition(".")[2])
        if message.headers is not None and message.headers.get("Status") == "503":
            self._refused("no stream takes its subjects: it was deleted, or its leader is being elected")
            return
        answer = _acknowledgement(message.data)
        if answer.error is not None and answer.error.err_code == _TOO_LARGE:
            self.dead(key, answer.error.description)
            return
        if answer.error is not None:
            self._refused(f"the server refuses messages: {answer.error.description} ({answer.error.err_code})")
            return
        if self._flight.done(key) is None:
            return
        self._policy.succeeded()
        if answer.duplicate:
            self._counters.duplicates += 1
            self._unreported[1] += 1
        else:
            self._counters.published += 1
        self._unreported[0] += 1
        self._unreported[2] = max(self._unreported[2], answer.seq)
        self._room.set()

    def dead(self, key: int, why: str) -> None:
        """The message *key* can never be stored."""
        envelope = self._flight.done(key)
        if envelope is not None:
            self._counters.dead += 1
            log.error("%s: a message on %s can never be stored: %s", self._name, envelope.subject, why)
        self._room.set()

    def _refused(self, why: str) -> None:
        """The messages in flight are sent again with the next connection."""
        self.failure = self.failure or why
        self._failed.set()

    async def wait_until_fewer(self, most: int) -> None:
        """Wait until fewer than *most* messages are in flight."""
        while len(self._flight) >= most:
            self._room.clear()
            await self._room.wait()

    def report(self) -> None:
        count, duplicates, sequence = self._unreported
        if count:
            self._unreported = [0, 0, 0]
            self._counters.rate.add(count)
            self._emit(TapeWrite(count, duplicates, sequence, self._counters.total))
