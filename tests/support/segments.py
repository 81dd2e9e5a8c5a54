"""Constructed segments of a recording, whole and damaged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import zstandard

from rxfeed.recording.format import Header, end_line, frame_line, header_line
from tests.support.make import NOON

NS = int(NOON.timestamp()) * 10**9


def lines_of(frames: Iterable[bytes], *, ns: int = NS, step: int = 10**9, epoch: int = 0) -> list[bytes]:
    """A frame line for each, *step* nanoseconds apart."""
    return [frame_line(raw, ns + place * step, epoch) for place, raw in enumerate(frames)]


def text_of(
    lines: Sequence[bytes],
    *,
    session: str = "5f0c2b7a",
    number: int = 1,
    ns: int = NS,
    ended: bool = True,
    venue: str = "",
) -> list[bytes]:
    """All lines of a segment."""
    header = header_line(Header(rxfeed=1, ns=ns, session=session, segment=number, venue=venue))
    frames = sum(b'"frame":' in line or b'"text":' in line for line in lines)
    times = [int(found[1]) for line in lines if (found := re.match(rb'\{(?:"redacted":true,)?"ns":(-?\d+)', line))]
    bounds = (min(times), max(times)) if times else ()
    return [header, *lines, *([end_line(ns, frames, *bounds)] if ended else [])]


def packed(lines: Sequence[bytes], together: int = 100) -> bytes:
    """*lines*, in frames with a checksum, of so many *together*."""
    pack = zstandard.ZstdCompressor(write_checksum=True).compress
    return b"".join(pack(b"".join(lines[at : at + together])) for at in range(0, len(lines), together))


def write(
    folder: Path,
    lines: Sequence[bytes],
    *,
    session: str = "5f0c2b7a",
    number: int = 1,
    ns: int = NS,
    ended: bool = True,
    together: int = 100,
    venue: str = "",
) -> Path:
    """A whole segment in *folder*, with its name."""
    path = folder / f"20260102T120000.000000Z-{session}-{number:05}.jsonl.zst"
    text = text_of(lines, session=session, number=number, ns=ns, ended=ended, venue=venue)
    whole = len(text) - ended  # a recorder packs the end line alone
    path.write_bytes(packed(text[:whole], together) + packed(text[whole:]))
    return path
