"""A file's bytes without their packing: zstd, gzip or none, known by how they begin."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from rxfeed.recording.compression import zstd

ZSTD = b"\x28\xb5\x2f\xfd"
GZIP = b"\x1f\x8b"

_AT_ONCE = 1 << 16
# Four packed bytes can become 128 kB. So no call of the decompressor returns more than 16 MB.
_PACKED_AT_ONCE = 1 << 9
MOST_HELD = 1 << 23
"""What a frame holds waits for the frame's checksum, if that is not further than so many bytes."""


class Broken(Exception):
    """The packing does not hold what was put in."""


class CutShort(Broken):
    """It ends before its end."""


def unpacked(file: BinaryIO, held: int = MOST_HELD) -> Iterator[bytes]:
    """The content of *file* piece by piece, in bounded memory; `Broken` where it is damaged, behind what is good.

    A packed file is a row of frames (gzip: members). One whose checksum is wrong gives nothing, unless it is bigger
    than *held*: then it is given before the checksum is seen. One that is cut off gives what is there.
    """
    begin = file.read(_PACKED_AT_ONCE)
    if begin.startswith(ZSTD):
        module = zstd()
        yield from _frames(file, begin, held, module.ZstdDecompressor().decompressobj, module.ZstdError)
    elif begin.startswith(GZIP):
        yield from _frames(file, begin, held, lambda: zlib.decompressobj(31), zlib.error)
    else:
        while begin:
            yield begin
            begin = file.read(_AT_ONCE)


def _frames(
    file: BinaryIO, packed: bytes, most: int, make: Callable[[], Any], errors: type[Exception]
) -> Iterator[bytes]:
    unpacker: Any = make()
    held: list[bytes] = []
    size = given = 0
    while packed:
        try:
            piece = unpacker.decompress(packed)
        except errors as error:
            doubt = f", and the {given:,} bytes before may be wrong" if given else ""
            raise Broken(f"{error}{doubt}") from None
        held.append(piece)
        size += len(piece)
        whole = unpacker.eof
        if whole or size > most:
            yield b"".join(held)
            held, size, given = [], 0, 0 if whole else given + size
        packed = unpacker.unused_data or file.read(_PACKED_AT_ONCE)
        if whole:
            unpacker = make() if packed else None
    if unpacker is not None:
        yield b"".join(held)
        raise CutShort("it ends in the midst of a packed frame")
