"""When there was a connection, and a subscription to a channel and product, over all sessions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter

from rxfeed.audit.records import FileRecord, Pair

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
    """The connections and subscriptions of *files*, in their order. A file without events is one connection."""

    def __init__(self, files: Iterable[FileRecord]) -> None:
        online: list[Span] = []
        subscribed: dict[Pair, list[Span]] = defaultdict(list)
        for _, session in groupby(files, attrgetter("session")):
            _session([file for file in session if file.of is None and file.last_ns], online, subscribed)
        self.online = Spans(online)
        self.subscribed = {pair: Spans(spans) for pair, spans in subscribed.items()}


def _session(files: list[FileRecord], online: list[Span], subscribed: dict[Pair, list[Span]]) -> None:
    if not files:
        return
    since: int | None = files[0].first_ns
    watched: dict[Pair, int] = {}
    events: list[tuple[int, bool | list[Pair]]] = []
    known: list[Pair] = []
    for file, following in zip(files, [*files[1:], None], strict=True):
        events += [*file.links, *file.subscriptions]
        known = file.subscriptions[-1][1] if file.subscriptions else known
        if following is not None and (file.damage is not None or following.number != file.number + 1):
            events += [(file.last_ns, False), (following.first_ns, True), (following.first_ns, known)]
    first_link = next((up for file in files for _, up in file.links), None)
    if first_link:  # it begins before the first connection
        since = None
    events.sort(key=lambda event: event[0])
    for ns, event in events:
        if isinstance(event, list):
            for pair in [*watched]:
                if pair not in event:
                    subscribed[pair].append((watched.pop(pair), ns))
            for pair in event:
                watched.setdefault(pair, ns if since is None else max(since, files[0].first_ns))
        elif event:
            since = ns
        else:
            if since is not None:
                online.append((since, ns))
            for pair, begun in watched.items():
                subscribed[pair].append((begun, ns))
            since, watched = None, {}
    end = max(file.last_ns for file in files) + 1
    if since is not None:
        online.append((since, end))
    for pair, begun in watched.items():
        subscribed[pair].append((begun, end))
