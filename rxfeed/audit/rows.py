"""The rows of a certificate, from the records of all files."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from rxfeed.audit.coverage import CoveredTimes, Spans
from rxfeed.audit.proof import Hole, Proof
from rxfeed.audit.records import FileRecord, GapRecord, Pair, PairRecord
from rxfeed.audit.result import AuditRow, MissingNumbers, State
from rxfeed.recording import joined, moment_of
from rxfeed.venues import VENUES, Venue


class PairAudit:
    """One channel and product of all *files*."""

    def __init__(self, pair: Pair, files: Sequence[tuple[FileRecord, PairRecord]], venue: Venue | None) -> None:
        self.channel, self.product = pair
        self.files = files
        self.counts: Counter[int] = Counter()
        self.repaired: Counter[int] = Counter()
        for _, record in files:
            for count in record.counts:
                self.counts[count.ns] += count.messages
                self.repaired[count.ns] += count.repaired
        numbering = next((each.numbering for each in venue.channels if each.name == self.channel), "") if venue else ""
        self.by_connection = numbering == "connection"
        self.by_trades = numbering == "trades"
        counted = any(record.runs or record.repairs for _, record in files)
        self.proof = Proof(files) if counted else None


def pair_audits(files: Sequence[FileRecord], coverage: CoveredTimes) -> list[PairAudit]:
    """All channels and products that have messages, or were subscribed to; by product."""
    found: dict[Pair, list[tuple[FileRecord, PairRecord]]] = {pair: [] for pair in coverage.subscribed}
    for file in files:
        for record in file.pairs:
            found.setdefault((record.channel, record.product), []).append((file, record))
    venue = VENUES.get(files[0].venue) if files else None
    known = {each.name for each in venue.channels} if venue is not None else set[str]()
    pairs = sorted(found, key=lambda pair: (pair[1] is None, pair[1] or "", pair[0]))
    return [PairAudit(pair, found[pair], venue) for pair in pairs if pair[0] in known or not known]


class SpanGrid:
    """The spans of *every* nanoseconds from *since* to *until*; those of the first and the last message are cut.

    *near*: only spans that have a part of these.
    """

    def __init__(
        self, since: int, until: int, every: int, coverage: CoveredTimes, near: Iterable[tuple[int, int]] | None = None
    ) -> None:
        self.since, self.until, self.every = since, until, every
        self.starts: Sequence[int] = range(since // every * every, max(until, since + 1), every)
        if near is not None:
            self.starts = [start for part in _aligned(near, every) for start in part if start in self.starts]
        self.online = coverage.online.by_grid(self.starts, every)
        begun = max(since, coverage.online.all[0][0] if coverage.online.all else until)
        self.offline = Spans([(begun, until)] if begun < until else []).minus(coverage.online)
        """When there was no connection, since the first one."""

    def bounds(self, start: int) -> tuple[int, int]:
        return max(start, self.since), min(start + self.every, self.until)


def _aligned(near: Iterable[tuple[int, int]], every: int) -> Iterator[range]:
    """The begins of the spans with a part of *near*, each once, in order."""
    whole = Spans((begin // every * every, (end // every + 1) * every) for begin, end in near)
    return (range(begin, end, every) for begin, end in whole.all)


def rows_of(
    audit: PairAudit,
    grid: SpanGrid,
    coverage: CoveredTimes,
    gaps: Sequence[GapRecord],
    lost: Sequence[tuple[int, int]],
    *,
    continues: bool = False,
) -> tuple[list[AuditRow], list[MissingNumbers]]:
    """The rows of *audit*, and what is missing; *lost*: ids that the exchange no longer has.

    *continues*: more files follow, in which ids may come that are named and have not come.
    """
    missing: Counter[int] = Counter()
    gone: Counter[int] = Counter()
    touched: list[tuple[int, int]] = []
    found: list[MissingNumbers] = []
    for first, last, after, before, is_lost in _missing(audit, gaps, lost, continues=continues):
        begin, end = min(after, before), max(after, before) + 1  # a clock may have been set back between them
        if end <= grid.since or begin >= grid.until:
            continue
        touched.append((begin, end))
        span = max(begin, grid.since) // grid.every * grid.every
        missing[span] += last - first + 1
        gone[span] += (last - first + 1) * is_lost
        found.append(
            MissingNumbers(
                product=audit.product,
                channel=audit.channel,
                first=first,
                last=last,
                after=moment_of(after),
                before=moment_of(before),
                lost=is_lost,
            )
        )
    subscribed = coverage.subscribed.get((audit.channel, audit.product), Spans(())).by_grid(grid.starts, grid.every)
    lost_with = coverage.missed.get((audit.channel, audit.product), Spans(()))
    missed = lost_with.by_grid(grid.starts, grid.every)
    lacking = Spans(touched).by_grid(grid.starts, grid.every)
    certain = Spans(() if audit.proof is None else audit.proof.spans())
    proven = certain.by_grid(grid.starts, grid.every)
    broken = Spans([*lost_with.all, *grid.offline.all]).minus(certain).by_grid(grid.starts, grid.every)
    rows: list[AuditRow] = []
    for start in grid.starts:
        begin, end = grid.bounds(start)
        offline = max(0, end - begin - grid.online[start], missed[start])
        state = _state(
            audit,
            start,
            offline=offline >= end - begin,
            broken=broken[start] > 0,
            subscribed=subscribed[start] > 0,
            lacking=lacking[start] > 0,
            proven=proven[start] >= end - begin,
        )
        rows.append(
            AuditRow(
                product=audit.product,
                channel=audit.channel,
                start=moment_of(begin),
                end=moment_of(end),
                state=state,
                messages=audit.counts[start],
                repaired=audit.repaired[start],
                missing=missing[start],
                lost=gone[start],
                offline_seconds=offline / 1e9,
            )
        )
    return rows, found


def _state(
    audit: PairAudit, start: int, *, offline: bool, broken: bool, subscribed: bool, lacking: bool, proven: bool
) -> State:
    messages = audit.counts[start]
    if audit.proof is not None and proven and not lacking:
        return "repaired" if audit.repaired[start] else "verified"
    if offline and not messages:
        return "offline"
    if lacking:
        return "missing"
    if not subscribed and not messages:
        return "not subscribed"
    if broken and (audit.proof is not None or audit.by_connection):
        return "missing"
    if audit.proof is not None:
        if not messages:
            return "unverifiable"
        return "repaired" if audit.repaired[start] else "verified"
    return "verified" if audit.by_connection else "unverifiable"


def _missing(
    audit: PairAudit, gaps: Sequence[GapRecord], lost: Sequence[tuple[int, int]], *, continues: bool
) -> Iterator[tuple[int, int, int, int, bool]]:
    if audit.proof is not None:
        end = audit.proof.end
        for hole in audit.proof.holes():
            if continues and end is not None and hole.first > end.last:
                continue
            for first, last, is_lost in split(hole, lost):
                yield first, last, hole.after_ns, hole.place.ns, is_lost
        return
    if audit.by_connection:
        for gap in gaps:
            if gap.product in (None, audit.product) and gap.channel not in _others(audit):
                yield gap.first, gap.last, gap.ns, gap.ns, False


def _others(audit: PairAudit) -> frozenset[str]:
    """The channels of which the gaps are no gaps of *audit*."""
    venue = VENUES.get(audit.files[0][0].venue) if audit.files else None
    if venue is None:
        return frozenset()
    return frozenset(each.name for each in venue.channels if each.name != audit.channel)


def split(hole: Hole, lost: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, bool]]:
    """The parts of *hole*: those that are *lost* (ranges in order), and the others."""
    at = hole.first
    for first, last in lost:
        if last < at or first > hole.last:
            continue
        if first > at:
            yield at, first - 1, False
        yield max(at, first), min(last, hole.last), True
        at = last + 1
    if at <= hole.last:
        yield at, hole.last, False


def lost_of(files: Sequence[FileRecord]) -> dict[str, list[tuple[int, int]]]:
    """By product: the ids that the exchange no longer has, in order."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for file in files:
        for product, first, last in file.lost:
            found[product].append((first, last))
    return {product: joined(ranges) for product, ranges in found.items()}
