"""When there was a connection, and a subscription to a channel and product, over all sessions.

Rules:
- A pair of channel and product is subscribed to from the begin of the connection on which it was acknowledged; if that
  had an acknowledgement without it before, from the new one on. It is until the connection is lost or removed, or an
  acknowledgement does not list it.
- A pair is missing after it was lost with a connection, while no other connection has it, until one has it again. That
  another connection is lost does not concern it.
- The first acknowledgement of a connection also stands for the attempts and times before it in the recording.
- A connection without an event is one of the session, if frames at the begin of a file are from it.
- Where a part of a session is missing, its connections count as lost. At the end of a session nothing is lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter

from rxfeed.audit.records import ConnectionEvent, FileRecord, Pair
from rxfeed.core import renumber

Span = tuple[int, int]


class Spans:
    """Joined spans of time, in nanoseconds, in order."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.all: list[Span] = []
        for begin, end in sorted(spans):
            if self.all and begin <= self.all[-1][1]:
                self.all[-1] = self.all[-1][0], max(self.all[-1][1], end)
            else:
                self.all.append((begin, end))

    def minus(self, others: Spans) -> Spans:
        """What of these spans is in none of *others*."""
        found: list[Span] = []
        at = 0
        for begin, end in self.all:
            while at < len(others.all) and others.all[at][1] <= begin:
                at += 1
            place = at
            while place < len(others.all) and others.all[place][0] < end:
                if others.all[place][0] > begin:
                    found.append((begin, others.all[place][0]))
                begin = others.all[place][1]
                place += 1
            if begin < end:
                found.append((begin, end))
        return Spans(found)

    def within(self, begin: int, end: int) -> int:
        """The nanoseconds of `[begin, end)` that are in a span."""
        return sum(max(0, min(end, last) - max(begin, first)) for first, last in self.all)

    def by_grid(self, starts: Iterable[int], every: int) -> dict[int, int]:
        """By each of *starts*, which are in order: `within` of the *every* nanoseconds from it on."""
        found: dict[int, int] = {}
        at = 0
        for start in starts:
            while at < len(self.all) and self.all[at][1] <= start:
                at += 1
            total, place = 0, at
            while place < len(self.all) and self.all[place][0] < start + every:
                total += min(start + every, self.all[place][1]) - max(start, self.all[place][0])
                place += 1
            found[start] = total
        return found


class CoveredTimes:
    """The connections and subscriptions of *files*, in their order. A file without events is one connection.

    *online*: when there was a connection. By pair, *subscribed*: when it was received, and *missed*: when it was not,
    since its connection was lost.
    """

    def __init__(self, files: Iterable[FileRecord]) -> None:
        online: list[Span] = []
        covered: dict[Pair, list[_CoveredSpan]] = defaultdict(list)
        for _, session in groupby(files, attrgetter("session")):
            found = SessionCoverage([file for file in session if file.of is None and file.last_ns])
            online += found.online
            for pair, spans in found.covered.items():
                covered[pair] += spans
        self.online = Spans(online)
        self.subscribed = {pair: Spans(span[:2] for span in spans) for pair, spans in covered.items()}
        self.missed = {pair: Spans(_missed(spans)) for pair, spans in covered.items()}


_CoveredSpan = tuple[int, int, bool]
"""The begin and the end of a time, and whether the connection was lost at the end."""


def _missed(spans: list[_CoveredSpan]) -> Iterable[Span]:
    """The times after the loss of a connection, until the next of *spans*."""
    last: _CoveredSpan | None = None
    for begin, end, lost in sorted(spans):
        if last is not None and begin > last[1] and last[2]:
            yield last[1], begin
        if last is None or (end, lost) > last[1:]:
            last = begin, end, lost


class _Connection:
    """One of a session: *since*: the begin of the present one; `None`: it is not open."""

    def __init__(self, since: int | None) -> None:
        self.since = since
        self.pairs: list[Pair] | None = None
        """The last ones that were acknowledged; `None`: it is not known."""
        self.begun: dict[Pair, int] = {}
        """The present ones, and since when each is received."""
        self.earlier: list[Span] = []
        """The times before its first acknowledgement."""


class SessionCoverage:
    """The connections of one session with these *files*, in order: when each was open, and what it received."""

    def __init__(self, files: Sequence[FileRecord]) -> None:
        self.online: list[Span] = []
        self.covered: dict[Pair, list[_CoveredSpan]] = defaultdict(list)
        self._connections: dict[int, _Connection] = {}
        if not files:
            return
        self._begin(files[0], files)
        for file, following in zip(files, [*files[1:], None], strict=True):
            for event in file.events:
                self._event(event)
            if following is not None and (file.damage is not None or following.number != file.number + 1):
                self._cut(file.last_ns, following)
        self.last = self._last(files[-1].last_ns)
        end = max(file.last_ns for file in files) + 1
        for each in self._connections.values():
            self._close(each, end, lost=False)
            self._leave(each.pairs or (), end)

    def _begin(self, first: FileRecord, files: Sequence[FileRecord]) -> None:
        """The recording may begin during connections, of which the first event shows that they were open."""
        kinds: dict[int, str] = {}
        for event in (event for file in files for event in file.events):
            kinds.setdefault(event.connection, event.kind)
        seen = {each: "" for each in first.first_frames if each not in kinds}
        known = kinds | seen or {0: ""}
        for number, kind in known.items():
            if kind not in ("attempt", "open"):
                self._connections[number] = _Connection(first.first_ns)
        if 0 in known:
            for number in sorted(known):
                renumber(self._connections, number)

    def _event(self, event: ConnectionEvent) -> None:
        renumber(self._connections, event.connection)
        each = self._connections.setdefault(event.connection, _Connection(None))
        match event.kind:
            case "open":
                each.since = event.ns if each.since is None else each.since
            case "subscribed":
                self._subscribed(each, event)
            case "lost":
                if each.since is None and each.pairs is None:
                    each.earlier.append((event.ns, event.ns))
                self._close(each, event.ns, lost=True)
            case "removed":
                self._close(each, event.ns, lost=False)
                self._leave(each.pairs or (), event.ns)
                each.pairs = None
            case "attempt":
                pass

    def _subscribed(self, each: _Connection, event: ConnectionEvent) -> None:
        if each.since is None:  # it was acknowledged before the loss
            return
        begin = event.ns if each.begun else each.since
        for pair in [pair for pair in each.begun if pair not in event.pairs]:
            self.covered[pair].append((each.begun.pop(pair), event.ns, False))
        self._leave([pair for pair in each.pairs or () if pair not in event.pairs], event.ns)
        for pair in event.pairs:
            self.covered[pair] += [(*span, True) for span in each.earlier]
            each.begun.setdefault(pair, begin)
        each.earlier.clear()
        each.pairs = event.pairs

    def _close(self, each: _Connection, ns: int, *, lost: bool) -> None:
        if each.since is None:
            return
        self.online.append((each.since, ns))
        if each.pairs is None:
            each.earlier.append((each.since, ns))
        for pair, begun in each.begun.items():
            self.covered[pair].append((begun, ns, lost))
        each.since = None
        each.begun.clear()

    def _leave(self, pairs: Iterable[Pair], ns: int) -> None:
        """Nothing of *pairs* is missed from *ns* on."""
        for pair in pairs:
            self.covered[pair].append((ns, ns, False))

    def _cut(self, ns: int, following: FileRecord) -> None:
        """The recording has a hole from *ns* to *following*."""
        events = {event.connection for event in following.events}
        reopened = [each for each in self._connections.values() if each.since is not None]
        reopened += [
            each
            for number, each in self._connections.items()
            if number in following.first_frames and number not in events and each.since is None
        ]
        for each in reopened:
            self._close(each, ns, lost=True)
            each.since = following.first_ns
            each.begun = dict.fromkeys(each.pairs or (), following.first_ns)

    def _last(self, ns: int) -> list[ConnectionEvent]:
        """Events from which the present state follows."""
        found: list[ConnectionEvent] = []
        for number, each in self._connections.items():
            found.append(ConnectionEvent(ns, number, "open"))
            if each.pairs is not None:
                found.append(ConnectionEvent(ns, number, "subscribed", each.pairs))
            if each.since is None:
                found.append(ConnectionEvent(ns, number, "lost" if each.pairs is not None else "removed"))
        return found
