"""The optional zstandard, which only recordings need."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from rxfeed.errors import needs_extra

if TYPE_CHECKING:
    import zstandard


def zstd() -> ModuleType:
    """The module `zstandard`; raises `ExtraMissing` if it is not installed."""
    with needs_extra("record", "a recording"):
        import zstandard
    return zstandard


def compressor(level: int) -> zstandard.ZstdCompressionObj:
    """A new stream with a checksum at its end, so that readers can verify it."""
    return zstd().ZstdCompressor(level=level, write_checksum=True).compressobj()
