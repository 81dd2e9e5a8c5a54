"""A worker of a group: it runs a study on its share of the products, and takes the shares of dead workers over.

Rules:
- Products are spread over shards by a hash. A shard is run by the worker with its lease: see `rxfeed.tape.share`.
- A worker that cannot renew its membership stops its shards, before other workers take them.
- A shard begins *warmup* seconds before its last result, and its results up to that one are not published again. So
  results are those of one undisturbed run, if *warmup* is longer than what the study remembers.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rxfeed.core import arguments
from rxfeed.tape.connection import TapeAddress, TapeConnection
from rxfeed.tape.leases import RENEW, Leases
from rxfeed.tape.nats_feed import NatsFeed
from rxfeed.tape.reader import Since
from rxfeed.tape.result_stream import ShardResults
from rxfeed.tape.shard_run import ShardRun, Study
from rxfeed.tape.shards import products_of, spread
from rxfeed.tape.share import Products, ShardShare
from rxfeed.tape.stream import check_name
from rxfeed.tape.subjects import Subjects, escaped
from rxfeed.venues import Venue

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext

log = logging.getLogger("rxfeed.tape")

_DISCOVER = 5.0  # seconds between two looks for new products


class Worker:
    """Runs *study* on its shards of the tape *stream*, until `stop`.

    *products*: `None` for those of which the tape has messages. *make_feed*: makes a feed of products from a time on.
    """

    def __init__(
        self,
        address: TapeAddress,
        study: Study,
        group: str,
        *,
        stream: str,
        venue: Venue,
        shards: int,
        products: Sequence[str] | None,
        warmup: float | None,
        make_feed: Callable[[tuple[str, ...], Since], NatsFeed],
    ) -> None:
        arguments.positive_integer("shards", shards)
        self._study = study
        self._group = check_name(group)
        self._stream = check_name(stream)
        self._prefix = Subjects(stream, venue).prefix
        self._shards = shards
        self._given = products
        self._warmup = warmup
        self._make_feed = make_feed
        self.member = f"{escaped(socket.gethostname())[:30]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._leases = Leases(f"{stream}_leases", f"work-{escaped(group)}", self.member)
        self._share = ShardShare(self._leases, self._begin, self._end)
        self._js: JetStreamContext
        self._runs: dict[int, ShardRun] = {}
        self._publishing: dict[int, asyncio.Task[None]] = {}
        self._stopping = False
        self._emitted = 0
        self.problem: str | None = None
        self.error: Exception | None = None
        self._over = threading.Event()
        self._connection = TapeConnection(address, f"rxfeed-work-{group}", self._session, self._problem, self._ended)

    def start(self) -> None:
        self._connection.start()

    def stop(self) -> None:
        """Give the shards up, and end; from any thread."""
        self._stopping = True

    def wait(self, timeout: float | None = None) -> bool:
        return self._over.wait(timeout)

    @property
    def shards(self) -> list[int]:
        """The shards that this worker runs now."""
        return sorted(self._runs)

    @property
    def emitted(self) -> int:
        """The results that it has published."""
        return self._emitted + sum(each.emitted for each in self._runs.values())

    # ---- on the loop's thread

    async def _session(self, client: Client, lost: asyncio.Event) -> None:
        js = self._js = client.jetstream(timeout=2.0)
        await self._leases.open(js)
        wanted: dict[int, Products] = {}
        looked = -_DISCOVER
        self._problem(None)
        guard = asyncio.create_task(self._guard())
        renewing: asyncio.Task[None] | None = None
        try:
            await self._leases.renew()
            renewing = asyncio.create_task(self._renew())
            while not lost.is_set() and not self._stopping:
                if renewing.done():
                    renewing.result()
                if time.monotonic() - looked >= _DISCOVER:
                    looked = time.monotonic()
                    found = self._given or await products_of(js, self._stream, self._prefix)
                    wanted = spread(found, self._shards)
                await self._share.adjust(wanted)
                for task in self._publishing.values():
                    if task.done():
                        task.result()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), RENEW)
            if self._stopping:
                await self._share.leave()
        finally:
            guard.cancel()
            if renewing is not None:
                renewing.cancel()
            for task in self._publishing.values():
                task.cancel()
            self._publishing.clear()

    async def _begin(self, shard: int, products: Products) -> None:
        results = ShardResults(self._stream, self._group, shard)
        loop = asyncio.get_running_loop()
        run = ShardRun(shard, products, self._study, results, self._make_feed, self._warmup, loop)
        await run.begin(self._js)
        log.info("%s runs shard %d: %s", self.member, shard, ", ".join(products))
        self._runs[shard] = run
        self._publishing[shard] = asyncio.create_task(run.publish(self._js))

    def _end(self, shard: int) -> None:
        run, task = self._runs.pop(shard), self._publishing.pop(shard, None)
        run.stop()
        self._emitted += run.emitted
        if task is not None:
            task.cancel()

    async def _renew(self) -> None:
        """Renew the leases, whatever else takes its time."""
        while True:
            await asyncio.sleep(RENEW)
            await self._leases.renew()

    async def _guard(self) -> None:
        """Stop all shards when another worker may take them."""
        while True:
            await asyncio.sleep(0.2)
            if self._runs and not self._leases.is_safe:
                log.warning("%s could not renew its leases, and stops its %d shards", self.member, len(self._runs))
                self._share.end_all()

    def _problem(self, text: str | None) -> None:
        if text is None:
            if self.problem is not None:
                log.warning("worker %s: it is connected again", self.member)
            self._connection.connected_before = True
        elif self.problem is None:
            log.warning("worker %s: nothing is worked on until this is mended: %s", self.member, text)
        self.problem = text
        if text is not None:  # other workers may take the shards
            self._share.end_all()

    def _ended(self, error: Exception | None) -> None:
        self.error = error
        self._share.end_all()
        self._over.set()
