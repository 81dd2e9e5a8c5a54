"""Writes log records to standard error: as lines of the command, with time and level, or as JSON."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import msgspec

from rxfeed.cli.streams import write_error

LogFormat = Literal["text", "json"]
LOG_FORMATS: tuple[LogFormat, ...] = ("text", "json")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

# The priorities of syslog, which the journal reads at the begin of a line.
_PRIORITIES = ((logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class _StderrHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        write_error(self.format(record))


class TextFormatter(logging.Formatter):
    """Time (UTC), level, and message. Each line begins with its priority if *priorities*, for the journal."""

    def __init__(self, *, priorities: bool = False) -> None:
        super().__init__()
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        text = f"{_time(record)} {record.levelname:<7} {super().format(record)}"
        if not self._priorities:
            return text
        priority = next((value for level, value in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in text.splitlines())


class JsonFormatter(logging.Formatter):
    """One JSON object: time (UTC), level, logger, message, and the traceback as `exception` if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


def _time(record: logging.LogRecord) -> str:
    return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


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


@contextlib.contextmanager
def timed_logs(level: int, log_format: LogFormat) -> Iterator[None]:
    """Within this block, the lines of `logs_on_stderr` have time and level, and those from *level* on are written."""
    logger = logging.getLogger("rxfeed")
    formatter = JsonFormatter() if log_format == "json" else TextFormatter(priorities=_is_journal())
    handlers = [handler for handler in logger.handlers if isinstance(handler, _StderrHandler)]
    before = logger.level, [(handler.level, handler.formatter) for handler in handlers]
    for handler in handlers:
        handler.setLevel(level)
        handler.setFormatter(formatter)
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before[0])
        for handler, (former, formatter_before) in zip(handlers, before[1], strict=True):
            handler.setLevel(former)
            handler.setFormatter(formatter_before)


def _is_journal() -> bool:
    """True if standard error is the stream of systemd's journal."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    with contextlib.suppress(OSError, ValueError):
        found = os.fstat(2)
        return (found.st_dev, found.st_ino) == (int(device), int(inode))
    return False
