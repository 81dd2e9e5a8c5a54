"""The live display of a recording, drawn with rich."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live
from rich.text import Text

from rxfeed.cli.display import WIDEST, duration, new_table
from rxfeed.cli.progress import Progress
from rxfeed.cli.streams import writing
from rxfeed.cli.text import printable, shortened

_COLOURS = {"recording": "green", "connection lost": "bold red"}
_ECHO = 3  # columns for the ^C that a terminal shows: on its own line it would not be overwritten
_RED = ("gaps", "lost")  # shown in red if not 0


class RecordDisplay:
    """Some lines at the bottom, which each `show` redraws; log lines scroll above them."""

    def __init__(self, what: str, console: Console | None = None) -> None:
        self._what = printable(what)
        self._console = console or Console()
        # Lines for standard error scroll above the display, unless they go into a file.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=sys.stderr.isatty(),
        )

    def show(self, progress: Progress) -> None:
        width = min(WIDEST, self._console.width - _ECHO)
        with writing():
            self._live.update(Constrain(picture(self._what, progress, width), width), refresh=True)

    def __enter__(self) -> RecordDisplay:
        with writing():
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing():
            self._live.stop()


def picture(what: str, progress: Progress, width: int = WIDEST) -> RenderableType:
    """The display of *progress* in *width* columns; *what* describes the recording, and ends with its folder."""
    head = Text(no_wrap=True, overflow="ellipsis")
    head.append("rxfeed record", "bold").append("   ")
    head.append(progress.status, _COLOURS.get(progress.status, "yellow"))
    head.append(f"   {duration(progress.seconds)}   Ctrl-C to end   ")
    head.append(shortened(what, width - head.cell_len))
    widths = {"messages": 13, "rate": 9, "size": 9, "gaps": 6, "lost": 6, "files": 6}
    counters = new_table(*(f"{name}>{widths.get(name, 8)}" for name, _ in progress.cells))
    counters.add_row(
        *(Text(value, "bold red" if name in _RED and value != "0" else "") for name, value in progress.cells)
    )
    return Group(head, counters)
