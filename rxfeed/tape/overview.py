"""The state of a tape: its stream, publishers, consumers, leases and results, for `rxfeed tape`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from rxfeed.tape.connection import TapeAddress, connected
from rxfeed.tape.leases import owners
from rxfeed.tape.library import nats_py
from rxfeed.tape.subjects import EVENTS, PUBLISHER, unescaped

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.js import JetStreamContext


class PublisherState(msgspec.Struct, frozen=True):
    """A publisher: its newest session, and the seconds since its last sign of life on the tape."""

    venue: str
    publisher: str
    session: str
    shared: bool
    silent: float
    products: int


class ConsumerState(msgspec.Struct, frozen=True):
    """A consumer of the stream: the messages that it has not been sent."""

    name: str
    lag: int


class TapeState(msgspec.Struct, frozen=True):
    """The state of a tape, as the server has it. *max_age*: seconds. *leases*: the members that have them."""

    stream: str
    messages: int
    bytes: int
    first: str
    last: str
    max_age: float
    max_bytes: int
    replicas: int
    duplicate_window: float
    subjects: int
    publishers: list[PublisherState]
    consumers: list[ConsumerState]
    leases: dict[str, str]
    results: int


class _Described(msgspec.Struct, frozen=True):
    """What a publisher reports of itself."""

    shared: bool = False
    products: list[object] = []


def tape_state(address: TapeAddress, stream: str) -> TapeState:
    """The present state of the tape *stream*; raises `ConnectFailed`, and `ConfigError` if there is no such stream."""

    async def read(client: Client) -> TapeState:
        return await _read(client, stream)

    return connected(address, "rxfeed-tape", read)


async def _read(client: Client, stream: str) -> TapeState:
    from rxfeed.errors import ConfigError

    errors = nats_py().js.errors
    js = client.jetstream()
    try:
        info = await js.stream_info(stream, subjects_filter=f"{stream}.>")
    except errors.NotFoundError:
        raise ConfigError(f"--stream: there is no stream {stream}: rxfeed publish makes it") from None
    subjects = info.state.subjects or {}
    publishers = [await _publisher(js, stream, each) for each in subjects if each.split(".")[2] == PUBLISHER]
    consumers = [ConsumerState(each.name, each.num_pending or 0) for each in await js.consumers_info(stream)]
    leases = await owners(js, f"{stream}_leases")
    try:
        results = (await js.stream_info(f"{stream}_results")).state.messages
    except errors.NotFoundError:
        results = 0
    config, state = info.config, info.state
    return TapeState(
        stream=stream,
        messages=state.messages,
        bytes=state.bytes,
        first=str(getattr(state, "first_ts", "") or ""),
        last=str(getattr(state, "last_ts", "") or ""),
        max_age=config.max_age or 0.0,
        max_bytes=config.max_bytes or -1,
        replicas=config.num_replicas or 1,
        duplicate_window=config.duplicate_window or 0.0,
        subjects=len(subjects),
        publishers=sorted(publishers, key=lambda each: (each.venue, each.publisher)),
        consumers=sorted(consumers, key=lambda each: each.name),
        leases=leases,
        results=results,
    )


async def _publisher(js: JetStreamContext, stream: str, subject: str) -> PublisherState:
    about = await js.get_last_msg(stream, subject)
    described = msgspec.json.decode(about.data or b"{}", type=_Described)
    event = await js.get_last_msg(stream, subject.replace(f".{PUBLISHER}.", f".{EVENTS}."))
    session = (event.headers or {}).get("Rxfeed-From", "").split(" ")[0]
    received = int((event.headers or {}).get("Rxfeed-Received", 0))
    return PublisherState(
        venue=unescaped(subject.split(".")[1]),
        publisher=unescaped(subject.split(".")[3]),
        session=session,
        shared=described.shared,
        silent=max(0.0, time.time() - received / 1e9),
        products=len(described.products),
    )
