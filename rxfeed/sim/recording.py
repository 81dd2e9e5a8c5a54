"""Recordings: JSON lines `{"t": Unix seconds, "dir": "sent" | "recv", "data": a frame's text}`, gzip or plain."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Literal

import msgspec

from rxfeed.errors import ConfigError

GZIP = b"\x1f\x8b"


class Line(msgspec.Struct):
    """One line of a recording."""

    t: float
    dir: Literal["sent", "recv"]
    data: str


def read_recording(path: str | PathLike[str]) -> Iterator[tuple[float, str]]:
    """(Unix seconds, frame text) of each received frame, read as it is asked for.

    `ConfigError` names the file, and the line where one is not as it should be.
    """
    number = 0
    try:
        with Path(path).open("rb") as raw:
            packed = raw.read(2) == GZIP
        with gzip.open(path) if packed else Path(path).open("rb") as lines:
            for line in lines:
                number += 1
                entry = msgspec.json.decode(line, type=Line)
                if entry.dir == "recv":
                    yield entry.t, entry.data
    except msgspec.DecodeError as error:
        raise ConfigError(f"recording {path}, line {number}: {error}") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"recording {path}, after line {number}: {error}") from None
    except OSError as error:
        raise ConfigError(f"recording {path}: {error.strerror}") from error
