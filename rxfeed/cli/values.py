"""Reads the values of options: numbers, sizes, permissions."""

from __future__ import annotations

import argparse
import math
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rxfeed.recording import MinFree

_UNITS = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_BY_NAME = {name.lower(): factor for name, factor in _UNITS.items()} | {"b": 1, "tib": 2**40}
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9.]+)(ms|s|m|h)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([a-z]*)", re.IGNORECASE | re.ASCII)


def positive(text: str) -> float:
    """A number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def natural(text: str) -> int:
    """A whole number above 0."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def duration(text: str) -> float:
    """Seconds, of a text such as `1s`, `500ms`, `5m`, `1h` or `60`.

    >>> from rxfeed.cli.values import duration
    >>> duration("500ms"), duration("5m")
    (0.5, 300.0)
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration such as 500ms, 1s, 5m or 1h")
    return positive(found[1]) * _SECONDS[found[2] or "s"]


def moment(text: str) -> datetime:
    """A time in ISO 8601; in UTC if it has no offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a time such as 2026-11-24, 2026-11-24T19:00 or 2026-11-24T19:00:00+01:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def permissions(text: str) -> int:
    """The permissions of a file, in octal."""
    try:
        mode = int(text, 8)
    except ValueError:
        mode = 0
    if mode & ~0o666 or mode & 0o600 != 0o600:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not from 600 to 666, in octal, with the owner reading and writing"
        )
    return mode


def byte_count(text: str) -> int:
    """A number of bytes, such as `500MB`, `1.5 GiB` or `1000000`.

    >>> from rxfeed.cli.values import byte_count
    >>> byte_count("500MB"), byte_count("1.5 GiB"), byte_count("10")
    (500000000, 1610612736, 10)
    """
    match = _SIZE.fullmatch(text.strip())
    factor = None if match is None else _BY_NAME.get(match[2].lower())
    if match is None or factor is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size such as 500MB, 20GB, 1.5GiB or 1000000")
    return round(float(match[1]) * factor)


def min_free(text: str) -> MinFree:
    """The space that stays free: bytes, or a percentage of the disk.

    >>> from rxfeed.cli.values import min_free
    >>> min_free("5%"), min_free("2GB")
    (MinFree(bytes=0, percent=5.0), MinFree(bytes=2000000000, percent=0.0))
    """
    from rxfeed.recording import MinFree  # which `rxfeed --help` does not need

    if not text.strip().endswith("%"):
        return MinFree(bytes=byte_count(text))
    try:
        percent = float(text.strip()[:-1])
    except ValueError:
        percent = math.nan
    if not 0 <= percent < 100:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage from 0 to below 100")
    return MinFree(percent=percent)


def address(text: str) -> tuple[str, int]:
    """The host and port in `[HOST]:PORT`; without a host 127.0.0.1.

    >>> from rxfeed.cli.values import address
    >>> address(":9109"), address("0.0.0.0:80"), address("[::1]:9109")
    (('127.0.0.1', 9109), ('0.0.0.0', 80), ('::1', 9109))
    """
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is not [HOST]:PORT, such as :9109")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)
