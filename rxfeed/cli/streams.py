"""Standard output and its ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


def write_line(text: str) -> None:
    """Write *text* to standard output, unbuffered; `BrokenPipeError` where nobody reads that any more."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def is_screen() -> bool:
    """Whether standard output is a terminal on which one can draw."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def silence_stdout() -> None:
    """Send what is still buffered nowhere: else Python complains about the closed pipe when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def printable(text: str) -> str:
    """*text* without control characters: what a server says may not steer the terminal.

    >>> printable("not a channel\\x1b[2J")
    'not a channel?[2J'
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)


@contextlib.contextmanager
def on_signals(act: Callable[[], None]) -> Iterator[None]:
    """Meanwhile *act* on the first Ctrl-C, SIGTERM or hang-up; what comes after that acts as it did before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _ENDING if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        restore()
        act()

    for number in numbers:
        # What is ignored (nohup, a shell's background job) stays ignored.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
