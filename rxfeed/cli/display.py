"""The demo's live display, drawn with rich."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from types import TracebackType
from typing import TypeVar

import msgspec
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.constrain import Constrain
from rich.live import Live
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from rxfeed.cli.demo_state import DemoState, Quote
from rxfeed.cli.streams import write_line, writing
from rxfeed.cli.text import rounded_number
from rxfeed.core import PriceCross, VolumeWindow

WIDEST = 100
_FIXED = 15  # lines that are always shown
_PLAIN_EVERY = 2.0  # seconds
_COLOURS = {"subscribed": "green", "failed": "bold red", "up": "green", "down": "red", "yes": "green", "no": "yellow"}
T = TypeVar("T")


class Reading(msgspec.Struct, frozen=True):
    """The counters at one moment."""

    url: str
    seconds: float
    sent: int
    received: int
    malformed: int


class PlainLines:
    """Prints a line at intervals, without control codes, for an output that is not a terminal."""

    def __init__(self, every: float = _PLAIN_EVERY) -> None:
        self._every = every
        self._next = 0.0

    def show(self, state: DemoState, reading: Reading) -> None:
        if reading.seconds < self._next:
            return
        self._next = reading.seconds + self._every
        prices = (f"{product} {_price(quote)}" for product, quote in state.quotes.items())
        counts = (
            ("sent", reading.sent),
            ("received", reading.received),
            ("stored", state.stored),
            ("windows", state.window_count),
            ("crossings", state.crossing_count),
        )
        cells = [f"{reading.seconds:7.1f} s", *prices, *(f"{name} {count:,}" for name, count in counts)]
        write_line("  ".join(cells))

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


class Display:
    """The whole screen; each `show` redraws it, on the calling thread."""

    def __init__(self, console: Console | None = None) -> None:
        self._live = Live(console=console or Console(), screen=True, auto_refresh=False, redirect_stdout=False)

    def show(self, state: DemoState, reading: Reading) -> None:
        with writing():
            self._live.update(Picture(state, reading), refresh=True)

    def __enter__(self) -> Display:
        with writing():
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing():
            self._live.stop()


class Picture:
    """The state as a renderable of rich, which uses all lines of the terminal."""

    def __init__(self, state: DemoState, reading: Reading) -> None:
        self._state = state
        self._reading = reading

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = max(2, (options.height or console.height) - _FIXED - len(self._state.quotes))
        yield Constrain(self._parts(lines - lines // 2, lines // 2), WIDEST)

    def _parts(self, windows: int, crossings: int) -> RenderableType:
        state, reading = self._state, self._reading
        head = Text(no_wrap=True, overflow="ellipsis")
        head.append("rxfeed demo", "bold").append(f"   {reading.url}   ")
        head.append(state.status, _COLOURS.get(state.status, "yellow"))
        head.append(f"   {duration(reading.seconds)}   Ctrl-C to end")
        return Group(
            head,
            Text(),
            _title("prices"),
            _prices(state.quotes),
            Text(),
            _title("volume by windows"),
            _windows(_last(state.windows, windows)),
            Text(),
            _title("crossings of levels"),
            _crossings(_last(state.crossings, crossings)),
            Text(),
            _title("counters"),
            _counters(state, reading),
        )


def _prices(quotes: dict[str, Quote | None]) -> Table:
    table = new_table("product<10", "last>12", "change>10", "bid>12", "ask>12", "spread>8", "trades>8")
    for product, quote in quotes.items():
        if quote is None:
            table.add_row(product)
            continue
        newest, change = quote.newest, quote.change
        colour = "green" if change > 0 else "red" if change < 0 else ""
        table.add_row(
            product,
            Text(_number(newest.price), "bold"),
            Text(f"{rounded_number(change, 3, '+')} %", colour),
            _number(newest.best_bid),
            _number(newest.best_ask),
            _number(quote.spread),
            f"{quote.tickers:,}",
        )
    return table


def _windows(windows: Sequence[VolumeWindow | None]) -> Table:
    table = new_table("from<12", "product<10", "volume>12", "vwap>12", "trades>8", "buy/sell %>10", "complete>8")
    for window in windows:
        if window is None:
            table.add_row()
            continue
        complete = "yes" if window.complete else "no"
        table.add_row(
            _clock(window.start),
            window.product_id,
            rounded_number(window.volume, 4),
            _number(window.vwap),
            f"{window.count:,}",
            _shares(window),
            Text(complete, _COLOURS[complete]),
        )
    return table


def _crossings(crossings: Sequence[PriceCross | None]) -> Table:
    table = new_table("time<12", "product<10", "moved<6", "across>12", "from>12", "to>12")
    for crossing in crossings:
        if crossing is None:
            table.add_row()
            continue
        table.add_row(
            "" if crossing.time is None else f"{crossing.time:%H:%M:%S.%f}"[:-3],
            crossing.product_id,
            Text(crossing.direction, _COLOURS[crossing.direction]),
            _number(crossing.level),
            _number(crossing.before),
            _number(crossing.price),
        )
    return table


def _counters(state: DemoState, reading: Reading) -> Table:
    table = new_table("sent<11", "received<11", "stored<11", "malformed<9", "windows<9", "crossings<9", "ping<9")
    counts = (reading.sent, reading.received, state.stored, reading.malformed, state.window_count, state.crossing_count)
    ping = "" if state.round_trip is None else f"{state.round_trip * 1000:.1f} ms"
    table.add_row(*(f"{count:,}" for count in counts), ping)
    return table


def new_table(*columns: str) -> Table:
    """A table with columns `name<width` (left-aligned) and `name>width`; widths scale with the terminal."""
    table = Table(box=None, expand=True, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for column in columns:
        name, left, width = column.partition("<") if "<" in column else column.partition(">")
        table.add_column(
            name,
            justify="left" if left == "<" else "right",
            ratio=int(width),
            no_wrap=True,
            overflow="ellipsis",
        )
    return table


def _title(text: str) -> Rule:
    return Rule(Text(text, "bold"), align="left", style="dim")


def _last(items: Sequence[T], count: int) -> list[T | None]:
    """The newest *count* items, newest first, padded with `None`."""
    newest: list[T | None] = [*reversed(items[-count:])] if count else []
    return newest + [None] * (count - len(newest))


def _price(quote: Quote | None) -> str:
    return "-" if quote is None else _number(quote.newest.price)


def _number(number: Decimal | None) -> str:
    return "" if number is None else rounded_number(number)


def _shares(window: VolumeWindow) -> str:
    if not window.volume:
        return ""
    bought = round(100 * window.buy_volume / window.volume)
    return f"{bought} / {100 - bought}"


def _clock(moment: datetime) -> str:
    return f"{moment:%H:%M:%S}" if not moment.microsecond else f"{moment:%H:%M:%S.%f}"[:-3]


def duration(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
