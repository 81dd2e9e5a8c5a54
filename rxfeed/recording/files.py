"""Finds the files of recordings, and their order."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.recording.bounds import bounds_of
from rxfeed.recording.opening import HAS_LOCKS
from rxfeed.recording.reading import Recording, SegmentOpen
from rxfeed.recording.timestamps import ns_of
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.recording")

_LONGEST_PAUSE = 3600.0
_SUFFIXES = frozenset((".jsonl", ".ndjson", ".json", ".zst", ".gz"))
# A segment's name has its time, session and number, also if its header cannot be read.
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-(\w+)-(\d{1,18})\.", re.ASCII)


class Part(NamedTuple):
    """A file and its place: *number* in *session*, which is the path of a file that is no segment.

    *ns*: when it was begun; 0 if not known. *missing*: the numbers of the missing segments of its session between the
    part before it and this one; empty if none is missing.
    """

    path: str
    session: str
    number: int
    ns: int
    found: Recording | RecordingDamaged
    missing: range = range(0)

    def opened(self) -> Recording:
        """The recording; raises the `RecordingDamaged` that was found instead."""
        if isinstance(self.found, RecordingDamaged):
            raise self.found
        return self.found

    @property
    def is_finished(self) -> bool:
        """True if nothing will be added to the file.

        Where the system has no locks, a segment without an end line is not finished until an hour after its last
        change.
        """
        if isinstance(self.found, RecordingDamaged) or self.found.header is None or HAS_LOCKS:
            return not (isinstance(self.found, SegmentOpen) or getattr(self.found, "being_written", False))
        return bounds_of(self.path) is not None or time.time() - Path(self.path).stat().st_mtime > _LONGEST_PAUSE

    @property
    def completed(self) -> tuple[str, int] | None:
        """The session and number of the segment that this one completes; `None` for one of received messages."""
        header = self.found.header if isinstance(self.found, Recording) else None
        return None if header is None else header.completed

    @property
    def gap(self) -> RecordingDamaged | None:
        """The missing segments as an error; `None` if none is missing."""
        if not self.missing:
            return None
        reason = f"segments {self.missing[0]} to {self.missing[-1]} of session {self.session} are missing"
        return RecordingDamaged(self.path, 1, 0, reason)


def find(paths: Iterable[str | PathLike[str]]) -> list[str]:
    """The files at *paths*; of a folder, all in it with the name of a recording, also FIFOs and the like.

    Raises `ConfigError` for a path that does not exist, and for a folder that cannot be read or has no recording.
    """
    files: list[str] = []
    for path in map(Path, paths):
        if not os.path.lexists(path):
            raise ConfigError(f"source: {fspath(path)!r} does not exist")
        files += map(fspath, _inside(path))
    return list(dict.fromkeys(files))


def _inside(path: Path) -> list[Path]:
    try:
        if not path.is_dir():
            return [path]
        inside = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    except OSError as error:
        raise ConfigError(f"source: {fspath(path)!r} cannot be read: {error.strerror or error}") from error
    if not inside:
        raise ConfigError(f"source: the folder {fspath(path)!r} has no *.jsonl, *.json, *.zst or *.gz")
    return inside


def ordered(files: Iterable[str]) -> list[Part]:
    """*files* in the order of their recording: by session, and by number within a session.

    If a segment is there twice, one of them is left out, if possible one that is damaged or has no end.
    """
    parts: dict[tuple[str, int], Part] = {}
    for part in map(_part, files):
        known = parts.get((part.session, part.number))
        parts[part.session, part.number] = part if known is None else _better(known, part)
    begun: dict[str, int] = {}
    for part in parts.values():
        if part.ns:
            begun[part.session] = min(part.ns, begun.get(part.session, part.ns))
    order = sorted(parts.values(), key=lambda part: (begun.get(part.session, 0), part.session, part.number))
    return [
        part._replace(missing=range(before.number + 1, part.number))
        if before is not None and before.session == part.session
        else part
        for before, part in zip([None, *order], order, strict=False)
    ]


def _better(one: Part, other: Part) -> Part:
    """That of two files of the same segment which is read."""
    if isinstance(one.found, RecordingDamaged):
        return other
    if isinstance(other.found, RecordingDamaged):
        return one
    ends = bounds_of(one.path), bounds_of(other.path)
    if ends[0] is None and ends[1] is not None:
        one, other = other, one
    if Path(one.path).stat().st_size != Path(other.path).stat().st_size:
        log.warning(
            "segment %d of session %s is there twice, with different contents: %s is read, and %s is not",
            *(one.number, one.session, one.path, other.path),
        )
    return one


def _part(file: str) -> Part:
    try:
        recording = Recording(file)
    except RecordingDamaged as damage:
        name = _NAME.match(Path(file).name)
        if name is None:
            return Part(file, file, 1, 0, damage)
        return Part(file, name[2], int(name[3]), _begun(name[1]), damage)
    header = recording.header
    if header is None:
        return Part(file, file, 1, recording.first_ns, recording)
    return Part(file, header.session, header.segment, header.ns, recording)


def _begun(time: str) -> int:
    """When a segment was begun, by its name; 0 if the name has no valid time."""
    try:
        return ns_of(datetime.strptime(time, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC))
    except ValueError:
        return 0


def within(parts: Sequence[Part], since: int, until: int) -> list[Part]:
    """The *parts*, in order, that may contain items received in `[since, until)`.

    A closed segment is selected by the times in its end line. The times of any other file are not known before it is
    read.
    """
    chosen: list[Part] = []
    missing = range(0)
    for part in parts:
        following = bool(chosen) and chosen[-1].session == part.session
        missing = (missing or part.missing) if following else range(0)
        if _may_hold(part, since, until):
            chosen.append(part._replace(missing=missing))
            missing = range(0)
    return chosen


Repairs = Mapping[tuple[str, int], Part]
"""The files with the repaired trades of segments, by session and number."""


def without_repairs(parts: Sequence[Part]) -> tuple[list[Part], Repairs]:
    """The *parts* that were received, and those with trades that were missed and requested later."""
    received: list[Part] = []
    repairs: dict[tuple[str, int], Part] = {}
    for part in parts:
        if part.completed is None:
            received.append(part)
        else:
            repairs[part.completed] = part
    return received, repairs


def unused_repairs(parts: Sequence[Part]) -> list[tuple[Part, str]]:
    """The repairs of which the trades are not used, each with the reason."""
    received, repairs = without_repairs(parts)
    segments = {(part.session, part.number) for part in received}
    used = {part.path for part in received}
    found = [(part, _ORPHAN) for place, part in repairs.items() if place not in segments]
    used |= {part.path for part in repairs.values()}
    return found + [(part, _REPLACED) for part in parts if part.path not in used]


_ORPHAN = "the segment that they complete is not there"
_REPLACED = "another file completes the same segment"


def _may_hold(part: Part, since: int, until: int) -> bool:
    if not isinstance(part.found, Recording) or part.found.header is None:
        return True
    bounds = bounds_of(part.path)
    return bounds is None or (bounds[1] >= since and bounds[0] < until)


def named_venue(parts: Sequence[Part], given: str | Venue | None = None) -> Venue:
    """The *given* venue, or the one that the headers of *parts* name.

    Raises `ConfigError` for one that is not known, or for several.
    """
    if given is not None:
        return venue_of(given)
    headers = [part.found.header for part in parts if isinstance(part.found, Recording)]
    names = {header.venue or DEFAULT_VENUE for header in headers if header is not None} or {DEFAULT_VENUE}
    if len(names) > 1:
        raise ConfigError(f"source: recordings of several venues, {', '.join(sorted(names))}: read each by itself")
    try:
        return venue_of(names.pop())
    except ConfigError as error:
        raise ConfigError(f"source: {error}, as Replay(..., venue=...)") from None
