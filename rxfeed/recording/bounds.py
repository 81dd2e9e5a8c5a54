"""From when to when the lines of a closed segment are, without reading all of it: its end line has that."""

from __future__ import annotations

from typing import BinaryIO

from rxfeed.recording.compression import zstd
from rxfeed.recording.opening import open_file
from rxfeed.recording.reading import end_of
from rxfeed.recording.unpack import GZIP, ZSTD

# The end line is a zstd frame of its own, much shorter than this.
_TAIL = 1 << 10


def bounds_of(path: str) -> tuple[int, int] | None:
    """The earliest and the latest `ns` of the lines of the segment at *path*; `None` where its end does not have them.

    That is a segment without an end line or without any other line, one that was packed anew, and a file that cannot be
    read: only reading it to its end shows what it holds.
    """
    try:
        with open_file(path) as file:
            text = _last(file)
    except OSError:
        return None
    end = end_of(text)
    return None if end is None or end.first is None or end.last is None else (end.first, end.last)


def _last(file: BinaryIO) -> bytes:
    """The text at the end of *file*; of a packed one, of its last frame; empty where it is not found in the tail."""
    begin = file.read(len(ZSTD))
    if begin.startswith(GZIP):
        return b""
    file.seek(max(0, file.seek(0, 2) - _TAIL))
    tail = file.read(_TAIL)
    if begin != ZSTD:
        return tail if tail.endswith(b"\n") else b""
    at = len(tail)
    while (at := tail.rfind(ZSTD, 0, at)) >= 0:  # these four bytes may stand in what is packed, too
        text = _frame(tail[at:])
        if text is not None:
            return text
    return b""


def _frame(packed: bytes) -> bytes | None:
    """What the zstd frame *packed* holds, with a checksum that is right; `None` where it is no whole frame."""
    module = zstd()
    unpacker = module.ZstdDecompressor().decompressobj()
    try:
        text = unpacker.decompress(packed)
    except module.ZstdError:
        return None
    return text if unpacker.eof and not unpacker.unused_data else None
