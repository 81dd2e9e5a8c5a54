"""The books by price of a publisher that shares its tape: it publishes those that it has the lease of.

Rules:
- A product's book is published by the member with its lease, from a snapshot on. A publisher that gets the lease
  requests the book anew, so that a snapshot comes.
- A publisher that cannot renew its membership publishes no book until it has checked its leases.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING

from rxfeed.market import BookSnapshot, BookUpdate, Message
from rxfeed.tape.leases import RENEW, Leases
from rxfeed.tape.subjects import escaped

if TYPE_CHECKING:
    from nats.aio.client import Client

log = logging.getLogger("rxfeed.tape")


class SharedBookState(Enum):
    """What a publisher does with the messages of one book."""

    WITHHELD = "withheld"
    """Another publisher has the lease, or none does yet."""
    REQUESTED = "requested"
    """This one has the lease, and waits for a snapshot."""
    PUBLISHED = "published"


class SharedBooks:
    """Decides which messages of books are published; *renew* requests the book of a product anew."""

    def __init__(self, leases: Leases, renew: Callable[[str], None]) -> None:
        self._leases = leases
        self._renew = renew
        self._states: dict[str, SharedBookState] = {}
        self._revisions: dict[str, int] = {}  # of the leases under which books were last published or requested
        self._wanted = asyncio.Event()

    def lease(self, item: object) -> int | None:
        """The lease under which *item* is published: 0 for what is no book, `None` if it is withheld."""
        if not isinstance(item, BookSnapshot | BookUpdate) or not isinstance(item, Message) or item.product_id is None:
            return 0
        product = item.product_id
        state = self._states.get(product)
        if state is None:
            state = self._states[product] = SharedBookState.WITHHELD
            self._wanted.set()
        revision = self._leases.owned.get(escaped(product))
        if revision is None or not self._leases.is_safe:
            self._states[product] = SharedBookState.WITHHELD
            return None
        if self._revisions.get(product) != revision:  # another publisher may have published it meanwhile
            self._revisions[product] = revision
            state = SharedBookState.WITHHELD
        if state is SharedBookState.PUBLISHED:
            return revision
        if isinstance(item, BookSnapshot):
            self._states[product] = SharedBookState.PUBLISHED
            return revision
        if state is SharedBookState.WITHHELD:
            self._states[product] = SharedBookState.REQUESTED
            self._renew(product)
        return None

    async def keep(self, client: Client) -> None:
        """Renew the leases, and take those that are free, until the connection is lost."""
        leases = self._leases
        self._wanted = asyncio.Event()
        await leases.open(client.jetstream(timeout=2.0))
        while True:
            await leases.renew()
            renewed = time.monotonic()
            self._wanted.clear()
            await leases.compare([escaped(product) for product in sorted(self._states)])
            wanted = [product for product in self._states if escaped(product) not in leases.owned]
            living = await leases.members() if wanted else set[str]()
            for product in wanted:
                if await leases.claim(escaped(product), living):
                    log.info("%s publishes the book of %s from its next snapshot", leases.member, product)
                if time.monotonic() - renewed > RENEW:
                    break
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), RENEW)

    async def leave(self) -> None:
        await self._leases.leave()
