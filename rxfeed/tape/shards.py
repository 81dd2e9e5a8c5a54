"""Spreads products over shards, and finds the products of a tape."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING

from rxfeed.tape.subjects import EVENTS, PUBLISHER, SEVERAL, unescaped

if TYPE_CHECKING:
    from nats.js import JetStreamContext


def shard_of(product: str, shards: int) -> int:
    """The shard of *product*, the same in every process.

    >>> from rxfeed.tape.shards import shard_of
    >>> shard_of("BTC-USD", 16), shard_of("ETH-USD", 16)
    (4, 1)
    """
    return int.from_bytes(blake2b(product.encode(), digest_size=8).digest()) % shards


def shard_name(shard: int) -> str:
    return f"{shard:04}"


def spread(products: Iterable[str], shards: int) -> dict[int, tuple[str, ...]]:
    """The products of each shard that has any."""
    found: dict[int, list[str]] = {}
    for product in sorted(set(products)):
        found.setdefault(shard_of(product, shards), []).append(product)
    return {shard: tuple(each) for shard, each in found.items()}


async def products_of(js: JetStreamContext, stream: str, prefix: str) -> set[str]:
    """The products of which the tape has messages of their own."""
    info = await js.stream_info(stream, subjects_filter=f"{prefix}.>")
    tokens = [subject.split(".") for subject in info.state.subjects or ()]
    return {unescaped(each[3]) for each in tokens if len(each) == 4 and each[2] not in (EVENTS, PUBLISHER)} - {SEVERAL}
