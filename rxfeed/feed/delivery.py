"""From frames to subscribers: the one place that every message passes, from a socket or from a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import force_setattr, replace
from reactivex import abc

from rxfeed.core import ByType, GapDetector
from rxfeed.feed.outlets import Outlets
from rxfeed.market import ENDING, PLAIN, UNDECODED, FrameOrigin, Malformed, Message, Origin, finer


class Delivery:
    """Decodes the frames of one connection, says what is missing among them, stamps, counts and hands on.

    *drop_duplicates*: False hands on also what came before; it is counted all the same. *other*, *after*: see `frames`.
    All calls come from one thread.
    """

    def __init__(
        self,
        outlets: Outlets,
        continuity: GapDetector,
        *,
        drop_duplicates: bool = True,
        other: Callable[[Any], None] = lambda event: None,
        after: Mapping[type[Message], Callable[[Any], bool]] | None = None,
    ) -> None:
        self._outlets = outlets
        self._stats = outlets.stats
        self._hub = outlets.hub
        self._continuity = continuity
        self._checks = continuity.checks
        self._drop_duplicates = drop_duplicates
        self._other = other
        entries: dict[type[Any], Callable[[Any], bool] | None] = {object: None, **(after or {})}
        self._after = ByType(entries)
        decoder = outlets.venue.decoder()
        self._decode = decoder.decode
        self._quick = decoder.quick or decoder.decode
        self.heard = False
        """Something came with the last frames that was more than an answer."""
        self.stopping = False
        """Nothing is handed on any more; any thread may say so."""
        self.lost: set[str | None] = set()
        """Products of which something was missed, for whoever cares to take out; `None`: whose is not known."""

    def frames(self, events: Sequence[Any], received_ns: int) -> None:
        """Hand on the messages that came, frames as they were read, as their numbers say.

        What is no frame goes to *other*, in its place, and messages of some types, when they were handed on, to
        *after*, which says whether they are signs of life. `heard` tells of those, whatever is raised.
        """
        # Every message passes here, so that all is written out: a call would cost a twentieth of what is done for one.
        hub, stats, types, after = self._hub, self._stats, self._stats.types, self._after
        quick, decode, checks, epoch = self._quick, self._decode, self._checks, self._continuity.epoch
        heard, size, others = False, 0, 0
        message: Any
        self._continuity.received(received_ns)
        try:
            for raw in events:
                if type(raw) is not bytes:
                    others += 1
                    self._other(raw)
                    if self.stopping:
                        return
                    continue
                size += len(raw)
                try:
                    plain = raw.isascii() and (raw[ENDING] == PLAIN or not finer(raw))
                    message = quick(raw) if plain else decode(raw)
                except UNDECODED:
                    message = decode(raw)  # it knows more, and says why
                kind = type(message)
                if kind is Malformed or kind is tuple:
                    if kind is tuple:
                        heard = self._several(message, raw, received_ns) or heard
                    else:
                        self.unreadable(message, received_ns)
                    if self.stopping:
                        return
                    continue
                if kind in checks and not self._fresh(checks[kind](message)):
                    if self.stopping:
                        return
                    continue
                try:
                    types[kind] += 1
                except KeyError:
                    types[kind] = 1
                product_id = message.product_id
                observers = hub.routes.get((kind, product_id))
                if observers is None:
                    observers = hub.route(kind, product_id)
                if observers:  # most pipelines want few of the types: the others cost little more than their decoding
                    force_setattr(message, "_origin", Origin(raw, received_ns, epoch(product_id)))
                    for observer in observers:
                        try:
                            observer.on_next(message)
                        except Exception as error:
                            hub.cut(observer, error)
                acted = after[kind]
                heard = acted is None or acted(message) or heard
                if self.stopping:
                    return
        finally:
            self.heard = heard
            stats.bytes += size
            stats.frames += len(events) - others

    def _several(self, messages: tuple[Message, ...], raw: bytes, received_ns: int) -> bool:
        """Deliver the *messages* of one frame; True if one of them is a sign of life.

        All gaps that the frame shows are reported before its first message.
        """
        kept: list[Message] = []
        epochs: list[int | None] = []
        for message in messages:
            fresh = self.checked(message)
            if self.stopping:
                return False
            epochs.append(self._continuity.epoch(message.product_id) if fresh else None)
            if fresh:
                kept.append(message)
        heard, whole = False, tuple(epochs)
        for message, epoch in zip(kept, (each for each in epochs if each is not None), strict=True):
            force_setattr(message, "_origin", FrameOrigin(raw, received_ns, epoch, whole))
            self.given(message)
            acted = self._after[type(message)]
            heard = acted is None or acted(message) or heard
            if self.stopping:
                break
        return heard

    def checked(self, message: Message) -> bool:
        """True for a message to hand on, as its numbers say; the gap that they show is said."""
        check = self._checks.get(type(message))
        return check is None or self._fresh(check(message))

    def recorded_frame(
        self, messages: tuple[Message, ...], raw: bytes, received_ns: int, epochs: tuple[int | None, ...]
    ) -> None:
        """Deliver the *messages* of the frame *raw*, each with its epoch; `None`: it was a duplicate."""
        self._stats.bytes += len(raw)
        self._stats.frames += 1
        for message, epoch in zip(messages, epochs, strict=True):
            if epoch is not None and not self.stopping:
                force_setattr(message, "_origin", FrameOrigin(raw, received_ns, epoch, epochs))
                self.given(message)

    def recorded(self, message: Message, raw: bytes, received_ns: int, epoch: int) -> None:
        """Hand on *message*, which *raw* is, with the *epoch* that was found when it was recorded."""
        self._stats.bytes += len(raw)
        self._stats.frames += 1
        observers = self._counted(message)
        if observers:
            force_setattr(message, "_origin", Origin(raw, received_ns, epoch))
            self._hub.deliver(observers, message)

    def given(self, message: Message) -> None:
        """Hand on a *message* that has its origin."""
        self._hub.deliver(self._counted(message), message)

    def _counted(self, message: Message) -> tuple[abc.ObserverBase[Message], ...]:
        """Those who want *message*, which is counted."""
        kind, types = type(message), self._stats.types
        types[kind] = types.get(kind, 0) + 1
        return self._hub.who(kind, message.product_id)

    def passed_over(self, kinds: Mapping[type[Message], int], size: int) -> None:
        """Count messages of these *kinds*, of *size* bytes together, which nobody wants and so nobody has to decode."""
        stats = self._stats
        stats.bytes += size
        stats.frames += sum(kinds.values())
        for kind, count in kinds.items():
            stats.types[kind] = stats.types.get(kind, 0) + count

    def unreadable(self, frame: Malformed, received_ns: int) -> None:
        """Report *frame*. Its product, or all where it names none, missed something; its type may carry no data."""
        if frame.type not in self._outlets.venue.without_data:
            if frame.product_id is None:
                self._continuity.interrupted()
            else:
                self._continuity.lost(frame.product_id)
            self.lost.add(frame.product_id)
        self._outlets.unreadable(replace(frame, received_ns=received_ns))

    def _fresh(self, fresh: bool) -> bool:
        """True for a message to hand on; the gap that it shows is said before it."""
        missed = self._continuity.missed
        if missed:
            self._continuity.missed = []
            for each in missed:
                self.lost.add(each.product_id)
                self._outlets.found(each)
        if not fresh:
            self._stats.duplicates += 1
        # Who heard of the gap may have closed the feed.
        return not self.stopping and (fresh or not self._drop_duplicates)
