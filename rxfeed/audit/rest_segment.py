"""The file with the repaired trades of a segment, beside it.

Rules:
- Its name and its content depend on the segment and on the trades alone: a repair that is run again writes the same.
- It is written as a whole, under another name, and renamed when it is on the disk.
- Its name begins as that of the segment, so that both are deleted together.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import msgspec

from rxfeed.errors import RecordingDamaged
from rxfeed.market import Trade
from rxfeed.recording import (
    REPAIRED_IDS,
    REST,
    VERSION,
    Header,
    LostNumbers,
    Part,
    compressor,
    end_line,
    header_line,
    inserted_line,
    lost_line,
    moment_of,
)
from rxfeed.recording import inserted as read_inserted

log = logging.getLogger("rxfeed.audit")

_LEVEL = 10
_SUFFIX = ".jsonl.zst"


class Insertion(msgspec.Struct, frozen=True, order=True):
    """The trade *first*, encoded as a *frame*, or the lost ids *first* to *last*, before the line *before*."""

    before: int
    product: str
    first: int
    last: int
    ns: int
    frame: bytes = b""

    @property
    def line(self) -> bytes:
        if self.frame:
            return inserted_line(self.frame, self.ns, self.before)
        return lost_line(LostNumbers(self.product, self.first, self.last), self.ns, self.before)


def inserted(trade: Trade, before: int, ns: int) -> Insertion:
    return Insertion(before, trade.product_id, trade.trade_id, trade.trade_id, ns, msgspec.json.encode(trade.unstamped))


class RestSegment:
    """The file that completes the segment *part*, with what it has already in *insertions*."""

    def __init__(self, part: Part, venue: str, known: Part | None) -> None:
        self._part, self._venue = part, venue
        self.session = blake2b(f"{part.session}/{part.number}/{REST}".encode(), digest_size=4).hexdigest()
        path = Path(part.path)
        begun = (
            path.name.partition("-")[0] if path.name.endswith(_SUFFIX) else f"{moment_of(part.ns):%Y%m%dT%H%M%S.%fZ}"
        )
        self.path = path.with_name(f"{begun}-{self.session}-00001{_SUFFIX}")
        self.insertions: list[Insertion] = [] if known is None else list(_read(known))

    def add(self, insertions: Iterable[Insertion]) -> None:
        known = {(each.product, each.first) for each in self.insertions}
        self.insertions += [each for each in insertions if (each.product, each.first) not in known]

    def rewrite(self) -> bool:
        """Write the file again with what could be read of it, after damage. False if that is nothing."""
        if self.insertions:
            self.write()
        return bool(self.insertions)

    def write(self) -> None:
        """Returns when the file is on the disk."""
        self.insertions.sort()
        header = Header(
            rxfeed=VERSION,
            ns=self._part.ns,
            session=self.session,
            segment=1,
            venue=self._venue,
            source=REST,
            of=(self._part.session, self._part.number),
            about={REPAIRED_IDS: self._ranges()},
        )
        times = [each.ns for each in self.insertions]
        trades = sum(bool(each.frame) for each in self.insertions)
        end = end_line(max(times), trades, min(times), max(times))
        unnamed = self.path.with_name(f"{self.path.name}.new")
        with unnamed.open("wb") as file:
            os.fchmod(file.fileno(), Path(self._part.path).stat().st_mode & 0o777)
            file.write(_packed([header_line(header), *(each.line for each in self.insertions)]))
            file.write(_packed([end]))
            file.flush()
            os.fsync(file.fileno())
        unnamed.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _ranges(self) -> dict[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        for each in sorted(self.insertions, key=lambda each: (each.product, each.first)):
            if each.frame:
                ranges = found.setdefault(each.product, [])
                if ranges and ranges[-1][1] + 1 == each.first:
                    ranges[-1] = ranges[-1][0], each.first
                else:
                    ranges.append((each.first, each.first))
        return found


def _read(part: Part) -> Iterable[Insertion]:
    """What is in the file of an earlier repair, up to its damage: the rest is requested again."""
    try:
        for line, product, first, last in read_inserted(part.opened()):
            frame = b"" if line.lost is not None else line.raw()
            yield Insertion(line.before or 0, product, first, last, line.ns, frame)
    except RecordingDamaged as damage:
        log.warning("repair: %s: what is missing from there on is requested again", damage)


def _packed(lines: list[bytes], together: int = 4000) -> bytes:
    """*lines*, compressed in frames with a checksum."""
    packed = b""
    for at in range(0, len(lines), together):
        stream = compressor(_LEVEL)
        packed += stream.compress(b"".join(lines[at : at + together])) + stream.flush()
    return packed
