"""`rxfeed repair`: missing trades of a recording are requested and written beside it."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Iterator

import msgspec

from rxfeed.audit import RepairedGap, RepairSummary, repair
from rxfeed.cli.streams import OutputClosed, write_error, write_line
from rxfeed.cli.text import printable

_MOST = 20


def run(options: argparse.Namespace) -> int:
    """Repair, and print what was done; returns the exit status."""
    done = repair(
        options.path,
        products=options.products,
        since=options.since,
        until=options.until,
        rest_url=options.rest_url,
        dry_run=bool(options.dry_run),
        venue=options.venue,
        progress=_show if sys.stderr.isatty() else None,
    )
    text = _json(done) if options.json else "\n".join(printable(line) for line in _lines(done))
    with contextlib.suppress(OutputClosed):
        write_line(text)
    return done.status


def _show(gap: RepairedGap) -> None:
    write_error(printable(f"  {_described(gap)}"))


def _json(done: RepairSummary) -> str:
    return json.dumps({**msgspec.to_builtins(done), "status": done.status}, indent=2)


def _lines(done: RepairSummary) -> Iterator[str]:
    if not done.gaps:
        yield "no trade is missing that the exchange may have"
        return
    shown = done.gaps if done.dry_run else [gap for gap in done.gaps if gap.error or gap.lost]
    yield from (f"  {_described(gap)}" for gap in shown[:_MOST])
    if len(shown) > _MOST:
        yield f"  and {len(shown) - _MOST:,} more gaps: --json lists all"
    for product, count in sorted(Counter({gap.product: 0 for gap in done.gaps}).items()):
        count = sum(gap.count for gap in done.gaps if gap.product == product)
        yield f"{product}: {count:,} missing in {_counted(sum(gap.product == product for gap in done.gaps), 'gap')}"
    if done.dry_run:
        yield f"{_counted(done.missing, 'trade')} to request; nothing was changed"
        return
    failed = sum(gap.count for gap in done.gaps if gap.error)
    yield f"{_counted(done.repaired, 'trade')} repaired, with {_counted(done.requests, 'request')}"
    if done.lost:
        yield f"{_counted(done.lost, 'trade')} lost: the exchange no longer has them"
    if failed:
        yield f"{_counted(failed, 'trade')} could not be requested: run rxfeed repair again later"


def _described(gap: RepairedGap) -> str:
    ids = f"{gap.first}" if gap.count == 1 else f"{gap.first} to {gap.last} ({gap.count:,})"
    results = [f"{gap.repaired:,} repaired"] * bool(gap.repaired) + [f"{gap.lost:,} lost"] * bool(gap.lost)
    what = gap.error or ", ".join(results)
    return f"{gap.product} {ids}{': ' if what else ''}{what}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
