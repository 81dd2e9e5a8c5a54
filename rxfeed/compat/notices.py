"""What the user of an old script has to read: warnings at the script's own lines, and entries of a report.

Rules:
- A warning names a line of the script, also if it is issued on a thread of rxfeed: then the line that started that.
- Each warning is issued once for each client.
- Every entry also goes to the listeners, from which `python -m rxfeed.compat` makes its report.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

# Modules with frames that are not the script's.
_OTHERS = ("rxfeed", "threading", "multiprocessing", "concurrent", "asyncio", "runpy")


class Kind(Enum):
    """The kind of an entry."""

    USED = "used"
    SUBSTITUTED = "substituted"
    UNAVAILABLE = "not available today"
    FAILED = "errors"


class ScriptLine(NamedTuple):
    """A line of the script, as `warnings.warn_explicit` takes it."""

    filename: str
    lineno: int
    module: str
    registry: dict[str | tuple[str, type[Warning], int], int]


_listeners: list[Callable[[Kind, str], None]] = []


def place_of_script() -> ScriptLine | None:
    """The line of the script that runs; `None` if there is none on this thread."""
    frame = sys._getframe(1)
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _OTHERS:
            registry = frame.f_globals.setdefault("__warningregistry__", {})
            return ScriptLine(frame.f_code.co_filename, frame.f_lineno, module, registry)
        frame = frame.f_back
    return None


def listen(listener: Callable[[Kind, str], None]) -> Callable[[], None]:
    """Call *listener* for each entry; returns what ends that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def note(kind: Kind, text: str) -> None:
    """Make an entry without a warning."""
    for listener in _listeners:
        listener(kind, text)


class Notices:
    """The warnings of one client."""

    def __init__(self) -> None:
        self.place: ScriptLine | None = None
        """The line at which the script made or started the client."""
        self._issued: set[str] = set()

    def here(self) -> None:
        """Remember the line of the script that runs, if there is one on this thread."""
        self.place = place_of_script() or self.place

    def warn(self, kind: Kind, text: str) -> None:
        """Issue *text* as a warning at the script's line, unless that was done before."""
        if text in self._issued:
            return
        self._issued.add(text)
        note(kind, text)
        place = place_of_script() or self.place
        if place is None:
            warnings.warn(text, UserWarning, stacklevel=2)
        else:
            warnings.warn_explicit(text, UserWarning, place.filename, place.lineno, place.module, place.registry)
