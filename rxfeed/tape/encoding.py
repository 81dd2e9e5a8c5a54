"""Makes the messages of a tape from the items of a source, without secrets."""

from __future__ import annotations

import time
from collections import Counter
from hashlib import blake2b

from rxfeed.errors import ConfigError
from rxfeed.feed import MessageSource
from rxfeed.market import (
    BookSnapshot,
    BookUpdate,
    ErrorMessage,
    FrameOrigin,
    Message,
    Subscriptions,
    Trade,
    Unknown,
    frame_of,
)
from rxfeed.recording import Lines, Recordable
from rxfeed.secrets import redact_all_strings
from rxfeed.tape.envelope import ItemKind, TapeEnvelope, epoch_text
from rxfeed.tape.subjects import Subjects
from rxfeed.venues import Venue, message_id

_ONCE = (Trade, BookUpdate, BookSnapshot)
_REMEMBERED = 20_000  # ids of messages that may come again


class TapeEncoder:
    """Encodes the items of *source* for the tape of a *publisher*; *session* is the run of the publisher."""

    def __init__(self, source: object, venue: Venue, subjects: Subjects, publisher: str, session: str) -> None:
        self._venue = venue
        self._subjects = subjects
        self._events = subjects.events(publisher)
        self._session = session
        self._whole = isinstance(source, MessageSource)
        self._lines = Lines(source) if isinstance(source, MessageSource) else None
        self._redact = source.redact if isinstance(source, MessageSource) else redact_all_strings
        self._suspect = (ErrorMessage, Subscriptions, Unknown) if self._whole else (ErrorMessage,)
        self._decode = venue.decoder(stored=True, renamed=None if self._lines is None else self._lines.renamed).decode
        self._last: tuple[int | None, ...] | None = None  # the epochs of the last frame with several messages
        self._repeated, self._before = Counter[str](), Counter[str]()
        self._number = 0

    @property
    def renamed(self) -> dict[str, str]:
        """The products by the ids under which the venue delivers them."""
        return {} if self._lines is None else dict(self._lines.renamed)

    def encode(self, item: Recordable) -> TapeEnvelope | None:
        """The message for *item*; `None` for another message of a frame that was encoded with its first one."""
        if isinstance(item, Message):
            origin: object = item._origin  # pyright: ignore[reportPrivateUsage]  # as a feed does
            if isinstance(origin, FrameOrigin):
                if origin.epochs is self._last:
                    return None
                self._last = origin.epochs
                return self._several(item, origin)
            epoch = epoch_text(item.epoch, (), (0,)) if item.repaired else str(item.epoch)
            raw = self._clean(item, frame_of(item) if item.repaired else item.raw)
            subject = self._subjects.of(type(item), item.product_id)
            return TapeEnvelope(subject, self._id(item), item.received_ns or time.time_ns(), raw, epoch)
        if self._lines is None:
            raise ConfigError(f"to_nats: a {type(item).__name__} is not a Message")
        return self._event(item)

    def own(self, kind: ItemKind, payload: bytes, subject: str = "") -> TapeEnvelope:
        """A message of the publisher itself."""
        return TapeEnvelope(subject or self._events, self._next_id(), time.time_ns(), payload, kind=kind, items=0)

    def _event(self, item: Recordable) -> TapeEnvelope:
        assert self._lines is not None
        (batch,) = self._lines.encode([item])
        ns = batch.earliest
        return TapeEnvelope(self._events, self._next_id(), ns, batch.lines[0].rstrip(b"\n"), kind=ItemKind.LINE)

    def _next_id(self) -> str:
        self._number += 1
        return f"{self._session}/{self._number}"

    def _several(self, message: Message, origin: FrameOrigin) -> TapeEnvelope:
        """The frame of *message*, which has others, too."""
        decoded = self._decode(origin.raw)
        messages = decoded if isinstance(decoded, tuple) else (message,)
        products = {each.product_id for each in messages}
        product = products.pop() if len(products) == 1 else None
        if len(messages) == 1:
            identity = self._id(message)
        else:
            identity = blake2b("\n".join(map(message_id, messages)).encode(), digest_size=16).hexdigest()
            if not isinstance(message, _ONCE):
                identity = self._numbered(identity)
        epoch = epoch_text(origin.epoch, origin.epochs, origin.repaired)
        raw = self._clean(message, origin.raw)
        return TapeEnvelope(self._subjects.of(type(message), product), identity, origin.received_ns, raw, epoch)

    def _clean(self, message: Message, raw: bytes) -> bytes:
        return self._redact(raw) if isinstance(message, self._suspect) else raw

    def _id(self, message: Message) -> str:
        identity = message_id(message)
        return identity if isinstance(message, _ONCE) else self._numbered(identity)

    def _numbered(self, identity: str) -> str:
        """*identity*, with a number if the source has emitted it before: the tape has what one feed emitted twice."""
        if len(self._repeated) >= _REMEMBERED:
            self._before, self._repeated = self._repeated, Counter()
        count = self._repeated[identity] = max(self._repeated[identity], self._before[identity]) + 1
        return identity if count == 1 else f"{identity}#{count}"


def ascii_id(identity: str) -> str:
    """*identity* as the value of a header, which has no line breaks and no spaces at its ends."""
    return identity if identity.isascii() and identity.isprintable() else blake2b(identity.encode()).hexdigest()
