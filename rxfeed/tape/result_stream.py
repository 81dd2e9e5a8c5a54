"""The results of workers: a stream with one subject for each shard of a group.

Rules:
- A result has the number of the tape's item at which it was emitted, and its place among the results of that item:
  `Nats-Msg-Id` is `<group>/<shard>/<sequence>/<place>`.
- The server accepts it only directly behind the last result of the shard that its worker has seen. So if two workers
  run a shard, one is refused, reads the last result, and continues behind it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from rxfeed.tape.library import nats_py
from rxfeed.tape.shards import shard_name
from rxfeed.tape.subjects import escaped

if TYPE_CHECKING:
    from nats.js import JetStreamContext

PLACE = "Rxfeed-Place"
_WRONG_LAST = (10071, 10164)

Place = tuple[int, int]
"""The tape's item and the place of a result among its results."""
START: Place = (0, -1)


class ShardResult(msgspec.Struct, frozen=True):
    """A result that waits: its place, the receipt of the tape's item, and its JSON."""

    place: Place
    received_ns: int
    payload: bytes


class ShardResults:
    """The results of one shard of *group*, on the results' stream of the tape *stream*."""

    def __init__(self, stream: str, group: str, shard: int, replicas: int = 1) -> None:
        self.stream = f"{stream}_results"
        self.subject = f"{self.stream}.{escaped(group)}.{shard_name(shard)}"
        self._id = f"{group}/{shard_name(shard)}"
        self._replicas = replicas
        self._nats = nats_py()
        self._last = 0
        self.place: Place = START
        """The place of the last result."""
        self.received_ns = 0
        """The receipt of the tape's item at which it was emitted; 0 if there is no result."""

    async def open(self, js: JetStreamContext) -> None:
        """Make the stream if it is missing, and read the last result of the shard."""
        api, errors = self._nats.js.api, self._nats.js.errors
        config = api.StreamConfig(
            name=self.stream,
            subjects=[f"{self.stream}.>"],
            storage=api.StorageType.FILE,
            num_replicas=self._replicas,
            allow_direct=False,
        )
        try:
            await js.stream_info(self.stream)
        except errors.NotFoundError:
            await js.add_stream(config)
        await self.read_last(js)

    async def read_last(self, js: JetStreamContext) -> None:
        try:
            message = await js.get_last_msg(self.stream, self.subject)
        except self._nats.js.errors.NotFoundError:
            self._last, self.place, self.received_ns = 0, START, 0
            return
        sequence, index, ns = (message.headers or {})[PLACE].split(" ")
        self._last, self.place, self.received_ns = message.seq or 0, (int(sequence), int(index)), int(ns)

    async def put(self, js: JetStreamContext, result: ShardResult) -> bool:
        """Publish *result*; False if the shard has it already, or is further."""
        while result.place > self.place:
            sequence, index = result.place
            headers = {
                "Nats-Msg-Id": f"{self._id}/{sequence}/{index}",
                "Nats-Expected-Last-Subject-Sequence": str(self._last),
                PLACE: f"{sequence} {index} {result.received_ns}",
            }
            try:
                answer = await js.publish(self.subject, result.payload, headers=headers, timeout=3.0)
            except self._nats.js.errors.APIError as error:
                if error.err_code not in _WRONG_LAST:
                    raise
                await self.read_last(js)
                continue
            if answer.duplicate:  # it was stored by an attempt without an answer
                await self.read_last(js)
                continue
            self._last, self.place, self.received_ns = answer.seq, result.place, result.received_ns
            return True
        return False


def encoded(result: object) -> bytes:
    """The JSON of a result: a message, a struct, a mapping, or anything else that has one."""
    return msgspec.json.encode(result, enc_hook=str)
