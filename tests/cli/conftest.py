"""The command as a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(autouse=True)
def _signals_end_as_in_a_terminal() -> Iterator[None]:
    """Under `nohup` a hang-up is ignored, by whatever is started too; `rxfeed` leaves it so."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts `rxfeed` with arguments, in a process group of its own; what is left at the end is killed."""
    begun: list[subprocess.Popen[str]] = []

    def begin(*args: str, path: Path | None = None) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "rxfeed.cli", *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=os.environ | ({} if path is None else {"PYTHONPATH": str(path)}),
        )
        begun.append(process)
        return process

    yield begin
    for process in begun:
        with process:
            if process.poll() is None:
                process.kill()
