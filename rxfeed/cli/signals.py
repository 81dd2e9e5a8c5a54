"""Handles SIGINT (Ctrl-C), SIGTERM and SIGHUP."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def on_signals(act: Callable[[], None], hangup: Callable[[], None] | None = None) -> Iterator[None]:
    """Within this block, call *act* at the first SIGINT or SIGTERM; then the former handlers are restored.

    SIGHUP is such a signal, too, or calls *hangup* each time.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}

    def restore(*, hangups: bool) -> None:
        for number, handler in before.items():
            if hangups or signal.Signals(number).name != "SIGHUP":
                signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        if hangup is not None and signal.Signals(number).name == "SIGHUP":
            hangup()
            return
        restore(hangups=hangup is None)  # SIGHUP never kills a recorder that is about to end
        act()

    for number in numbers:
        # Ignored signals (nohup, a shell's background job) stay ignored.
        if before[number] is not signal.SIG_IGN:
            signal.signal(number, handle)
    try:
        yield
    finally:
        restore(hangups=True)


def has_terminal() -> bool:
    """True if the process belongs to a terminal, which sends SIGHUP when it is closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
