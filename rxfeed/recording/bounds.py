"""Reads the first and last time of a closed segment from its end line, without reading the rest."""

from __future__ import annotations

from typing import BinaryIO

from rxfeed.recording.compression import zstd
from rxfeed.recording.opening import open_file
from rxfeed.recording.reading import end_of
from rxfeed.recording.unpack import GZIP, ZSTD

# The end line is a zstd frame of its own, much shorter than this.
_TAIL = 1 << 10


def bounds_of(path: str) -> tuple[int, int] | None:
    """The earliest and the latest `ns` of the lines of the segment at *path*; `None` if its end does not have them.

    That is a segment without an end line or without any other line, one that was compressed again, and a file that
    cannot be read. The times of such a file are not known before it is read.
    """
    try:
        with open_file(path) as file:
            text = _last(file)
    except OSError:
        return None
    end = end_of(text)
    return None if end is None or end.first is None or end.last is None else (end.first, end.last)


def _last(file: BinaryIO) -> bytes:
    """The text at the end of *file*, or of its last compressed frame; empty if that is not found in the tail."""
    begin = file.read(len(ZSTD))
    if begin.startswith(GZIP):
        return b""
    file.seek(max(0, file.seek(0, 2) - _TAIL))
    tail = file.read(_TAIL)
    if begin != ZSTD:
        return tail if tail.endswith(b"\n") else b""
    at = len(tail)
    while (at := tail.rfind(ZSTD, 0, at)) >= 0:  # compressed data may contain these four bytes, too
        text = _frame(tail[at:])
        if text is not None:
            return text
    return b""


def _frame(packed: bytes) -> bytes | None:
    """The content of the zstd frame *packed*; `None` if it is not complete or its checksum is wrong."""
    module = zstd()
    unpacker = module.ZstdDecompressor().decompressobj()
    try:
        text = unpacker.decompress(packed)
    except module.ZstdError:
        return None
    return text if unpacker.eof and not unpacker.unused_data else None
