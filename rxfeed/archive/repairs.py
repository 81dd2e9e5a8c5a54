"""Which trades of a repair an archive has: a repair of a segment may be made, or extended, after its export."""

from __future__ import annotations

from collections.abc import Mapping

from rxfeed.recording import Part, listed_ids

Ranges = dict[str, list[tuple[int, int]]]
"""Trade ids by product, as ranges."""


def ranges_of(repair: Part) -> Ranges:
    """The ids of the trades in *repair*."""
    return listed_ids(repair.found)


def includes(ranges: Mapping[str, list[tuple[int, int]]], product: str, number: int) -> bool:
    return any(first <= number <= last for first, last in ranges.get(product, ()))
