"""Writes to standard output and standard error, each of which may fail.

- No text fails because of the encoding: a character that the encoding lacks is written as an escape.
- A failed write to standard output raises `OutputFailed`, or `OutputClosed` if the reader has closed the pipe.
- A failed write to standard error is ignored, because it cannot be reported.
- A stream that failed is redirected to the null device. Otherwise Python writes the buffered rest again when it exits,
  fails again, and replaces the exit status.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from rxfeed.cli.text import printable
from rxfeed.errors import RxfeedError


class OutputFailed(RxfeedError):
    """Standard output cannot be written: a full disk, or a closed terminal."""


class OutputClosed(OutputFailed):
    """The reader of standard output has closed the pipe (`| head`)."""


@contextlib.contextmanager
def prepared_streams() -> Iterator[None]:
    """Within this block, both streams exist and accept every character; at its end they are flushed."""
    with contextlib.ExitStack() as after:
        for name in ("stdout", "stderr"):
            if getattr(sys, name) is None:  # closed by the caller (`>&-`)
                setattr(sys, name, after.enter_context(Path(os.devnull).open("w", encoding="utf-8")))
                after.callback(setattr, sys, name, None)
                continue
            stream = getattr(sys, name)
            before = getattr(stream, "errors", None)
            if hasattr(stream, "reconfigure") and before != "backslashreplace":
                stream.reconfigure(errors="backslashreplace")
                after.callback(_restore, stream, before)
        try:
            yield
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    stream.flush()
                except (OSError, ValueError):
                    _silence(stream)


def write_line(text: str, *, flush: bool = True) -> None:
    """Write *text* to standard output; raises `OutputFailed`."""
    with writing():
        sys.stdout.write(f"{text}\n")
        if flush:
            sys.stdout.flush()


def flush_output() -> None:
    """Flush the buffer of standard output; raises `OutputFailed`."""
    with writing():
        sys.stdout.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Within this block, an `OSError` is a failure of standard output, and is raised as `OutputFailed`."""
    try:
        yield
    except OSError as error:
        _silence(sys.stdout)
        kind = OutputClosed if isinstance(error, BrokenPipeError) else OutputFailed
        raise kind(f"standard output cannot be written: {error.strerror or error}") from error


def write_error(text: str) -> None:
    """Write the lines of *text* to standard error, without control characters; a failure is ignored."""
    stream = sys.stderr
    try:
        stream.write("".join(f"{printable(line)}\n" for line in text.splitlines() or [""]))
        stream.flush()
    except (OSError, ValueError, OutputFailed):  # `ValueError`: the stream is closed
        _silence(stream)


def is_screen() -> bool:
    """True if standard output is a terminal that supports drawing."""
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")


def _silence(stream: TextIO) -> None:
    """Redirect *stream* to the null device, if it is a standard stream of the process."""
    if stream not in (sys.__stdout__, sys.__stderr__):
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _restore(stream: TextIOWrapper, errors: str | None) -> None:
    with contextlib.suppress(OSError, ValueError):
        stream.reconfigure(errors=errors)
