"""From frames to the hooks of a classic client, with one decoding of each frame: into the dict that the hooks get.

Rules:
- The dict has what the checks of numbers need, so gaps are found as by any feed. Of a frame with a type that is listed
  here, no other value is checked: a script asked for JSON, not for a shape.
- Any other frame takes the way of every feed, and so does every frame while something else reads the feed, such as a
  pipeline on `client.feed`, or while no hook takes frames (a script reads with `recv`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from rxfeed.compat.types import Json
from rxfeed.feed import Dispatcher
from rxfeed.market import (
    ENDING,
    LONG,
    PLAIN,
    UNDECODED,
    BookUpdate,
    Message,
    OrderEvent,
    Ticker,
    Trade,
    ends_with_microseconds,
    finer,
)
from rxfeed.transport import TransportEvent
from rxfeed.venues import Venue, tag_of

if TYPE_CHECKING:
    from reactivex import abc

_NUMBERED = (Trade, Ticker, OrderEvent)
_FIELDS = frozenset(("product_id", "time", "sequence", "trade_id", "user_id"))
"""What the checks of numbers read."""


class Reader:
    """What reads a feed for the hooks: *handle* takes the content of each message, `None` while no hook takes any.

    *observer*: its subscription to the messages, for those that are decoded in full.
    """

    def __init__(self) -> None:
        self.handle: Callable[[Json], None] | None = None
        self.observer: abc.ObserverBase[Message] | None = None


class ContentDispatcher(Dispatcher):
    """A `Dispatcher` that passes the content of frames to *reader*, as long as that alone reads the feed.

    The feed delivers duplicates, and repairs nothing.
    """

    def __init__(self, reader: Reader, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reader = reader
        self._kinds = {
            name: (kind, numbers)
            for name, (kind, numbers) in _kinds(self._streams.venue).items()
            if self.after[kind] is None and (numbers is None) == (kind not in self._checks)
        }

    def frames(self, events: Sequence[TransportEvent], received_ns: int) -> None:
        reader, router, kinds = self._reader, self._router, self._kinds
        handle, observers = reader.handle, router.observers
        if handle is None or len(observers) != 1 or observers[0] is not reader.observer:
            super().frames(events, received_ns)
            return
        continuity, checks = self._continuity, self._checks
        data_received, size, passed = False, 0, 0
        content: Json = None
        kind: type[Message] = Message
        product_id: str | None = None
        continuity.received(received_ns)
        try:
            for place, raw in enumerate(events):
                # A hook may have subscribed to the feed, or replaced what reads it.
                if router.observers is not observers or reader.handle is not handle:
                    super().frames(events[place:], received_ns)
                    data_received = data_received or self.data_received
                    return
                message, whole = None, False
                try:
                    if type(raw) is bytes and len(raw) <= LONG:
                        content = _decode(raw)
                        kind, numbers = kinds[content["type"]]
                        if numbers is None:
                            product_id = content["product_id"]
                            whole = type(product_id) is str
                        elif raw[ENDING] == PLAIN or ends_with_microseconds(raw) or not finer(raw):
                            message = _convert(content, numbers)
                            product_id, whole = message.product_id, True
                except (*UNDECODED, LookupError, TypeError):
                    pass  # it is one of the other frames
                if not whole:
                    super().frames((raw,), received_ns)
                    data_received = data_received or self.data_received
                    if self.stopping:
                        return
                    continue
                size += len(raw)  # pyright: ignore[reportArgumentType]  # it is bytes, since it was decoded
                passed += 1
                data_received = True
                if message is not None:
                    fresh = checks[kind](message)
                    if (not fresh or continuity.missed) and not self._fresh(fresh):
                        return
                route = router.routes[kind].get(product_id)
                if route is None:
                    route = router.route(kind, product_id)
                route.count += 1
                try:
                    handle(content)
                except Exception as error:
                    router.remove_failed(observers[0], error)
                if self.stopping:
                    return
        finally:
            self.data_received = data_received
            self._stats.bytes += size
            self._stats.frames += passed
            # One may repeat a signature, which a traceback with local variables would show.
            events, raw, content, message = (), b"", None, None


_decode: Callable[[bytes], Json] = msgspec.json.Decoder().decode
_convert: Callable[[object, type[Message]], Message] = msgspec.convert


@functools.cache
def _kinds(venue: Venue) -> dict[str, tuple[type[Message], type[Message] | None]]:
    """By type: the message, and what has its numbers; `None` if it has none."""
    updates: dict[str, tuple[type[Message], type[Message] | None]] = {
        tag_of(kind): (kind, None) for kind in venue.quick_types if issubclass(kind, BookUpdate)
    }
    return updates | {tag_of(kind): (kind, _numbers(kind)) for kind in venue.quick_types if issubclass(kind, _NUMBERED)}


def _numbers(kind: type[Message]) -> type[Message]:
    """A struct with those fields of *kind* that the checks of its numbers read."""
    fields = [
        (each.name, each.type) if each.required else (each.name, each.type, each.default)
        for each in msgspec.structs.fields(kind)
        if each.name in _FIELDS
    ]
    made = msgspec.defstruct("Numbers", fields, bases=(Message,), frozen=True, kw_only=True, gc=False, tag=tag_of(kind))
    return cast("type[Message]", made)
