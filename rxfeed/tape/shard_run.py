"""Runs a study on the products of one shard, from its last result on."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from reactivex import Observable

from rxfeed.errors import ConfigError
from rxfeed.market import moment
from rxfeed.tape.nats_feed import NatsFeed
from rxfeed.tape.reader import Since
from rxfeed.tape.result_stream import Place, ShardResult, ShardResults, encoded

if TYPE_CHECKING:
    from nats.js import JetStreamContext

log = logging.getLogger("rxfeed.tape")

Study = Callable[[NatsFeed], Observable[object]]
_MOST = 10_000  # results that wait; then the study waits


class ShardRun:
    """A study on *products*: its feed, and the results that are not published yet.

    *make_feed* makes the feed from a time on (`None`: from the beginning of the tape).
    """

    def __init__(
        self,
        shard: int,
        products: tuple[str, ...],
        study: Study,
        results: ShardResults,
        make_feed: Callable[[tuple[str, ...], Since], NatsFeed],
        warmup: float | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.shard = shard
        self.products = products
        self.error: Exception | None = None
        self._study = study
        self._results = results
        self._make_feed = make_feed
        self._warmup = warmup
        self._loop = loop
        self._waiting: deque[ShardResult] = deque()
        self._some = asyncio.Event()
        self._room = threading.Semaphore(_MOST)
        self._stopped = False
        self._place: Place = (0, -1)
        self._after: Place = (0, -1)
        self.feed: NatsFeed | None = None
        self.emitted = 0

    async def begin(self, js: JetStreamContext) -> None:
        """Begin *warmup* before the last result, or with the beginning of the tape."""
        await self._results.open(js)
        self._after = self._results.place
        since: Since = "all"
        if self._results.received_ns and self._warmup is not None:
            since = moment(self._results.received_ns // 1000) - timedelta(seconds=self._warmup)
        self.feed = self._make_feed(self.products, since)
        observable = self._study(self.feed)
        if not isinstance(observable, Observable):
            raise ConfigError("study: it returns no Observable: return the pipeline of which the results are stored")
        observable.subscribe(self._result, self._failed)
        self.feed.connect()

    def _result(self, result: object) -> None:
        """A result of the study, on the feed's thread."""
        assert self.feed is not None
        sequence = self.feed.sequence
        last, index = self._place
        place = self._place = (sequence, index + 1 if sequence == last else 0)
        if place <= self._after or self._stopped:  # it was emitted before
            return
        item = ShardResult(place, self.feed.received_ns, encoded(result))
        while not self._room.acquire(timeout=0.5):
            if self._stopped:
                return
        self._loop.call_soon_threadsafe(self._put, item)

    def _put(self, item: ShardResult) -> None:
        self._waiting.append(item)
        self._some.set()

    def _failed(self, error: Exception) -> None:
        self.error = error
        log.error("shard %d: the study has failed, and its results end: %r", self.shard, error, exc_info=error)

    async def publish(self, js: JetStreamContext) -> None:
        """Publish the results, until cancelled."""
        while True:
            while self._waiting:
                self.emitted += await self._results.put(js, self._waiting[0])
                self._waiting.popleft()
                self._room.release()
            self._some.clear()
            await self._some.wait()

    def stop(self) -> None:
        """End without the results that the end of the feed would give."""
        self._stopped = True
        if self.feed is not None:
            self.feed.close(0)
