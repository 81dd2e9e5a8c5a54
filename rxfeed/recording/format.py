"""The lines of a recording, before they are compressed: JSON, one object a line.

    {"rxfeed":1,"ns":1790733802000000000,"session":"5f0c2b7a","segment":3,"venue":"coinbase_exchange","about":{...}}
        the first line of every segment: the version of the format, the time of its creation, the id of the session (a
        run of a recorder), the segment's number within the session, the venue (absent: coinbase_exchange), and a
        description of the source
    {"ns":...,"epoch":2,"frame":{"type":"match",...}}
        a frame, byte for byte as received, at the end of its line; Unix nanoseconds of its receipt, and its epoch
    {"ns":...,"epoch":2,"text":"{\\n..."}
        a frame of more than one line, as a JSON string
    {"ns":...,"epoch":2,"epochs":[2,null,3],"frame":{...}}
        a frame with several messages: the epoch of each; null for one that was dropped as a duplicate. "repaired": the
        places (from 0) of trades from before the subscription that had been missed, and so are new ones
    {"ns":...,"epoch":2,"connection":3,"frame":{...}}
        a frame of connection 3 of a feed with several; in a status, too. Lines of one connection have no such key
    {"ns":...,"epoch":2,"repaired":[0],"frame":{"type":"match",...}}
        a trade that had been missed, from the REST API: encoded as the venue's feed would have sent it; Unix
        nanoseconds of the receipt of the answer
    {"redacted":true,"ns":...,"epoch":2,"frame":{"type":"error","reason":"bad key: [redacted]"}}
        a frame in which the server repeated the recorder's credentials: they are redacted (also in other lines)
    {"ns":...,"malformed":"not JSON: ...","text":"..."}, or "base64" if it is not UTF-8
        a malformed frame, and the reason; with "product_id" and "type" if the frame has them
    {"ns":...,"status":{"type":"Gap","product_id":"BTC-USD",...}}
        an event of the connection: an item of `feed.status`
    {"ns":...,"pong":0.0123}
        a pong, and the round trip in seconds
    {"ns":...,"repaired":[0],"before":17,"frame":{...}}, {"ns":...,"before":17,"lost":{"product_id":...,"first":...}}
        in a segment with `"source":"rest"` and `"of":["5f0c2b7a",3]` in its header: a trade that was missed and
        requested later, which belongs before line 17 of that segment, and ids that the exchange no longer has
    {"ns":...,"end":{"frames":120312},"first":...,"last":...}
        the last line of a closed segment: the number of frames, and the earliest and the latest `ns` of its lines (a
        clock can be set back), which are absent if it has no other line; with zstd a frame of its own

A line is at most `LONGEST_LINE` bytes long, and a header line at most `LONGEST_HEADER`, which bounds the memory of
readers. A frame that makes a longer line is recorded as malformed, with the reason and without its bytes.

Readers ignore unknown keys. A format that readers of version 1 cannot read gets another version number.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from rxfeed.market import BackfilledOrigin, Malformed, Origin, RepairedOrigin, of_connection
from rxfeed.recording.timestamps import on_calendar

VERSION = 1
LONGEST_LINE = (1 << 26) + (1 << 16)
"""Bytes: enough for a frame of a feed's default `max_size`, and the rest of its line."""
LONGEST_HEADER = 1 << 20

About = dict[str, Any]
"""The description of a source, which is decoded from JSON."""

encode = msgspec.json.Encoder().encode
_NONE = msgspec.Raw()
_OPENING, _CLOSING = tuple(b"{["), tuple(b"}]")
_LF, _CR = b"\n\r"


class Header(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The first line of a segment. *about*: url, channels and products of the source, for `rxfeed ls`.

    *source*: `rest` for trades that were missed and requested later; *of*: the session and number of the segment that
    they complete.
    """

    rxfeed: int
    ns: int
    session: str
    segment: int
    venue: str = ""
    source: str = ""
    of: tuple[str, int] | None = None
    about: About = {}

    def __post_init__(self) -> None:
        on_calendar(self.ns)

    @property
    def completed(self) -> tuple[str, int] | None:
        """The segment that this one completes; `None` for one that a recorder wrote."""
        return self.of if self.source == REST else None


REST = "rest"
"""The source of a segment with trades that were requested later."""


class End(msgspec.Struct, frozen=True, gc=False):
    """The last line of a segment that was closed."""

    frames: int


class LostNumbers(msgspec.Struct, frozen=True, gc=False):
    """Ids of missing trades that the exchange no longer has."""

    product_id: str
    first: int
    last: int


# gc=False: a replay makes one for each frame, and they hold no cycle.
class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Any other line; exactly one of its parts is set."""

    ns: int
    epoch: int = 0
    connection: int = 0
    epochs: list[int | None] | None = None
    repaired: list[int] | None = None
    frame: msgspec.Raw = _NONE
    text: str | None = None
    base64: str | None = None
    malformed: str | None = None
    product_id: str | None = None
    type: str | None = None
    status: msgspec.Raw = _NONE
    pong: float | None = None
    before: int | None = None
    lost: LostNumbers | None = None
    end: End | None = None
    first: int | None = None
    last: int | None = None
    redacted: bool = False
    backfilled: bool = False

    def __post_init__(self) -> None:
        on_calendar(self.ns)

    @property
    def origin(self) -> type[Origin]:
        """What the origin of its message is, if the frame has one message."""
        kind = RepairedOrigin if self.repaired else BackfilledOrigin if self.backfilled else Origin
        return of_connection(kind, self.connection)

    @property
    def has_frame(self) -> bool:
        return self.frame is not _NONE or self.text is not None or self.base64 is not None

    @property
    def has_status(self) -> bool:
        return self.status is not _NONE

    def raw(self) -> bytes:
        """The frame's bytes, as received; raises `ValueError` if the line has none."""
        if self.frame is not _NONE:
            return bytes(self.frame)
        if self.text is not None:
            return self.text.encode()
        if self.base64 is not None:
            try:
                return base64.b64decode(self.base64, validate=True)
            except ValueError as error:  # also of a text that is not ASCII
                raise ValueError(f"base64: {error}") from None
        raise ValueError("a line without a frame")


def header_line(header: Header) -> bytes:
    """The first line of a segment; without *about* if it would be too long for readers."""
    line = encode(header) + b"\n"
    return line if len(line) <= LONGEST_HEADER else encode(msgspec.structs.replace(header, about={})) + b"\n"


def frame_line(
    raw: bytes,
    received_ns: int,
    epoch: int,
    epochs: Sequence[int | None] = (),
    repaired: Sequence[int] = (),
    connection: int = 0,
) -> bytes:
    """The line of a frame: the frame unchanged, or as a JSON string if it has more than one line."""
    of = b',"connection":%d' % connection if connection else b""
    # Searching for an int is five times as fast as for a bytes of length 1.
    if raw and raw[0] in _OPENING and raw[-1] in _CLOSING and _LF not in raw and _CR not in raw:
        if epochs:
            places = b',"repaired":' + encode(repaired) if repaired else b""
            head = (received_ns, epoch, of, encode(epochs), places)
            return b'{"ns":%d,"epoch":%d%b,"epochs":%b%b,"frame":%b}\n' % (*head, raw)
        return b'{"ns":%d,"epoch":%d%b,"frame":%b}\n' % (received_ns, epoch, of, raw)
    several = list(epochs) if epochs else None
    places = list(repaired) if repaired else None
    line = Line(ns=received_ns, epoch=epoch, connection=connection, epochs=several, repaired=places, text=raw.decode())
    return encode(line) + b"\n"


def repaired_line(frame: bytes, received_ns: int, epoch: int, connection: int = 0) -> bytes:
    """The line of a trade that had been missed, and came from the REST API."""
    of = b',"connection":%d' % connection if connection else b""
    return b'{"ns":%d,"epoch":%d%b,"repaired":[0],"frame":%b}\n' % (received_ns, epoch, of, frame)


def backfilled_line(frame: bytes, received_ns: int, epoch: int, connection: int = 0) -> bytes:
    """The line of a trade from before the subscription that was requested.

    It has an empty list of repaired places, so that it is read as a line by itself.
    """
    of = b',"connection":%d' % connection if connection else b""
    line = b'{"ns":%d,"epoch":%d%b,"repaired":[],"backfilled":true,"frame":%b}\n'
    return line % (received_ns, epoch, of, frame)


def inserted_line(frame: bytes, ns: int, before: int) -> bytes:
    """The line of a trade that had been missed, and belongs before the line with the number *before*."""
    return b'{"ns":%d,"repaired":[0],"before":%d,"frame":%b}\n' % (ns, before, frame)


def lost_line(lost: LostNumbers, ns: int, before: int) -> bytes:
    return encode(Line(ns=ns, before=before, lost=lost)) + b"\n"


def redacted_line(line: bytes) -> bytes:
    """*line*, marked as redacted."""
    return b'{"redacted":true,' + line[1:]


def malformed_line(frame: Malformed) -> bytes:
    text = encoded = None
    try:
        text = frame.raw.decode()
    except UnicodeDecodeError:
        encoded = base64.b64encode(frame.raw).decode()
    line = Line(
        ns=frame.received_ns,
        text=text,
        base64=encoded,
        malformed=frame.reason,
        product_id=frame.product_id,
        type=frame.type,
    )
    return encode(line) + b"\n"


def malformed_frame(line: Line) -> Malformed:
    """The malformed frame in *line*; raises `ValueError` if its base64 is not valid."""
    return Malformed(line.raw(), line.malformed or "", line.ns, line.product_id, line.type)


def pong_line(ns: int, round_trip: float) -> bytes:
    return encode(Line(ns=ns, pong=round_trip)) + b"\n"


def end_line(ns: int, frames: int, first: int | None = None, last: int | None = None) -> bytes:
    return encode(Line(ns=ns, end=End(frames), first=first, last=last)) + b"\n"


decode_header = msgspec.json.Decoder(Header).decode
decode_line = msgspec.json.Decoder(Line).decode
decode_lines = msgspec.json.Decoder(Line).decode_lines
