"""Writes the library's warnings and errors to standard error, as lines of the command."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from rxfeed.cli.streams import write_error


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write_error(self.format(record))


def _is_no_status(record: logging.LogRecord) -> bool:
    """False for records of `feed.status`, which the commands report themselves."""
    return record.name != "rxfeed.feed.status"


@contextlib.contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Within this block, warnings and errors of the package go to standard error, without control characters."""
    logger = logging.getLogger("rxfeed")
    handler = _StderrHandler(logging.WARNING)
    handler.addFilter(_is_no_status)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
