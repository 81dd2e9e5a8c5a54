"""From frames to subscribers: the one place that every message passes, from a socket or from a recording."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import force_setattr

from rxfeed.core import Continuity
from rxfeed.feed.outlets import Outlets
from rxfeed.messages import Malformed, Message, Origin
from rxfeed.protocol import Decoder


class Delivery:
    """Decodes the frames of one connection, says what is missing among them, stamps, counts and hands on.

    *drop_duplicates*: False hands on also what came before; it is counted all the same. All calls come from one thread.
    """

    def __init__(self, outlets: Outlets, continuity: Continuity, *, drop_duplicates: bool = True) -> None:
        self._outlets = outlets
        self._stats = outlets.stats
        self._hub = outlets.hub
        self._continuity = continuity
        self._checks = continuity.checks
        self._drop_duplicates = drop_duplicates
        self._decode = Decoder().decode
        self.stopping = False
        """Nothing is handed on any more; any thread may say so."""
        self.lost: set[str | None] = set()
        """Products of which something was missed, for whoever cares to take out; `None`: whose is not known."""

    def frame(self, raw: bytes, received_ns: int) -> Message | None:
        """Hand on the message that *raw* is, as its numbers say; `None` for one that is malformed or came before."""
        self._stats.bytes += len(raw)
        message = self._decode(raw)
        if type(message) is Malformed:
            self.unreadable(raw, message.reason, received_ns)
            return None
        check = self._checks.get(type(message))
        if check is not None and not self._fresh(check(message)):
            return None
        self._hand_on(message, raw, received_ns, self._continuity.epoch(message.product_id))
        return message

    def checked(self, message: Message) -> bool:
        """True for a message to hand on, as its numbers say; the gap that they show is said."""
        check = self._checks.get(type(message))
        return check is None or self._fresh(check(message))

    def recorded(self, message: Message, raw: bytes, received_ns: int, epoch: int) -> None:
        """Hand on *message*, which *raw* is, with the *epoch* that was found when it was recorded."""
        self._stats.bytes += len(raw)
        self._hand_on(message, raw, received_ns, epoch)

    def given(self, message: Message) -> None:
        """Hand on a *message* that has its origin."""
        kind = type(message)
        self.passed_over({kind: 1}, 0)
        self._hub.deliver(self._hub.who(kind, message.product_id), message)

    def passed_over(self, kinds: Mapping[type[Message], int], size: int) -> None:
        """Count messages of these *kinds*, of *size* bytes together, which nobody wants and so nobody has to decode."""
        stats = self._stats
        stats.bytes += size
        for kind, count in kinds.items():
            stats.types[kind] = stats.types.get(kind, 0) + count

    def unreadable(self, raw: bytes, reason: str, received_ns: int) -> None:
        """Something came that nobody can read: whatever it was, of whichever product, it was missed."""
        self._continuity.interrupted()
        self.lost.add(None)
        self._outlets.unreadable(Malformed(raw, reason, received_ns))

    def _hand_on(self, message: Message, raw: bytes, received_ns: int, epoch: int) -> None:
        # Every message passes here: written out, since each call would cost a twentieth of all that is done.
        key = (type(message), message.product_id)
        types = self._stats.types
        types[key[0]] = types.get(key[0], 0) + 1
        hub = self._hub
        observers = hub.routes.get(key)
        if observers is None:
            observers = hub.route(*key)
        if not observers:  # most pipelines want few of the types: the others cost no more than their decoding
            return
        force_setattr(message, "_origin", Origin(raw, received_ns, epoch))
        for observer in observers:
            try:
                observer.on_next(message)
            except Exception as error:
                hub.cut(observer, error)

    def _fresh(self, fresh: bool) -> bool:
        """True for a message to hand on; the gap that it shows is said before it."""
        missed = self._continuity.missed
        if missed:
            self._continuity.missed = []
            for each in missed:
                self.lost.add(each.product_id)
                self._outlets.gap(each)
        if not fresh:
            self._stats.duplicates += 1
        # Who heard of the gap may have closed the feed.
        return not self.stopping and (fresh or not self._drop_duplicates)
