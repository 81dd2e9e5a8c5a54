"""Leases in a KV bucket of the tape's server: each thing (a book, a shard) belongs to one living member at a time.

Rules:
- A member renews one key twice a second. If its revision does not change for `TTL` seconds, by the clock of the member
  that observes it, it is dead. A member that could not renew for `_SAFE` seconds counts itself as dead, before others
  do: it uses none of its leases.
- A claim is a key with its member's name, changed only if its revision is the known one. The revision is the number of
  the lease: it rises with each owner.
"""

from __future__ import annotations

import logging
import time
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
_MEMBER = "member"
_NONE = b"-"


class Leases:
    """The leases of *member* in *bucket*, which is made if it is missing. All calls are on one loop.

    *group*: a token; members and claims of another group are independent.
    """

    def __init__(self, bucket: str, group: str, member: str, replicas: int = 1) -> None:
        self._nats = nats_py()
        self._bucket = bucket
        self._group = group
        self.member = member
        self._replicas = replicas
        self._kv: KeyValue
        self._js: JetStreamContext
        self._seen: dict[str, tuple[int | None, float]] = {}
        self._renewed = 0.0
        self.owned: dict[str, int] = {}
        """The claims of this member: their names, and the revisions of their leases."""

    @property
    def is_safe(self) -> bool:
        """True while no other member can count this one as dead."""
        return time.monotonic() - self._renewed < _SAFE

    async def open(self, js: JetStreamContext) -> None:
        self._js = js
        try:
            self._kv = await js.key_value(self._bucket)
        except self._nats.js.errors.BucketNotFoundError:
            api = self._nats.js.api
            config = api.KeyValueConfig(bucket=self._bucket, history=1, replicas=self._replicas)
            self._kv = await js.create_key_value(config)

    async def renew(self) -> None:
        """Renew the membership, and note which claims were lost meanwhile."""
        if self.owned and not self.is_safe:
            await self._check()
        at = time.monotonic()
        await self._kv.put(f"{_MEMBER}.{self._group}.{self.member}", b"%d" % time.time_ns())
        self._renewed = at

    async def _check(self) -> None:
        for name, revision in list(self.owned.items()):
            entry = await self._get(name)
            if entry is None or entry.revision != revision:
                self._lost(name)

    def _lost(self, name: str) -> None:
        self.owned.pop(name, None)
        log.warning("the lease of %s has gone to another member than %s", name, self.member)

    async def members(self) -> set[str]:
        """The living members, this one included."""
        info = await self._js.stream_info(
            f"KV_{self._bucket}", subjects_filter=f"$KV.{self._bucket}.{_MEMBER}.{self._group}.*"
        )
        now, living = time.monotonic(), {self.member}
        for subject in info.state.subjects or ():
            name = subject.rpartition(".")[2]
            try:
                entry = await self._kv.get(f"{_MEMBER}.{self._group}.{name}")
            except self._nats.js.errors.KeyNotFoundError:
                self._seen.pop(name, None)
                continue
            revision, since = self._seen.get(name, (0, 0.0))
            if entry.revision != revision:
                self._seen[name] = entry.revision, now
                living.add(name)
            elif now - since < TTL:
                living.add(name)
            elif now - since > _FORGET:
                await self._kv.delete(f"{_MEMBER}.{self._group}.{name}")
        return living

    async def claim(self, name: str, living: set[str]) -> bool:
        """Take the lease of *name*, unless a *living* member has it. True if this member has it now."""
        if name in self.owned:
            return True
        key, errors = self._key(name), self._nats.js.errors
        try:
            entry = await self._get(name)
            if entry is None:
                self.owned[name] = await self._kv.create(key, self.member.encode())
            elif (value := entry.value or _NONE) == _NONE or value.decode() not in living - {self.member}:
                self.owned[name] = await self._kv.update(key, self.member.encode(), last=entry.revision)
            else:
                return False
        except errors.KeyWrongLastSequenceError:
            return False  # another member was faster
        return True

    async def release(self, name: str) -> None:
        """Give the lease of *name* up."""
        revision = self.owned.pop(name, None)
        if revision is not None:
            try:
                await self._kv.update(self._key(name), _NONE, last=revision)
            except self._nats.js.errors.KeyWrongLastSequenceError:
                return

    async def leave(self) -> None:
        """Give all leases up, and end the membership."""
        for name in list(self.owned):
            await self.release(name)
        await self._kv.delete(f"{_MEMBER}.{self._group}.{self.member}")

    def _key(self, name: str) -> str:
        return f"claim.{self._group}.{name}"

    async def _get(self, name: str) -> KeyValue.Entry | None:
        try:
            return await self._kv.get(self._key(name))
        except self._nats.js.errors.KeyNotFoundError:
            return None
