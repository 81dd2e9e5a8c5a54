"""Plays a recording to clients as the venue did: each gets what it subscribes to.

Rules:
- Each client plays the recording by itself, from the beginning. It begins `SETTLE` seconds after the client's last
  request before that, so that several requests count as one. A later request changes what is sent from then on.
- Requests are answered in the venue's way. Every request is accepted, signed or not, for the products of the recording.
  The recorded acknowledgements and errors are not sent.
- A frame is sent as it was recorded, byte for byte. Only the number that a venue gives to the frames of a connection is
  this connection's own; otherwise each frame that is not subscribed to would be a gap.
- A frame belongs to the channels that can have its messages. A frame that the venue's decoder does not know belongs to
  none, and is not sent.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from os import PathLike
from typing import NamedTuple

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.market import ErrorMessage, Malformed, Message, Subscriptions
from rxfeed.recording import Part, Recording, TimeRange, find, named_venue, ordered, within
from rxfeed.sim.clients import Clients
from rxfeed.sim.connection import ClientConnection
from rxfeed.sim.frames import Frame, Unnumbered, text_frame, type_of
from rxfeed.sim.playback import Paced, Then
from rxfeed.sim.venue import RecordedSubscriber, SimulatedVenue
from rxfeed.sim.venues import simulated_venue
from rxfeed.venues import Venue

SETTLE = 0.25
_NUMBER = re.compile(rb'"sequence_num"\s*:\s*(\d+)')
_BETWEEN = 1.0  # seconds between the end and the next beginning of a loop

log = logging.getLogger(__name__)


class RecordedFrame(NamedTuple):
    """A frame, with the channels that can have it, and its products; empty for one that has none."""

    raw: bytes
    channels: frozenset[str]
    products: frozenset[str]


class RecordedMarket(Paced[RecordedFrame | None]):
    """Plays the *frames* of a recording of *products*."""

    def __init__(
        self,
        frames: Callable[[], Iterable[tuple[float, RecordedFrame | None]]],
        products: Sequence[str],
        venue: SimulatedVenue,
        clients: Clients,
        *,
        speed: float | None,
        then: Then,
    ) -> None:
        super().__init__(frames, clients, speed=speed, then=then)
        self._products = products
        self._venue = venue
        self._subscribers: dict[ClientConnection, RecordedSubscriber] = {}
        self._requested: dict[ClientConnection, float] = {}

    def receive(self, client: ClientConnection, text: str | bytes) -> None:
        subscriber = self._subscribers.get(client)
        if subscriber is None:
            subscriber = self._subscribers[client] = self._venue.recorded(self._products)
        for frame in subscriber.receive(text):
            client.offer(frame)
        client.pump()
        self._requested[client] = asyncio.get_running_loop().time()
        if subscriber.pairs and not client.subscribed:
            self._begin(client)
        self._clients.changed()

    def left(self, client: ClientConnection) -> None:
        super().left(client)
        self._subscribers.pop(client, None)
        self._requested.pop(client, None)

    async def _ready(self, client: ClientConnection) -> None:
        clock = asyncio.get_running_loop().time
        while (left := self._requested.get(client, 0.0) + SETTLE - clock()) > 0:
            await asyncio.sleep(left)

    def _frame(self, client: ClientConnection, payload: RecordedFrame | None) -> Frame | Unnumbered | None:
        subscriber = self._subscribers.get(client)
        if payload is None or subscriber is None or not _is_subscribed(payload, subscriber):
            return None
        raw = payload.raw
        kind = type_of(raw)
        number = _NUMBER.search(raw) if self._venue.numbers_frames else None
        if number is None:
            return text_frame(kind, raw)
        return Unnumbered(kind, raw[: number.start(1)], raw[number.end(1) :])


def recorded_market(
    source: str | PathLike[str] | Iterable[str | PathLike[str]],
    time_range: TimeRange,
    loop: bool,
    venue: str | None,
) -> tuple[Callable[..., RecordedMarket], str]:
    """What makes the market of the recordings in *source*, and the name of its venue."""
    paths = [source] if isinstance(source, str | PathLike) else list(source)
    parts = within(ordered(find(paths)), time_range.since, time_range.until)
    named = named_venue(parts, venue)
    frames = RecordedFrames(parts, named, time_range, loop=loop)
    return partial(RecordedMarket, frames, frames.products(), simulated_venue(named.name)), named.name


def _is_subscribed(frame: RecordedFrame, subscriber: RecordedSubscriber) -> bool:
    return any(
        channel in frame.channels and (not product or not frame.products or product in frame.products)
        for channel, product in subscriber.pairs
    )


class RecordedFrames:
    """The frames of *parts*, of *venue*, in *time_range*, with their times in seconds; again and again with *loop*."""

    def __init__(self, parts: Sequence[Part], venue: Venue, time_range: TimeRange, *, loop: bool = False) -> None:
        self._parts = parts
        self._venue = venue
        self._range = time_range
        self._loop = loop

    def products(self) -> tuple[str, ...]:
        """The products of the recording; raises `ConfigError` if it has no frames."""
        named: set[str] = set()
        for part in self._parts:
            header = part.found.header if isinstance(part.found, Recording) else None
            about = {} if header is None else header.about
            listed = about.get("products")
            if not isinstance(listed, list) or not listed:
                named = {name for _, frame in self._once() if frame is not None for name in frame.products}
                break
            named.update(str(name) for name in listed)
        chosen = sorted(named if self._range.products is None else named & self._range.products)
        if not chosen:
            raise ConfigError("recording: it has no frame of a product in this range")
        return tuple(chosen)

    def __call__(self) -> Iterator[tuple[float, RecordedFrame | None]]:
        shift = 0.0
        while True:
            first = last = None
            for seconds, frame in self._once():
                if frame is not None:
                    first, last = seconds if first is None else first, seconds
                yield seconds + shift, frame
            if not self._loop or first is None or last is None:
                return
            shift += last - first + _BETWEEN

    def _once(self) -> Iterator[tuple[float, RecordedFrame | None]]:
        decode = self._venue.decoder(stored=True).decode
        for part in self._parts:
            try:
                for ns, raw in part.opened().frames():
                    if self._range.since <= ns < self._range.until:
                        yield ns / 1e9, self._frame(raw, decode(raw))
            except RecordingDamaged as damage:
                log.warning("%s; the rest is played", damage)

    def _frame(self, raw: bytes, decoded: Message | tuple[Message, ...] | Malformed) -> RecordedFrame | None:
        if isinstance(decoded, Malformed | Subscriptions | ErrorMessage):
            return None
        messages = decoded if isinstance(decoded, tuple) else (decoded,)
        products = frozenset(each.product_id for each in messages if each.product_id is not None)
        if self._range.products is not None and products and not products & self._range.products:
            return None
        channels = frozenset[str]().union(*(self._venue.channels_of(type(each)) or () for each in messages))
        return RecordedFrame(raw, channels, products) if channels else None
