"""Shows the progress of a recording on a terminal, and nothing elsewhere."""

from __future__ import annotations

import argparse
import sys
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Protocol

from rxfeed.cli.progress import PlainProgress, Progress
from rxfeed.cli.streams import OutputClosed, OutputFailed, is_screen, write_error


class _Display(Protocol):
    def show(self, progress: Progress) -> None: ...


class RecordScreen:
    """Wraps a display that may fail: then nothing more is shown, and recording continues."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._display = _display(options)
        self._shown: _Display | None = None
        self._stack = ExitStack()

    def show(self, progress: Progress) -> None:
        if self._shown is not None:
            try:
                self._shown.show(progress)
            except OutputFailed as error:
                self._disable(error)

    def __enter__(self) -> RecordScreen:
        try:
            self._shown = self._stack.enter_context(self._display)
        except OutputFailed as error:
            self._disable(error)
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            self._stack.close()
        except OutputFailed as error:
            self._disable(error)

    def _disable(self, error: OutputFailed) -> None:
        self._shown = None
        report_failed_output(error)


def _display(options: argparse.Namespace) -> AbstractContextManager[_Display | None]:
    """A live display on a terminal, if rich is installed; else plain lines; nothing without a terminal."""
    if is_screen():
        try:
            from rxfeed.cli.record_display import RecordDisplay
        except ImportError:
            pass
        else:
            return RecordDisplay(f"{', '.join(options.products)} to {options.to}")
    return PlainProgress() if sys.stdout.isatty() else nullcontext()


def report_failed_output(error: OutputFailed) -> None:
    if not isinstance(error, OutputClosed):  # a closed pipe is intended by the reader
        write_error(f"warning: {error}; nothing more is shown, and recording continues")
