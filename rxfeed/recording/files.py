"""Which files a recording is made of, and in which order they are played."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from os import PathLike, fspath
from pathlib import Path
from typing import NamedTuple

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.recording.moments import ns_of
from rxfeed.recording.reading import Recording

_SUFFIXES = frozenset((".jsonl", ".ndjson", ".json", ".zst", ".gz"))
# A segment's name, for one whose header cannot be read: its time, session and number.
_NAME = re.compile(r"(\d{8}T\d{6}\.\d{6})Z-(\w+)-(\d+)\.")


class Part(NamedTuple):
    """A file in its place: *number* of *session*, which is its path where it is no segment; begun at *ns*."""

    path: str
    session: str
    number: int
    ns: int
    found: Recording | RecordingDamaged

    def opened(self) -> Recording:
        """Raises the `RecordingDamaged` that was found in its place."""
        if isinstance(self.found, RecordingDamaged):
            raise self.found
        return self.found


def find(paths: Iterable[str | PathLike[str]]) -> list[str]:
    """The files that *paths* name; of a folder, those in it that are called like recordings. `ConfigError` for none."""
    files: list[str] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ConfigError(f"source: {fspath(path)!r} does not exist")
        inside = [path] if not path.is_dir() else sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
        if not inside:
            raise ConfigError(f"source: the folder {fspath(path)!r} holds no *.jsonl, *.json, *.zst or *.gz")
        files += map(fspath, inside)
    return list(dict.fromkeys(files))


def ordered(files: Iterable[str]) -> list[Part]:
    """*files* in the order in which they were recorded: session after session, and by number within.

    Of a segment that is there twice, one is left out: the damaged one, if one is.
    """
    parts: dict[tuple[str, int], Part] = {}
    for part in map(_part, files):
        known = parts.get((part.session, part.number))
        if known is None or isinstance(known.found, RecordingDamaged):
            parts[part.session, part.number] = part
    begun: dict[str, int] = {}
    for part in parts.values():
        begun[part.session] = min(part.ns, begun.get(part.session, part.ns))
    return sorted(parts.values(), key=lambda part: (begun[part.session], part.session, part.number))


def _part(file: str) -> Part:
    try:
        recording = Recording(file)
    except RecordingDamaged as damage:
        name = _NAME.match(Path(file).name)
        if name is None:
            return Part(file, file, 1, 0, damage)
        begun = datetime.strptime(name[1], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
        return Part(file, name[2], int(name[3]), ns_of(begun), damage)
    header = recording.header
    if header is None:
        return Part(file, file, 1, recording.first_ns, recording)
    return Part(file, header.session, header.segment, header.ns, recording)


def within(parts: Sequence[Part], since: int, until: int, margin: int) -> list[Part]:
    """Those of *parts*, in order, that may hold something received in `[since, until)`, if clocks err by *margin*.

    A segment ends before the next one of its session begins; of the last one the end is not known.
    """
    ends = [
        following.ns if following is not None and following.session == part.session else until
        for part, following in zip(parts, [*parts[1:], None], strict=True)
    ]
    return [part for part, end in zip(parts, ends, strict=True) if end > since - margin and part.ns < until + margin]
