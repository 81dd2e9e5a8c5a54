"""Publishes to a tape, and reads it with nats-py alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig

from rxfeed import Message
from rxfeed.feed import MessageSource
from rxfeed.tape import NatsFeed, TapeSink, to_nats
from tests.support.collect import Collected


def with_client(url: str, use: Callable[[Client, JetStreamContext], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        client = await nats.connect(url)
        try:
            return await use(client, client.jetstream())
        finally:
            await client.close()

    return asyncio.run(run())


def messages_of(url: str, stream: str) -> list[Msg]:
    """All messages of *stream*, as the server has them."""

    async def read(client: Client, js: JetStreamContext) -> list[Msg]:
        total = (await js.stream_info(stream)).state.messages
        config = ConsumerConfig(ack_policy=AckPolicy.NONE)
        subscription = await js.pull_subscribe(f"{stream}.>", stream=stream, config=config)
        found: list[Msg] = []
        while len(found) < total:
            found += await subscription.fetch(min(500, total - len(found)), timeout=5)
        return found

    return with_client(url, read)


def frames_of(url: str, stream: str) -> list[bytes]:
    return [each.data for each in messages_of(url, stream) if "Rxfeed-Kind" not in (each.headers or {})]


def publish(source: MessageSource, url: str, stream: str, **options: Any) -> TapeSink:
    """Publish all that *source* emits."""
    sink = to_nats(url, stream=stream, **options)
    got = Collected(source.pipe(sink))
    source.serve()
    got.wait_for_end()
    assert got.error is None
    return sink


def played(url: str, stream: str, **options: Any) -> Collected[Message]:
    """What a feed of the whole tape emits."""
    feed = NatsFeed(url, stream=stream, since="all", until="now", **options)
    got = Collected(feed)
    feed.serve()
    assert got.completed or got.error is not None
    return got
