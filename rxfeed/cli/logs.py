"""The library's warnings and errors on standard error, as the command's own lines."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from rxfeed.cli.streams import write_error


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write_error(self.format(record))


def _is_no_status(record: logging.LogRecord) -> bool:
    """False for the log of `feed.status`, which the commands report in their own words."""
    return record.name != "rxfeed.feed.status"


@contextlib.contextmanager
def logs_on_stderr() -> Iterator[None]:
    """Inside, warnings and errors of the package's loggers go to standard error, without control characters."""
    logger = logging.getLogger("rxfeed")
    handler = _StderrHandler(logging.WARNING)
    handler.addFilter(_is_no_status)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
