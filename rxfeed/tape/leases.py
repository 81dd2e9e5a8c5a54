"""Leases in a KV bucket of the tape's server: each thing (a book, a shard) belongs to one living member at a time.

Rules:
- A member renews one key twice a second. If its revision does not change for `TTL` seconds, by the clock of the member
  that observes it, it is dead. A member that could not renew for `_SAFE` seconds counts itself as dead, before others
  do: it uses none of its leases.
- A claim is a key with its member's name, changed only if its revision is the known one. The revision is the number of
  the lease: it rises with each owner.
- Whether the owner of a claim is dead is decided after the claim is read: a list of members from before may lack one
  that has begun and claimed since.
- A member that counted itself as dead writes its claims again, each only if its revision is the known one, before it
  uses them. So another member that is about to take one either comes first, and is detected, or is refused.
- Claims are compared with the server's in turn. That finds what no rule above does: a claim taken while the clock of
  this machine stood still, and one that the server has stored although its answer was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rxfeed.tape.library import nats_py

if TYPE_CHECKING:
    from nats.js import JetStreamContext
    from nats.js.kv import KeyValue

log = logging.getLogger("rxfeed.tape")

TTL = 3.5
_SAFE = 2.7
RENEW = 0.5
_FORGET = 60.0  # seconds after which the key of a dead member is deleted
_COMPARED = 16  # claims that are compared with the server's at once
_MEMBER = "member"
_CLAIM = "claim"
_NONE = b"-"


class Leases:
    """The leases of *member* in *bucket*, which is made if it is missing. All calls are on one loop.

    *group*: a token; members and claims of another group are independent.
    """

    def __init__(
        self, bucket: str, group: str, member: str, replicas: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._nats = nats_py()
        self._bucket = bucket
        self._group = group
        self.member = member
        self._replicas = replicas
        self._clock = clock
        self._kv: KeyValue
        self._js: JetStreamContext
        self._changing = asyncio.Lock()  # held while claims are written or compared
        self._compared = 0
        self._seen: dict[str, tuple[int | None, float]] = {}
        self._renewed = float("-inf")
        self.owned: dict[str, int] = {}
        """The claims of this member: their names, and the revisions of their leases. See `is_safe`."""

    @property
    def is_safe(self) -> bool:
        """True while no other member can count this one as dead."""
        return self._clock() - self._renewed < _SAFE

    async def open(self, js: JetStreamContext) -> None:
        self._js = js
        try:
            self._kv = await js.key_value(self._bucket)
        except self._nats.js.errors.BucketNotFoundError:
            api = self._nats.js.api
            config = api.KeyValueConfig(bucket=self._bucket, history=1, replicas=self._replicas)
            self._kv = await js.create_key_value(config)

    async def renew(self) -> None:
        """Renew the membership; after a time in which this member counted itself as dead, also its claims."""
        at, was_safe = self._clock(), self.is_safe
        await self._kv.put(self._member_key(self.member), b"%d" % time.time_ns())
        if not was_safe:
            await self._write_again()
        self._renewed = at

    async def _write_again(self) -> None:
        async with self._changing:
            for name, revision in list(self.owned.items()):
                try:
                    self.owned[name] = await self._kv.update(self._key(name), self.member.encode(), last=revision)
                except self._nats.js.errors.KeyWrongLastSequenceError:
                    self._lost(name)

    async def compare(self, names: Sequence[str]) -> None:
        """Compare some of the claims *names* with the server's: the next ones with each call."""
        count = min(len(names), _COMPARED)
        some = [names[(self._compared + place) % len(names)] for place in range(count)]
        self._compared += count
        async with self._changing:
            for name, entry in zip(some, await asyncio.gather(*map(self._get, some)), strict=True):
                if entry is not None and entry.revision is not None and _owner(entry) == self.member:
                    self.owned[name] = entry.revision
                elif name in self.owned:
                    self._lost(name)

    def _lost(self, name: str) -> None:
        self.owned.pop(name, None)
        log.warning("the lease of %s has gone to another member than %s", name, self.member)

    async def members(self) -> set[str]:
        """The living members, this one included."""
        info = await self._js.stream_info(
            f"KV_{self._bucket}", subjects_filter=f"$KV.{self._bucket}.{_MEMBER}.{self._group}.*"
        )
        names = {subject.rpartition(".")[2] for subject in info.state.subjects or ()} - {self.member}
        return {self.member} | {name for name in sorted(names) if await self._is_living(name)}

    async def _is_living(self, name: str) -> bool:
        """Whether the member *name* has renewed its key within `TTL` seconds, or is seen for the first time."""
        asked = self._clock()
        entry = await self._get_key(self._member_key(name))
        if entry is None:  # it has left
            self._seen.pop(name, None)
            return False
        revision, since = self._seen.get(name, (0, 0.0))
        if entry.revision != revision:
            self._seen[name] = entry.revision, self._clock()
            return True
        if asked - since > _FORGET:
            with contextlib.suppress(self._nats.js.errors.APIError):  # it lives again
                await self._kv.delete(self._member_key(name), last=entry.revision)
        return asked - since < TTL

    async def claim(self, name: str, living: set[str]) -> bool:
        """Take the lease of *name*, unless a *living* member has it. True if this member has it now."""
        async with self._changing:
            if name in self.owned:
                return True
            if not self.is_safe:
                return False
            key, errors = self._key(name), self._nats.js.errors
            try:
                entry = await self._get(name)
                if entry is None:
                    self.owned[name] = await self._kv.create(key, self.member.encode())
                    return True
                owner = _owner(entry)
                if owner is not None and owner != self.member and (owner in living or await self._is_living(owner)):
                    return False
                self.owned[name] = await self._kv.update(key, self.member.encode(), last=entry.revision)
            except errors.KeyWrongLastSequenceError:
                return False  # another member was faster
            return True

    async def release(self, name: str) -> None:
        """Give the lease of *name* up."""
        async with self._changing:
            revision = self.owned.pop(name, None)
            if revision is not None:
                with contextlib.suppress(self._nats.js.errors.KeyWrongLastSequenceError):
                    await self._kv.update(self._key(name), _NONE, last=revision)

    async def leave(self) -> None:
        """Give all leases up, and end the membership."""
        for name in list(self.owned):
            await self.release(name)
        await self._kv.delete(self._member_key(self.member))

    def _member_key(self, member: str) -> str:
        return f"{_MEMBER}.{self._group}.{member}"

    def _key(self, name: str) -> str:
        return f"{_CLAIM}.{self._group}.{name}"

    async def _get(self, name: str) -> KeyValue.Entry | None:
        return await self._get_key(self._key(name))

    async def _get_key(self, key: str) -> KeyValue.Entry | None:
        try:
            return await self._kv.get(key)
        except self._nats.js.errors.KeyNotFoundError:
            return None


async def owners(js: JetStreamContext, bucket: str) -> dict[str, str]:
    """The owners of all claims in *bucket*, by group and name; none if there is no bucket.

    nats-py lists the keys of a bucket from a subscription, and has none at times although there are some.
    """
    errors = nats_py().js.errors
    prefix = f"$KV.{bucket}."
    try:
        kv = await js.key_value(bucket)
        info = await js.stream_info(f"KV_{bucket}", subjects_filter=f"{prefix}{_CLAIM}.>")
    except errors.NotFoundError:
        return {}
    found: dict[str, str] = {}
    for subject in sorted(info.state.subjects or ()):
        with contextlib.suppress(errors.KeyNotFoundError):
            key = subject.removeprefix(prefix)
            if (owner := _owner(await kv.get(key))) is not None:
                found[key.removeprefix(f"{_CLAIM}.")] = owner
    return found


def _owner(entry: KeyValue.Entry) -> str | None:
    value = entry.value or _NONE
    return None if value == _NONE else value.decode()
