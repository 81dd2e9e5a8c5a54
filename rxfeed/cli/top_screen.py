"""Draws `rxfeed top` with rich."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.text import Text

from rxfeed.cli.display import new_table
from rxfeed.cli.progress import size
from rxfeed.cli.text import printable
from rxfeed.cli.top_state import COLUMNS, Controls, ProductRow, StageRow, TopReading, VenueRow

_WIDE = 100  # columns of a terminal from which on more is shown
_COLOURS = {"subscribed": "green", "connected": "yellow", "waiting": "bold red", "ended": "red"}


def picture(reading: TopReading, controls: Controls, head: str, note: str, width: int, height: int) -> RenderableType:
    """The screen: connections, products, queues and sinks, and the keys in the last line."""
    several = len({row.venue for row in reading.products}) > 1 or width >= _WIDE
    tail: list[RenderableType] = [_stage(stage, width) for stage in reading.stages[: max(3, height // 6)]]
    if controls.pipelines:
        lines = reading.pipelines or ["no counts of pipelines: Feed(..., count_items=True) has them"]
        tail.extend(Text(printable(line), no_wrap=True, overflow="ellipsis") for line in lines[: height // 3])
    if note:
        tail.append(Text(printable(note), "yellow", no_wrap=True, overflow="ellipsis"))
    top: list[RenderableType] = [_head(head)]
    top.extend(_venue(row, width) for row in reading.venues)
    rows = controls.chosen(reading.products)
    room = max(1, height - len(top) - len(tail) - 3)  # the header of the table, a line for the rest, the keys
    table = _table(rows[:room], controls, several=several)
    rest = len(rows) - room
    more = f"{rest} more" if rest > 0 else ("" if rows else "no product" + (" matches" if controls.filter else " yet"))
    return Group(*top, table, Text(more, "dim"), *tail, _keys(controls))


def plain(reading: TopReading, controls: Controls, head: str, width: int) -> RenderableType:
    """All of it once, for an output that is no terminal."""
    return picture(reading, controls, head, "", width, len(reading.products) + 20)


def _head(text: str) -> Text:
    return Text.assemble(("rxfeed top", "bold"), "   ", printable(text), no_wrap=True, overflow="ellipsis")


def _venue(row: VenueRow, width: int) -> Text:
    parts = [f"{row.rate:,.0f} msg/s", f"{size(row.bytes_rate)}/s", f"gaps {row.gaps:,}"]
    parts.append(f"reconnects {row.reconnects:,}")
    if row.backlog >= 0.1:
        parts.append(f"backlog {row.backlog:.1f} s")
    alarming = {part for part, is_so in zip(parts[2:], (row.gaps, row.reconnects, True), strict=False) if is_so}
    if width >= _WIDE:
        parts += [f"malformed {row.malformed:,}", f"duplicates {row.duplicates:,}"]
        parts.append(f"delivery p99 {_lag(row.delivery_p99)}")
    while len(parts) > 2 and len(f"{row.venue} {row.state}") + sum(len(part) + 2 for part in parts) > width:
        # A number that is cut would be another number. What is alarming stays.
        parts.remove(next((part for part in reversed(parts) if part not in alarming), parts[-1]))
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{row.venue} ").append(row.state, _COLOURS.get(row.state, "yellow"))
    for part in parts:
        line.append("  ").append(part, "bold red" if part in alarming else "")
    return line


def _table(rows: list[ProductRow], controls: Controls, *, several: bool) -> RenderableType:
    names = ["product", *(["venue"] if several else []), "rate", "price", "spread", "p50", "p99", "gaps", "book"]
    mark = "-" if controls.reverse else "+"
    titles = [f"{name}{mark}" if name == COLUMNS[controls.sorted_by] else name for name in names]
    widths = {"product": 13, "venue": 18, "rate": 9, "price": 13, "spread": 9, "p50": 8, "p99": 8, "gaps": 6, "book": 6}
    table = new_table(
        *(
            f"{title}{'<' if name in ('product', 'venue') else '>'}{widths[name]}"
            for name, title in zip(names, titles, strict=True)
        )
    )
    for row in rows:
        cells = [Text(printable(row.product))]
        if several:
            cells.append(Text(row.venue, "dim"))
        cells.extend(
            (
                Text(f"{row.rate:,.1f}/s"),
                Text("-" if row.price is None else _number(row.price)),
                Text("-" if row.spread is None else _number(row.spread), "" if (row.spread or 0) >= 0 else "bold red"),
                Text(_lag(row.p50)),
                Text(_lag(row.p99), "bold red" if (row.p99 or 0) > 5 else ""),
                Text(f"{row.gaps:,}", "bold red" if row.gaps else ""),
                _BOOKS[row.ready].copy(),
            )
        )
        table.add_row(*cells)
    return table


_BOOKS = {True: Text("ready", "green"), False: Text("wait", "bold red"), None: Text("-")}


def _stage(row: StageRow, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{printable(row.name):<10}")
    full = row.size and row.waiting / row.size > 0.5
    line.append(f" queue {row.waiting:,}/{row.size:,}", "bold red" if full else "")
    if row.dropped:
        line.append(f"  dropped {row.dropped:,}", "bold red")
    return line.append(f"  {row.text}")


def _keys(controls: Controls) -> Text:
    if controls.editing:
        return Text(f"filter: {controls.filter}_   enter accepts, escape clears", "reverse", no_wrap=True)
    filtered = f" ({controls.filter})" if controls.filter else ""
    order = COLUMNS[controls.sorted_by]
    return Text(f"q quit   s sort ({order})   r reverse   / filter{filtered}   p pipelines", "reverse", no_wrap=True)


def _lag(seconds: float | None) -> str:
    """*seconds* as a short text.

    >>> from rxfeed.cli.top_screen import _lag
    >>> _lag(None), _lag(0.00123), _lag(0.25), _lag(12.0)
    ('-', '1.2 ms', '250 ms', '12.0 s')
    """
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.1f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def _number(value: float) -> str:
    """*value* with the digits that a price has.

    >>> from rxfeed.cli.top_screen import _number
    >>> _number(59984.58), _number(0.00001234), _number(0.01), _number(-2.0)
    ('59,984.58', '0.00001234', '0.01', '-2.00')
    """
    if value == 0 or abs(value) >= 1:
        return f"{value:,.2f}"
    shown = f"{value:.8f}".rstrip("0")
    return f"{value:.2f}" if shown.endswith(".") else shown


def console(width: int | None = None) -> Console:
    return Console(width=width)
