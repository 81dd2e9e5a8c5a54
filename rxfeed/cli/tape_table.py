"""`rxfeed tape`: shows the state of a tape."""

from __future__ import annotations

import argparse
from collections import Counter

import msgspec

from rxfeed.cli.streams import write_line
from rxfeed.cli.tape_server import address_of
from rxfeed.cli.text import printable
from rxfeed.tape import TapeState, tape_state

_SILENT = 5.0  # seconds without a sign of life, of which there is one each second


def run(options: argparse.Namespace) -> int:
    state = tape_state(address_of(options), options.stream)
    if options.json:
        write_line(msgspec.json.encode(state).decode())
    else:
        write_line("\n".join(map(printable, table(state))))
    return 0


def table(state: TapeState) -> list[str]:
    """The lines of the table."""
    limits = [f"{state.max_age / 86_400:g} days"] if state.max_age else []
    limits += [f"{state.max_bytes / 1e9:g} GB"] if state.max_bytes > 0 else []
    size = f"{state.messages:,} messages, {state.bytes / 1e6:,.1f} MB, {state.subjects} subjects"
    copies = f"{state.replicas} {'copy' if state.replicas == 1 else 'copies'}"
    refused = f"duplicates refused within {state.duplicate_window:g} s"
    lines = [
        f"stream      {state.stream}: {size}",
        f"retention   {' or '.join(limits) or 'none'}, {copies}, {refused}",
    ]
    for each in state.publishers:
        alive = f"{each.silent:.1f} s ago" + ("" if each.silent < _SILENT else ": it does not run")
        shared = ", shared" if each.shared else ""
        lines.append(
            f"publisher   {each.publisher} ({each.venue}{shared}): session {each.session}, {each.products} products, "
            f"last sign of life {alive}"
        )
    lines += [f"consumer    {each.name}: {each.lag:,} messages behind" for each in state.consumers]
    held = Counter((name.partition(".")[0], member) for name, member in state.leases.items())
    lines += [f"leases      {group}: {count} of {member}" for (group, member), count in sorted(held.items())]
    if state.results:
        lines.append(f"results     {state.results:,}")
    return lines
