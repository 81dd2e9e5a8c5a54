"""The share of one worker: which shards it takes, runs and gives up.

Rules:
- The shards that have products are spread over the living workers, so that the numbers of two workers differ by one at
  most. All workers compute the same parts, from the sorted names of the living ones.
- What a worker runs is a part of what it has leases of. A lease above its part, or of a shard without products, is
  given up, also if the shard does not run: while its worker lives, no other one takes it.
- What runs without a lease is ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Set

from rxfeed.tape.leases import Leases
from rxfeed.tape.shards import shard_name

Products = tuple[str, ...]


def part_of(member: str, living: Set[str], shards: int) -> int:
    """How many of *shards* are the part of *member*.

    >>> from rxfeed.tape.share import part_of
    >>> [part_of(member, {"a", "b", "c"}, 16) for member in "abc"]
    [6, 5, 5]
    """
    each, more = divmod(shards, len(living))
    return each + (sorted(living).index(member) < more)


class ShardShare:
    """Holds the shards of *leases*' member at its part; *begin* and *end* run one of them, and stop it.

    *begin* is called with the shard and its products.
    """

    def __init__(
        self, leases: Leases, begin: Callable[[int, Products], Awaitable[None]], end: Callable[[int], None]
    ) -> None:
        self._leases = leases
        self._begin = begin
        self._end_one = end
        self._running: dict[int, Products] = {}

    @property
    def running(self) -> list[int]:
        return sorted(self._running)

    async def adjust(self, shards: Mapping[int, Products]) -> None:
        """Give up what is above this member's part of *shards*, with their products, and take what is free up to it."""
        leases = self._leases
        living = await leases.members()
        await leases.compare([shard_name(shard) for shard in sorted(shards)])
        part = part_of(leases.member, living, len(shards))
        owned = {int(name) for name in leases.owned}
        for shard in set(self._running) - owned:
            self._end(shard)
        kept = sorted(owned & set(shards), key=lambda shard: (shard not in self._running, shard))[:part]
        for shard in sorted(owned - set(kept)):
            await self._leave(shard)
        for shard, products in shards.items():
            name = shard_name(shard)
            if name not in leases.owned and (len(leases.owned) >= part or not await leases.claim(name, living)):
                continue
            if self._running.get(shard) == products or not leases.is_safe:
                continue
            self._end(shard)
            await self._begin(shard, products)
            self._running[shard] = products

    async def leave(self) -> None:
        """End all, and give all leases up."""
        self.end_all()
        await self._leases.leave()

    def end_all(self) -> None:
        """End all that runs, without a change of leases."""
        for shard in list(self._running):
            self._end(shard)

    async def _leave(self, shard: int) -> None:
        self._end(shard)
        await self._leases.release(shard_name(shard))

    def _end(self, shard: int) -> None:
        if self._running.pop(shard, None) is not None:
            self._end_one(shard)
