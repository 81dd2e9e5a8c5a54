"""What the options of all commands are parsed with."""

from __future__ import annotations

import argparse
import math
import re
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rxfeed.cli.streams import write_line

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9.]+)(ms|s|m|h)?")


class Formatter(argparse.ArgumentDefaultsHelpFormatter, argparse.RawDescriptionHelpFormatter):
    """Keeps texts as they are, and appends the default of each option that has one."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Raises if a help text cannot be written, which argparse ignores."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if message and file is sys.stdout:
            write_line(message.removesuffix("\n"))
        else:
            super()._print_message(message, file)


def positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def natural(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def duration(text: str) -> float:
    """Seconds, of a text such as `1s`, `500ms`, `5m` or `60`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 500ms, 1s, 5m or 1h")
    return positive(found[1]) * _UNITS[found[2] or "s"]


def moment(text: str) -> datetime:
    """A time in ISO 8601; in UTC if it has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-24, 2026-11-24T19:00 or 2026-11-24T19:00:00+01:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
