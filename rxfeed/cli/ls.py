"""`rxfeed ls`: the content of recordings."""

from __future__ import annotations

import argparse
import contextlib
import json
import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from rxfeed.cli.progress import size
from rxfeed.cli.streams import OutputClosed, write_line
from rxfeed.cli.text import printable
from rxfeed.recording import Catalogue, RecordedSession, RecordingSummary, Span, catalogue

_WIDTH = 100
_LABEL = 12


def run(options: argparse.Namespace) -> int:
    """Print the content of the recordings; returns 1 if a file is damaged."""
    found = catalogue(options.path)
    # ASCII, so that it is JSON in every encoding. A file's name may hold bytes that are no text, which msgspec refuses.
    text = json.dumps(msgspec.to_builtins(found), indent=2) if options.json else _table_of(found)
    with contextlib.suppress(OutputClosed):  # a reader that has seen enough (`| head`) changes nothing of the result
        write_line(text)
    return 1 if found.total.damaged else 0


def _table_of(found: Catalogue) -> str:
    return "\n".join(printable(line) for line in _lines(found))


def _lines(found: Catalogue) -> Iterator[str]:
    for session in found.sessions:
        yield f"session {session.session}"
        yield from _about(session)
        yield from _summary(session)
        yield ""
    total, many = found.total, len(found.sessions)
    if many > 1:
        yield f"total of {many} sessions"
        yield from _summary(total)
        yield ""
        never = sum(1 for session in found.sessions if session.attempts and not session.connections)
        if never:
            yield f"{never} of {many} sessions never connected"
            yield ""
        if found.overlapping:
            yield "Sessions overlap: Replay(..., merge=True) plays them as one."
            yield ""
    if total.open:
        yield f"{_counted(len(total.open), 'file')} open: being written"
        yield from (f"  {path}" for path in total.open)
    if total.damaged:
        yield f"damaged in {len({damage.path for damage in total.damaged})} of {total.files} files"
        for damage in total.damaged:
            yield f"  {damage.path}"
            yield f"    from line {damage.line:,} (byte {damage.offset:,}, unpacked) on: {damage.reason}"
    else:
        yield f"{_counted(total.files, 'file')}, nothing damaged"


def _about(session: RecordedSession) -> Iterator[str]:
    if "url" in session.about:
        yield _row("from", str(session.about["url"]))


def _summary(summary: RecordingSummary) -> Iterator[str]:
    yield _row("files", f"{summary.files:,}   {size(summary.size)}, unpacked {size(summary.unpacked)}")
    yield _row("received", "nothing" if summary.span is None else _span(summary.span))
    yield _row("channels", ", ".join(summary.channels) or "not told")
    missed = f" ({_counted(summary.gapped, 'number')} missed)" if summary.gaps else ""
    yield _row("gaps", f"{summary.gaps:,}{missed}")
    yield _row("offline", _offline(summary))
    if summary.by_connection:
        frames = ", ".join(f"{number}: {count:,}" for number, count in summary.by_connection.items())
        first, *rest = textwrap.wrap(frames, _WIDTH - _LABEL - 2)
        yield _row("connections", first)
        yield from (_row("", line) for line in rest)
    if summary.malformed:
        yield _row("malformed", f"{summary.malformed:,}")
    yield from _types(summary)
    if summary.products:
        yield ""
        yield from _products(summary)


def _types(summary: RecordingSummary) -> Iterator[str]:
    counted = ", ".join(f"{kind}\xa0{count:,}" for kind, count in summary.by_type.items())
    told = f"{summary.messages:,}" + (f": {counted}" if counted else "")
    first, *rest = textwrap.wrap(told, _WIDTH - _LABEL - 2, break_on_hyphens=False)
    yield _row("messages", first.replace("\xa0", " "))
    for line in rest:
        yield _row("", line.replace("\xa0", " "))


def _products(summary: RecordingSummary) -> Iterator[str]:
    rows = [("product", "messages", "first (UTC)", "last (UTC)")]
    rows += [
        (product, f"{each.messages:,}", _moment(each.span.first), _moment(each.span.last))
        for product, each in summary.products.items()
    ]
    yield from _table(rows)


def _table(rows: Sequence[tuple[str, str, str, str]]) -> Iterator[str]:
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for product, messages, first, last in rows:
        yield f"  {product:<{wide[0]}}  {messages:>{wide[1]}}  {first:<{wide[2]}}  {last}"


def _offline(summary: RecordingSummary) -> str:
    if not summary.offline:
        if summary.connections or summary.span is not None:
            return "never"
        return f"always: {_counted(summary.attempts, 'attempt')} and no connection" if summary.attempts else "not known"
    longest = max(span.seconds for span in summary.offline)
    often = _counted(len(summary.offline), "time")
    return f"{_seconds(summary.offline_seconds)} in all, {often}, {_seconds(longest)} at most"


def _row(label: str, told: str) -> str:
    return f"  {label:<{_LABEL}}{told}"


def _span(span: Span) -> str:
    return f"{_moment(span.first)} to {_moment(span.last)} UTC ({_seconds(span.seconds)})"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03}"


def _seconds(seconds: float) -> str:
    """*seconds* as a readable text.

    >>> from rxfeed.cli.ls import _seconds
    >>> _seconds(0.25), _seconds(59.94), _seconds(3661), _seconds(90_061)
    ('0.2 s', '59.9 s', '1:01:01', '1 day, 1:01:01')
    """
    return f"{seconds:.1f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
