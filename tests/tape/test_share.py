"""Workers that share shards: any order of their requests to the server ends with each shard run once, evenly."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from nats.js.errors import KeyNotFoundError, KeyWrongLastSequenceError

from rxfeed.tape.leases import TTL, Leases
from rxfeed.tape.share import ShardShare, part_of
from tests.support.amounts import amount

WANTED: dict[int, tuple[str, ...]] = {shard: (f"P{shard}-USD",) for shard in (0, 1, 2, 3, 5)}
STEP = 0.01  # seconds of the clock for one request to the server
EVENTS = ("start", "kill", "stop", "suspend", "delay", "pause", "fewer", "others", "more")
PARTS = {"fewer": slice(0, 3), "others": slice(3, 5), "more": slice(0, 5)}
Event = tuple[str, int]


class Store:
    """A bucket in memory. Each request waits for its turn, before it has its effect and before its answer."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[bytes, int]] = {}
        self.sequence = 0
        self.waiting: list[tuple[Worker, asyncio.Future[None]]] = []

    def write(self, key: str, value: bytes, last: int | None) -> int:
        if last is not None and self.keys.get(key, (b"", 0))[1] != last:
            raise KeyWrongLastSequenceError
        self.sequence += 1
        self.keys[key] = value, self.sequence
        return self.sequence


class Bucket:
    """The connection of one worker to the store."""

    def __init__(self, store: Store, worker: Worker) -> None:
        self._store = store
        self._worker = worker

    async def turn(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._store.waiting.append((self._worker, future))
        await future

    async def key_value(self, bucket: str) -> Bucket:
        return self

    async def stream_info(self, name: str, subjects_filter: str) -> Any:
        await self.turn()
        prefix = subjects_filter.removesuffix("*").removeprefix("$KV.b.")
        subjects = {f"$KV.b.{key}": 1 for key in self._store.keys if key.startswith(prefix)}
        await self.turn()
        return SimpleNamespace(state=SimpleNamespace(subjects=subjects))

    async def get(self, key: str) -> Any:
        await self.turn()
        found = self._store.keys.get(key)
        await self.turn()
        if found is None:
            raise KeyNotFoundError
        return SimpleNamespace(value=found[0], revision=found[1])

    async def _write(self, key: str, value: bytes, last: int | None) -> int:
        await self.turn()
        revision = self._store.write(key, value, last)
        await self.turn()
        return revision

    async def put(self, key: str, value: bytes) -> int:
        return await self._write(key, value, None)

    async def update(self, key: str, value: bytes, last: int) -> int:
        return await self._write(key, value, last)

    async def create(self, key: str, value: bytes) -> int:
        return await self._write(key, value, 0)

    async def delete(self, key: str, last: int | None = None) -> None:
        await self.turn()
        if last is None or self._store.keys[key][1] == last:
            self._store.keys.pop(key, None)


class Worker:
    """Renews its leases and adjusts its share, each in a loop."""

    def __init__(self, store: Store, world: World, name: str) -> None:
        self.held = 0  # steps for which its requests wait
        self.asleep = 0  # steps for which also its clock stands still
        self.slept = 0.0
        self.stopping = False
        self._world = world
        self.leases = Leases("b", "g", name, clock=lambda: world.now - self.slept)
        self.share = ShardShare(self.leases, self._begin, lambda shard: None)
        self._bucket = Bucket(store, self)
        self.task = asyncio.create_task(self._run())

    async def _begin(self, shard: int, products: tuple[str, ...]) -> None:
        await self._bucket.turn()

    async def _run(self) -> None:
        await self.leases.open(cast("Any", self._bucket))
        await self.leases.renew()
        renewing = asyncio.create_task(self._renew())
        try:
            while not self.stopping:
                await self._bucket.turn()
                await self.share.adjust(self._world.wanted)
        finally:
            renewing.cancel()
        await self.share.leave()

    async def _renew(self) -> None:
        while True:
            await self._bucket.turn()
            await self.leases.renew()

    def step(self) -> None:
        self.held = max(0, self.held - 1)
        if self.asleep:
            self.asleep -= 1
            self.slept += STEP
        if not self.leases.is_safe:  # as the worker's guard does
            self.share.end_all()


class World:
    """The workers, and the order of their requests."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.wanted = dict(WANTED)
        self.suspended = False
        self._store = Store()
        self._random = random.Random(seed)
        self._count = 0
        self.workers: list[Worker] = []

    def event(self, kind: str, number: int) -> None:
        if kind == "start" and len(self.workers) < 4:
            self._count += 1
            self.workers.append(Worker(self._store, self, f"{self._random.choice('abcd')}{self._count}"))
        elif kind in PARTS:
            self.wanted = dict(list(WANTED.items())[PARTS[kind]])
        elif self.workers:
            worker = self.workers[number % len(self.workers)]
            if kind == "kill":
                self.workers.remove(worker)
                worker.task.cancel()
            elif kind == "stop":
                worker.stopping = True
            else:
                worker.held = int((3.0 if kind == "pause" else TTL + 1) / STEP)  # too short to be dead, or longer
                worker.asleep = worker.held if kind == "suspend" else 0
                self.suspended = self.suspended or kind == "suspend"

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            self.now += STEP
            waiting = self._store.waiting = [each for each in self._store.waiting if not each[1].done()]
            free = [each for each in waiting if not each[0].held]
            if free:
                self._random.choice(free)[1].set_result(None)
            for _ in range(3):
                await asyncio.sleep(0)
            for worker in self.workers:
                worker.step()
            self.workers = [each for each in self.workers if not each.task.done() or each.task.result()]
            running = Counter(shard for each in self.workers for shard in each.share.running)
            assert self.suspended or max(running.values(), default=0) <= 1

    async def end(self) -> None:
        for worker in self.workers:
            worker.task.cancel()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


EVEN = [("start", 0), ("start", 0)]


@settings(max_examples=amount(20, thorough=400))
@given(st.integers(0, 2**32), st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 5)), max_size=8))
@example(0, [*EVEN, ("suspend", 0)])
@example(1, [*EVEN, ("delay", 1), ("start", 0)])
@example(2, [*EVEN, ("kill", 0), ("start", 0), ("fewer", 0)])
def test_shares_are_even_after_any_order_of_requests(seed: int, events: list[Event]) -> None:
    async def run() -> None:
        world = World(seed)
        try:
            for kind, number in (*events, ("start", 0)):
                world.event(kind, number)
                await world.run(seed % 97)
            await world.run(1_500)
            counts = sorted(len(each.share.running) for each in world.workers)
            assert sorted(shard for each in world.workers for shard in each.share.running) == sorted(world.wanted)
            assert counts[-1] - counts[0] <= 1
            for each in world.workers:
                assert sorted(map(int, each.leases.owned)) == each.share.running
        finally:
            await world.end()

    asyncio.run(run())


@given(st.sets(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=9), st.integers(0, 64))
def test_parts_of_all_members_are_all_shards(living: set[str], shards: int) -> None:
    parts = [part_of(member, living, shards) for member in living]
    assert sum(parts) == shards
    assert max(parts) - min(parts) <= 1


@pytest.mark.parametrize("ending", ["kill", "stop"])
def test_shards_of_a_worker_that_ends_are_taken(ending: str) -> None:
    assert shares(*EVEN, (ending, 0)) == [sorted(WANTED)]


def test_products_that_are_gone_leave_room_for_others() -> None:
    assert shares(("start", 0), ("fewer", 0), ("others", 0)) == [[3, 5]]


def test_worker_that_recovers_gives_up_what_it_does_not_run() -> None:
    """It kept its leases while another worker began."""
    found = shares(("start", 0), ("pause", 0), ("start", 0))
    assert sorted(map(len, found)) == [2, 3]
    assert sorted(shard for each in found for shard in each) == sorted(WANTED)


def shares(*events: Event) -> list[list[int]]:
    """What each worker runs some time after the *events*."""

    async def run() -> list[list[int]]:
        world = World(7)
        try:
            for event in events:
                world.event(*event)
                await world.run(100 if event[0] == "pause" else 800)
            return [each.share.running for each in world.workers]
        finally:
            await world.end()

    return asyncio.run(run())
