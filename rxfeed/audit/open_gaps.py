"""The gaps of a recording that a repair requests: which trades are missing, and in which segments they belong.

Gaps that fit into one page of the exchange are requested together, since a recording may have thousands of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from rxfeed.audit.coverage import CoveredTimes
from rxfeed.audit.fetching import PastTrades
from rxfeed.audit.proof import Hole
from rxfeed.audit.records import FileRecord
from rxfeed.audit.rows import lost_of, pair_audits, split
from rxfeed.errors import FrameMalformed, RxfeedError
from rxfeed.market import Trade
from rxfeed.recording import TimeRange

MOST = 1_000_000
"""Trades of one gap that are requested; a larger one is hardly a gap."""
Fetched = dict[int, Trade] | str
"""Trades by their ids, or why they could not be requested."""


class OpenGap(msgspec.Struct):
    """Missing ids in a row, by the places where they belong."""

    product: str
    holes: list[Hole]

    @property
    def first(self) -> int:
        return self.holes[0].first

    @property
    def last(self) -> int:
        return self.holes[-1].last


def open_gaps(files: list[FileRecord], chosen: TimeRange) -> dict[tuple[str, int], list[OpenGap]]:
    """The gaps to repair, by the segment in which they end; in the order of the recording."""
    lost = lost_of(files)
    gaps: list[OpenGap] = []
    for audit in pair_audits(files, CoveredTimes(files)):
        product = audit.product
        if audit.proof is None or product is None or not audit.by_trades:
            continue
        if chosen.products is not None and product not in chosen.products:
            continue
        open_gap: OpenGap | None = None
        for hole in audit.proof.holes():
            if hole.place.ns < chosen.since or hole.after_ns >= chosen.until:
                continue
            for first, last, is_lost in split(hole, lost.get(product, ())):
                if is_lost:
                    continue
                piece = Hole(first, last, hole.after_ns, hole.place)
                if open_gap is not None and open_gap.last + 1 == first:
                    open_gap.holes.append(piece)
                else:
                    open_gap = OpenGap(product, [piece])
                    gaps.append(open_gap)
    by_owner: dict[tuple[str, int], list[OpenGap]] = defaultdict(list)
    for gap in gaps:
        place = gap.holes[-1].place
        by_owner[place.session, place.number].append(gap)
    order = [(file.session, file.number) for file in files]
    return {place: by_owner[place] for place in order if place in by_owner}


def fetched_gaps(gaps: Sequence[OpenGap], client: PastTrades) -> Iterator[tuple[OpenGap, Fetched]]:
    """Each of *gaps*, in order, with the trades that the exchange has of it."""
    for group in _pages(gaps, client.most_trades):
        try:
            fetched = _fetched(group, client)
        except FrameMalformed as error:
            fetched = str(error)
            if len(group) > 1:  # the answer with a fault may be that for another gap
                yield from (found for gap in group for found in fetched_gaps([gap], client))
                continue
        for gap in group:
            yield gap, fetched


def _pages(gaps: Sequence[OpenGap], most: int) -> Iterator[list[OpenGap]]:
    """The *gaps*, in order, in groups of one product within *most* ids."""
    group: list[OpenGap] = []
    for gap in gaps:
        # Ids that begin anew go back.
        if group and not (
            gap.product == group[0].product and gap.first > group[-1].last and gap.last - group[0].first < most
        ):
            yield group
            group = []
        group.append(gap)
    if group:
        yield group


def _fetched(group: Sequence[OpenGap], client: PastTrades) -> Fetched:
    """The trades from the first gap to the last; raises `FrameMalformed` for an answer that does not fit."""
    first, last = group[0].first, group[-1].last
    if last - first >= MOST:
        return f"it has over {MOST:,} trades, which is hardly a gap"
    latest = max(hole.place.ns for gap in group for hole in gap.holes)  # a clock may have been set back
    try:
        return client.fetch(group[0].product, first, last, latest)
    except FrameMalformed:
        raise
    except RxfeedError as error:
        return str(error)
