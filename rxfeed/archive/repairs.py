"""Which trades of a repair an archive has: a repair of a segment may be made, or extended, after its export."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from rxfeed.recording import REPAIRED_IDS, Part, Recording

Ranges = dict[str, list[tuple[int, int]]]
"""Trade ids by product, as ranges."""


def ranges_of(repair: Part) -> Ranges:
    """The ids of the trades in *repair*."""
    header = repair.found.header if isinstance(repair.found, Recording) else None
    listed = None if header is None else header.about.get(REPAIRED_IDS)
    return msgspec.convert(listed or {}, Ranges)


def includes(ranges: Mapping[str, list[tuple[int, int]]], product: str, number: int) -> bool:
    return any(first <= number <= last for first, last in ranges.get(product, ()))
