"""A file's bytes without their packing: zstd, gzip or none, known by how they begin."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from rxfeed.recording.compression import zstd

ZSTD = b"\x28\xb5\x2f\xfd"
GZIP = b"\x1f\x8b"

_AT_ONCE = 1 << 16
# What a frame holds waits for the frame's checksum, if that is not too far.
_MOST_HELD = 1 << 23


class Broken(Exception):
    """The packing ends too early, or does not hold what was put in."""


def unpacked(file: BinaryIO) -> Iterator[bytes]:
    """The content of *file* piece by piece, in bounded memory; `Broken` where it is damaged, behind what is good.

    A packed file is a row of frames (gzip: members). One whose checksum is wrong gives nothing, unless it is bigger
    than 8 MB: its beginning is given before the checksum is seen. One that is cut off gives what is there.
    """
    begin = file.read(_AT_ONCE)
    if begin.startswith(ZSTD):
        zstandard = zstd()
        yield from _frames(file, begin, zstandard.ZstdDecompressor().decompressobj, zstandard.ZstdError)
    elif begin.startswith(GZIP):
        yield from _frames(file, begin, lambda: zlib.decompressobj(31), zlib.error)
    else:
        while begin:
            yield begin
            begin = file.read(_AT_ONCE)


def _frames(file: BinaryIO, packed: bytes, make: Callable[[], Any], errors: type[Exception]) -> Iterator[bytes]:
    unpacker: Any = make()
    held: list[bytes] = []
    size = 0
    while packed:
        try:
            piece = unpacker.decompress(packed)
        except errors as error:
            raise Broken(str(error)) from None
        held.append(piece)
        size += len(piece)
        if unpacker.eof or size > _MOST_HELD:
            yield b"".join(held)
            held, size = [], 0
        if unpacker.eof:
            packed, unpacker = unpacker.unused_data, None
        else:
            packed = b""
        packed = packed or file.read(_AT_ONCE)
        if packed and unpacker is None:
            unpacker = make()
    if unpacker is not None:
        yield b"".join(held)
        raise Broken("it ends in the midst of a packed frame")
