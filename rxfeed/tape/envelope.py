"""One message of a tape: its subject, its headers, and its payload.

Nats-Msg-Id       the identity of the message: the server refuses a second one within the stream's duplicate window
Rxfeed-Venue      coinbase_exchange
Rxfeed-Received   Unix nanoseconds of the receipt
Rxfeed-Epoch      2, or of a frame with several messages `2;2,-,3`: the epoch of each, `-` for a dropped duplicate;
                  a third part has the places of repaired trades, as in a recording
Rxfeed-From       `<session> <number> <count> <settled>`: the run of the publisher, the number of the message in it,
                  its number on its subject, and the number below which all messages of the session are on the tape
                  or refused as duplicates. Of a book, a fifth part: the revision of the publisher's lease
Rxfeed-Kind       `line` if the payload is a line of a recording (an event, a malformed frame) instead of a frame,
                  `session` for the description of the publisher, `alive` for a sign of life (its payload is the receipt
                  of the newest message of the session that was sent before), `end` for its end
Rxfeed-Part       `0/5`: the first of five parts of a payload that is larger than the server takes
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

import msgspec
from msgspec.structs import replace

MESSAGE_ID = "Nats-Msg-Id"
VENUE = "Rxfeed-Venue"
RECEIVED = "Rxfeed-Received"
EPOCH = "Rxfeed-Epoch"
FROM = "Rxfeed-From"
KIND = "Rxfeed-Kind"
PART = "Rxfeed-Part"
HEADER_SPACE = 2_000
"""Bytes that headers and the protocol take of the largest payload, at most."""


class ItemKind(Enum):
    """What the payload of a message is."""

    FRAME = "frame"
    LINE = "line"
    SESSION = "session"
    ALIVE = "alive"
    END = "end"


class TapeEnvelope(msgspec.Struct, gc=False):
    """A message that is published, or waits for its acknowledgement. *lease*: the revision of a book's lease.

    *key*: by which it is acknowledged. *session*, *settled*: of a message from the disk, perhaps of an earlier run.
    """

    subject: str
    id: str
    received_ns: int
    payload: bytes
    epoch: str = "0"
    kind: ItemKind = ItemKind.FRAME
    number: int = 0
    count: int = 0
    lease: int = 0
    part: str = ""
    sent_at: float = 0.0
    items: int = 1
    key: int = 0
    session: str = ""
    settled: int = 0

    def headers(self, venue: str, session: str, settled: int) -> dict[str, str]:
        if self.session:
            session, settled = self.session, self.settled
        lease = f" {self.lease}" if self.lease else ""
        headers = {
            MESSAGE_ID: self.id,
            VENUE: venue,
            RECEIVED: str(self.received_ns),
            EPOCH: self.epoch,
            FROM: f"{session} {self.number} {self.count} {settled}{lease}",
        }
        if self.kind is not ItemKind.FRAME:
            headers[KIND] = self.kind.value
        if self.part:
            headers[PART] = self.part
        return headers


# gc=False: a consumer makes one for each message, and they hold no cycle.
class TapeItem(msgspec.Struct, gc=False):
    """A message that was read from a tape. *sequence*: its number in the stream; *subject*: without the stream."""

    sequence: int
    subject: str
    received_ns: int
    payload: bytes
    session: str
    number: int
    count: int
    settled: int
    epoch: int = 0
    epochs: list[int | None] | None = None
    repaired: list[int] | None = None
    kind: ItemKind = ItemKind.FRAME
    lease: int = 0
    part: int = 0
    parts: int = 1


def item_of(sequence: int, subject: str, headers: Mapping[str, str] | None, payload: bytes) -> TapeItem:
    """The item of a received message; raises `ValueError` if it is none of a publisher of this library."""
    try:
        if headers is None:
            raise KeyError(FROM)
        place = headers[FROM].split(" ")
        item = TapeItem(
            sequence, subject, int(headers[RECEIVED]), payload, place[0], int(place[1]), int(place[2]), int(place[3])
        )
        if len(place) > 4:
            item.lease = int(place[4])
        epoch = headers[EPOCH]
        if ";" in epoch:
            item.epoch, item.epochs, item.repaired = epochs_of(epoch)
        else:
            item.epoch = int(epoch)
        if (kind := headers.get(KIND)) is not None:
            item.kind = ItemKind(kind)
        if (part := headers.get(PART)) is not None:
            first, _, last = part.partition("/")
            item.part, item.parts = int(first), int(last)
    except (KeyError, ValueError, IndexError) as error:
        raise ValueError(f"no message of rxfeed: {type(error).__name__}: {error}") from None
    return item


def epoch_text(epoch: int, epochs: Sequence[int | None] = (), repaired: Sequence[int] = ()) -> str:
    """The header of the epochs.

    >>> from rxfeed.tape.envelope import epoch_text, epochs_of
    >>> epoch_text(2), epoch_text(2, (2, None, 3)), epoch_text(1, (), (0,))
    ('2', '2;2,-,3', '1;;0')
    >>> epochs_of(epoch_text(2, (2, None, 3), (0,)))
    (2, [2, None, 3], [0])
    """
    if not epochs and not repaired:
        return str(epoch)
    text = f"{epoch};{','.join('-' if each is None else str(each) for each in epochs)}"
    return f"{text};{','.join(map(str, repaired))}" if repaired else text


def epochs_of(text: str) -> tuple[int, list[int | None] | None, list[int] | None]:
    """The epoch, those of a frame's messages, and the places of repaired trades."""
    epoch, several, repaired, *_ = *text.split(";"), ""
    return (
        int(epoch),
        [None if each == "-" else int(each) for each in several.split(",")] if several else None,
        [int(each) for each in repaired.split(",")] if repaired else None,
    )


def parts_of(envelope: TapeEnvelope, most: int, session: str) -> list[TapeEnvelope]:
    """*envelope*, or its parts with at most *most* bytes each.

    A part has an identity of its session, since the parts of two publishers need not be equal.
    """
    size = len(envelope.payload)
    if size <= most:
        return [envelope]
    count = -(-size // most)
    return [
        replace(
            envelope,
            id=f"{envelope.id}/{session}/{place}",
            payload=envelope.payload[place * most : (place + 1) * most],
            part=f"{place}/{count}",
            items=envelope.items if place == count - 1 else 0,
        )
        for place in range(count)
    ]
