"""`rxfeed audit`: what a recording has, and what is missing."""

from __future__ import annotations

import argparse
import contextlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import msgspec

from rxfeed.audit import STATES, Audit, AuditRow, MissingNumbers, State, audit, draw
from rxfeed.cli.streams import OutputClosed, write_line
from rxfeed.cli.text import printable

_MOST = 8
"""Spans, and missing ranges, of a channel and product that are listed without --spans."""
_WIDTH = 80
_MINUTE = 60.0
_FEW = 3
"""So few spans show little of a recording, and a picture of them is a field or two."""
_SHORT: dict[State, str] = {"unverifiable": "no numbers", "not subscribed": "not subscr."}


def run(options: argparse.Namespace) -> int:
    """Print the certificate, and draw it; returns its exit status."""
    found = audit(
        options.path,
        every=options.every,
        products=options.products,
        since=options.since,
        until=options.until,
        venue=options.venue,
    )
    if options.png is not None:
        draw(found, options.png, dark=options.dark)
    most = None if options.spans else _MOST
    text = _json(found) if options.json else "\n".join(printable(line) for line in _lines(found, most))
    with contextlib.suppress(OutputClosed):
        write_line(text)
    return found.status


def _json(found: Audit) -> str:
    return json.dumps({**msgspec.to_builtins(found), "status": found.status}, indent=2)


def _lines(found: Audit, most: int | None) -> Iterator[str]:
    if not found.rows and not found.damaged:
        yield "no message was recorded in this time: nothing is proven"
        return
    sessions = _counted(found.sessions, "session")
    yield f"{_moment(found.since)} to {_moment(found.until)} UTC"
    yield f"{_counted(found.files, 'file')} of {sessions}, {found.read:,} read now"
    yield ""
    yield from _summary(found)
    for (product, channel), rows in _by_pair(found):
        if not any(row.state in ("missing", "repaired") for row in rows):
            continue
        spans = [(state, [*several]) for state, several in groupby(rows, attrgetter("state"))]
        yield ""
        yield f"{product or 'all products'}, {channel}"
        for state, several in spans[:most]:
            yield _span(state, several)
        yield from _more(len(spans), most, "span")
    yield from _offline(found)
    if found.missing:
        yield ""
        yield from _missing(found.missing, most)
    yield ""
    for damage in found.damaged:
        yield f"damaged: {damage.path}"
        yield f"  from line {damage.line:,} on: {damage.reason}"
    if found.open:
        yield f"{_counted(len(found.open), 'file')} being written: audited as far as it goes"
    yield _verdict(found)


def _summary(found: Audit) -> Iterator[str]:
    """For each channel and product, the spans in each state."""
    states: list[State] = [state for state in STATES if any(row.state == state for row in found.rows)]
    few: list[State] = [state for state in states if state not in _SHORT]
    for columns, messages in ((states, True), (states, False), (few, True), (few, False)):
        lines = _table(found, columns, messages=messages)
        if max(map(len, lines)) <= _WIDTH:
            break
    yield from lines
    finer = found.every > _MINUTE and (found.until - found.since).total_seconds() < _FEW * found.every
    hint = "; --every 1m shows minutes" if finer else ""
    yield f"(spans of {_duration(found.every)} in each state{hint})"


def _table(found: Audit, states: Sequence[State], *, messages: bool) -> list[str]:
    rows = [("product", "channel", *["messages"] * messages, *(_SHORT.get(state, state) for state in states))]
    for (product, channel), several in _by_pair(found):
        counted = Counter(row.state for row in several)
        total = [f"{sum(row.messages for row in several):,}"] * messages
        rows.append(
            (product or "-", channel, *total, *(f"{counted[state]:,}" if counted[state] else "-" for state in states))
        )
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{product:<{wide[0]}}  {channel:<{wide[1]}}  "
        + "  ".join(f"{cell:>{width}}" for cell, width in zip(cells, wide[2:], strict=True))
        for product, channel, *cells in rows
    ]


def _offline(found: Audit) -> Iterator[str]:
    """The spans in which no channel had a connection."""
    offline = sorted({(row.start, row.end) for row in found.rows if row.state == "offline"})
    joined: list[tuple[datetime, datetime]] = []
    for start, end in offline:
        if joined and joined[-1][1] == start:
            joined[-1] = joined[-1][0], end
        else:
            joined.append((start, end))
    if joined:
        yield ""
        yield "no connection"
    yield from (f"  {_from_to(start, end)}" for start, end in joined[:_MOST])
    yield from _more(len(joined), _MOST, "span")


def _by_pair(found: Audit) -> list[tuple[tuple[str | None, str], list[AuditRow]]]:
    key = attrgetter("product", "channel")
    return [(pair, [*rows]) for pair, rows in groupby(found.rows, key)]


def _span(state: State, rows: Sequence[AuditRow]) -> str:
    notes = [f"{sum(row.messages for row in rows):,} messages"]
    repaired, missing, lost = (sum(getattr(row, name) for row in rows) for name in ("repaired", "missing", "lost"))
    notes += [f"{repaired:,} repaired"] * bool(repaired) + [f"{missing:,} missing"] * bool(missing)
    notes += [f"{lost:,} lost"] * bool(lost)
    if state == "offline":
        notes = []
    return f"  {_from_to(rows[0].start, rows[-1].end)}  {state:<14}  {', '.join(notes)}".rstrip()


def _missing(missing: Sequence[MissingNumbers], most: int | None) -> Iterator[str]:
    yield "missing numbers"
    for (product, channel), several in groupby(missing, attrgetter("product", "channel")):
        ranges = [*several]
        total = sum(each.count for each in ranges)
        yield f"  {product or 'all products'}, {channel}: {total:,}"
        for each in ranges[:most]:
            numbers = f"{each.first}" if each.count == 1 else f"{each.first} to {each.last} ({each.count:,})"
            lost = ", lost at the exchange" if each.lost else ""
            yield f"    {_moment(each.after)}  {numbers}{lost}"
        yield from _more(len(ranges), most, "range", "    ")


def _more(count: int, most: int | None, what: str, indent: str = "  ") -> Iterator[str]:
    if most is not None and count > most:
        yield f"{indent}and {_counted(count - most, f'more {what}')}: --spans lists all"


def _verdict(found: Audit) -> str:
    total = sum(each.count for each in found.missing)
    if found.status == 0:
        return "nothing is known to be missing"
    if total:
        return f"{_counted(total, 'number')} missing"
    return "messages may be missing" if found.status == 3 else "a file is damaged: messages may be missing"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _from_to(start: datetime, end: datetime) -> str:
    last = _minute(end)
    return f"{_minute(start)} to {last[11:] if start.date() == end.date() else last}"


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" + (f":{moment:%S}" if moment.second or moment.microsecond else "")


def _duration(seconds: float) -> str:
    for size, name in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return f"{seconds / size:g} {name}s" if seconds != size else f"1 {name}"
    return f"{seconds:g} s"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
