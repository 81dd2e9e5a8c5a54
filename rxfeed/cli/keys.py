"""Single keys of a terminal, without waiting for the end of a line."""

from __future__ import annotations

import os
import re
import select
import sys
import time
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Self

try:
    import termios
    import tty
except ImportError:  # Windows
    termios = tty = None  # type: ignore[assignment]  # `Keys` reads no keys then

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O[@-~])")
"""What one key sends, if it sends more than a character (ECMA-48, and the application mode of terminals)."""
_NAMES = {"\x7f": "backspace", "\x08": "backspace", "\r": "enter", "\n": "enter", "\x1b": "escape"}


class Keys:
    """Reads the keys of standard input; within its block the terminal does not echo them.

    Without a terminal there are no keys, and `wait` only waits. The block restores the terminal, however it ends.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        self._restore: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        if termios is not None and tty is not None and sys.stdin is not None and sys.stdin.isatty():
            file = sys.stdin.fileno()
            self._restore = partial(termios.tcsetattr, file, termios.TCSANOW, termios.tcgetattr(file))
            tty.setcbreak(file)
            self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()
        self._file = None

    def wait(self, seconds: float) -> list[str]:
        """The keys that were pressed, as soon as there is one, or none after *seconds*: a character, or a name."""
        if self._file is None:
            time.sleep(seconds)
            return []
        if not select.select([self._file], [], [], seconds)[0]:
            return []
        return keys_in(os.read(self._file, 1024).decode(errors="ignore"))


def keys_in(text: str) -> list[str]:
    """The keys in what a terminal sent; a sequence of several characters, such as of an arrow, is left out.

    >>> from rxfeed.cli.keys import keys_in
    >>> keys_in("s/\\r"), keys_in("a\\x1b[A\\x7f"), keys_in("\\x1bq")
    (['s', '/', 'enter'], ['a', 'backspace'], ['escape', 'q'])
    """
    text = _SEQUENCE.sub("", text)
    return [_NAMES.get(each, each) for each in text if each in _NAMES or each.isprintable()]
