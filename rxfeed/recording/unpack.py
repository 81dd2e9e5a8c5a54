"""Decompresses a file: zstd, gzip or none, by its first bytes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from rxfeed.recording.compression import zstd

ZSTD = b"\x28\xb5\x2f\xfd"
GZIP = b"\x1f\x8b"

_AT_ONCE = 1 << 16
# Four packed bytes can become 128 kB. So no call of the decompressor returns more than 16 MB.
_PACKED_AT_ONCE = 1 << 9
MOST_HELD = 1 << 23
"""The content of a frame is returned after its checksum, if it has at most so many bytes."""


class Broken(Exception):
    """The compressed data is damaged."""


class CutShort(Broken):
    """The compressed data is truncated."""


class _Unpacker(Protocol):
    """The decompressor of one frame."""

    def decompress(self, packed: bytes, /) -> bytes: ...
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes:
        """The bytes after the frame's end."""
        ...


def unpacked(file: BinaryIO, held: int = MOST_HELD) -> Iterator[bytes]:
    """The content of *file* piece by piece, in bounded memory; raises `Broken` at damage, after the content before it.

    A compressed file is a series of frames (gzip: members). A frame with a wrong checksum has no content, unless it is
    larger than *held*: then its content is returned before the checksum is verified. A truncated frame has the content
    that is there.
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
    file: BinaryIO, packed: bytes, most: int, make: Callable[[], _Unpacker], errors: type[Exception]
) -> Iterator[bytes]:
    unpacker = make()
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
            if not packed:
                return
            unpacker = make()
    yield b"".join(held)
    raise CutShort("it ends within a compressed frame")
