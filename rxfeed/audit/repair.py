"""Repairs recordings: missing trades are requested from the venue's REST API, and written beside the segments."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from os import PathLike
from pathlib import Path

import msgspec

from rxfeed.audit.certificate import HOUR, audited_venue
from rxfeed.audit.fetching import PastTrades
from rxfeed.audit.open_gaps import Fetched, OpenGap, fetched_gaps, open_gaps
from rxfeed.audit.proof import Hole
from rxfeed.audit.range_files import audited_files
from rxfeed.audit.records import FileRecord
from rxfeed.audit.rest_segment import Insertion, RestSegment, inserted
from rxfeed.audit.trade_times import Bounds, bounds_of_holes, check_times
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.market import Trade
from rxfeed.recording import HAS_LOCKS, Part, Recording, TimeRange, find, ns_of, ordered, try_lock, without_repairs
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.audit")


class RepairedGap(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the missing trades *first* to *last* of *product*: *repaired* and *lost* ones, or an *error*.

    A repair that only lists gaps leaves all of these empty.
    """

    product: str
    first: int
    last: int
    repaired: int = 0
    lost: int = 0
    error: str = ""

    @property
    def count(self) -> int:
        return self.last - self.first + 1


class RepairSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a repair has done: its *gaps*, the *files* it has written, and the number of *requests*."""

    gaps: tuple[RepairedGap, ...] = ()
    files: tuple[str, ...] = ()
    requests: int = 0
    dry_run: bool = False

    @property
    def repaired(self) -> int:
        return sum(gap.repaired for gap in self.gaps)

    @property
    def lost(self) -> int:
        return sum(gap.lost for gap in self.gaps)

    @property
    def missing(self) -> int:
        return sum(gap.count for gap in self.gaps)

    @property
    def status(self) -> int:
        """The exit status: 1 if trades could not be requested, 3 if the exchange no longer has some, 0 otherwise."""
        if any(gap.error for gap in self.gaps):
            return 1
        return 3 if self.lost else 0


def repair(
    path: str | PathLike[str],
    *,
    products: str | Iterable[str] | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    rest_url: str | None = None,
    dry_run: bool = False,
    venue: str | Venue | None = None,
    progress: Callable[[RepairedGap], None] | None = None,
) -> RepairSummary:
    """Request the trades that are missing in the recording in the folder *path*, and write them beside its segments.

    Gaps of `[since, until)` are repaired, by the time of receipt around them. *rest_url*: the REST API; by default that
    of the feed that was recorded. *dry_run*: only list the gaps. *progress* is called after each gap.

    Trades that the exchange no longer has are written down as lost, and not requested again. A repair can be run again
    at any time, also after it was killed. Raises `ConfigError` for invalid arguments.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is not a folder: a repair writes its files beside the segments of a folder"
        raise ConfigError(f"path: {path} {what if folder.exists() else 'does not exist'}")
    chosen = TimeRange(products, since, until)
    parts = ordered(find([folder]))
    found = audited_venue(parts, venue)
    audited = audited_files(parts, chosen, round(HOUR) * 10**9, folder, found, store=not dry_run)
    for damaged in [file for file in audited.files if file.damage is not None and not file.open]:
        log.warning(
            "repair: %s cannot be read from line %d on: trades in it may be missing without an id that shows it; see "
            "rxfeed audit",
            *(damaged.name, damaged.damage[0] if damaged.damage else 0),
        )
    received, _ = without_repairs(parts)
    owners = {(part.session, part.number): part for part in received if _is_segment(part)}
    gaps = open_gaps(audited.all, chosen)
    if dry_run:
        listed = [
            RepairedGap(product=gap.product, first=gap.first, last=gap.last) for each in gaps.values() for gap in each
        ]
        return RepairSummary(gaps=tuple(listed), dry_run=True)
    with _alone(folder):
        known = {place: _segment(place, owners, found) for place in _damaged_repairs(parts, audited.files)}
        written = [str(each.path) for each in known.values() if each is not None and each.rewrite()]
        if not gaps:
            return RepairSummary(files=tuple(written))
        client = PastTrades(found, rest_url or _rest_url(received, found))
        try:
            done = [*_repaired_gaps(gaps, client, owners, found, written, progress)]
        finally:
            client.close()
    return RepairSummary(gaps=tuple(done), files=tuple(dict.fromkeys(written)), requests=client.requests)


def _repaired_gaps(
    gaps: dict[tuple[str, int], list[OpenGap]],
    client: PastTrades,
    owners: dict[tuple[str, int], Part],
    venue: Venue,
    written: list[str],
    progress: Callable[[RepairedGap], None] | None,
) -> Iterator[RepairedGap]:
    """Repair the *gaps* segment by segment, and add the files to *written*."""
    for owner, several in gaps.items():
        segments = {place: _segment(place, owners, venue) for place in _places(several)}
        times = bounds_of_holes((hole for gap in several for hole in gap.holes), owners, venue)
        changed: set[tuple[str, int]] = set()
        for gap, fetched in fetched_gaps(several, client):
            result = _repaired(gap, fetched, segments, changed, times)
            if progress is not None:
                progress(result)
            yield result
        for place in sorted(changed):
            segment = segments[place]
            assert segment is not None
            segment.write()
            written.append(str(segment.path))
        log.debug("repair: segment %s of session %s is complete", owner[1], owner[0])


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises `ConfigError` if another repair of *folder* is running: each would undo what the other one has written."""
    number = os.open(folder, os.O_RDONLY) if HAS_LOCKS else None
    try:
        if number is not None and not try_lock(number):
            raise ConfigError(f"path: {folder} is being repaired by another process: try again when that has ended")
        yield
    finally:
        if number is not None:
            os.close(number)


def _damaged_repairs(parts: list[Part], files: list[FileRecord]) -> list[tuple[str, int]]:
    """The segments of which the file of an earlier repair is damaged."""
    damaged = {file.name for file in files if file.damage is not None}
    _, repairs = without_repairs(parts)
    return [place for place, part in repairs.items() if Path(part.path).name in damaged]


def _is_segment(part: Part) -> bool:
    return isinstance(part.found, Recording) and part.found.header is not None


def _places(gaps: Iterable[OpenGap]) -> set[tuple[str, int]]:
    return {(hole.place.session, hole.place.number) for gap in gaps for hole in gap.holes}


def _segment(place: tuple[str, int], owners: dict[tuple[str, int], Part], venue: Venue) -> RestSegment | None:
    part = owners.get(place)
    if part is None:
        return None
    # A file that this repair has written before is read again.
    known = next((each for each in ordered(_existing(RestSegment(part, venue.name, None).path))), None)
    return RestSegment(part, venue.name, known)


def _existing(path: Path) -> list[str]:
    return [str(path)] if path.exists() else []


def _repaired(
    gap: OpenGap,
    fetched: Fetched,
    segments: dict[tuple[str, int], RestSegment | None],
    changed: set[tuple[str, int]],
    times: Mapping[Hole, Bounds],
) -> RepairedGap:
    about = {"product": gap.product, "first": gap.first, "last": gap.last}
    files = [segments[hole.place.session, hole.place.number] for hole in gap.holes]
    if None in files:
        return RepairedGap(**about, error="it ends in a file that is no segment of rxfeed")
    if isinstance(fetched, str):
        return RepairedGap(**about, error=fetched)
    found = {number: fetched[number] for number in range(gap.first, gap.last + 1) if number in fetched}
    try:
        for hole in gap.holes:
            own = (found[number] for number in range(hole.first, hole.last + 1) if number in found)
            check_times(gap.product, own, times[hole])
    except RxfeedError as error:
        return RepairedGap(**about, error=str(error))
    for hole, segment in zip(gap.holes, files, strict=True):
        assert segment is not None
        segment.add(_insertions(gap.product, hole, found))
        changed.add((hole.place.session, hole.place.number))
    return RepairedGap(**about, repaired=len(found), lost=gap.last - gap.first + 1 - len(found))


def _insertions(product: str, hole: Hole, found: dict[int, Trade]) -> list[Insertion]:
    made: list[Insertion] = []
    earliest = hole.after_ns
    for number in range(hole.first, hole.last + 1):
        trade = found.get(number)
        if trade is not None:
            earliest = max(earliest, min(ns_of(trade.time), hole.place.ns))
            made.append(inserted(trade, hole.place.line, earliest))
        elif made and not made[-1].frame and made[-1].last + 1 == number:
            made[-1] = msgspec.structs.replace(made[-1], last=number)
        else:
            made.append(Insertion(hole.place.line, product, number, number, earliest))
    return made


def _rest_url(parts: list[Part], venue: Venue) -> str:
    """The REST API of the feed that was recorded last."""
    for part in reversed(parts):
        header = part.found.header if isinstance(part.found, Recording) else None
        url = None if header is None else header.about.get("url")
        if isinstance(url, str) and url:
            return venue.rest_url_for(url)
    return venue.rest_url
