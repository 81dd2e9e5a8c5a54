"""The stored records of the files that were audited before, beside them.

The file is replaced by a rename, so that it is always whole. A record is used as long as its file has the same size and
time of change.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from rxfeed.audit.records import FileRecord
from rxfeed.recording import Part

log = logging.getLogger("rxfeed.audit")

VERSION = 4


class _State(msgspec.Struct):
    version: int
    files: list[FileRecord]


class AuditState:
    """The records of the files in *folder*, with spans of *every* nanoseconds; `None`: nothing is stored."""

    def __init__(self, folder: Path | None, every: int) -> None:
        self._path = None if folder is None else folder / f".audit-{every // 10**9}"
        self._records = {record.name: record for record in self._read()}

    def get(self, part: Part) -> FileRecord | None:
        """The record of *part*, if it has not changed since."""
        record = self._records.get(Path(part.path).name)
        with contextlib.suppress(OSError):
            stat = Path(part.path).lstat()
            if record is not None and (record.size, record.modified) == (stat.st_size, stat.st_mtime_ns):
                return record
        return None

    def write(self, records: Iterable[FileRecord]) -> bool:
        """Store *records*; returns when they are on the disk. False, with a warning, if they cannot be stored."""
        if self._path is None:
            return False
        unnamed = self._path.with_name(f"{self._path.name}.new")
        try:
            with unnamed.open("wb") as file:
                file.write(msgspec.json.encode(_State(VERSION, [each for each in records if not each.open])))
                file.flush()
                os.fsync(file.fileno())
            unnamed.replace(self._path)
        except OSError as error:
            reason = error.strerror or error
            log.warning("%s cannot be written (%s): all files will be read again", self._path, reason)
            return False
        return True

    def _read(self) -> list[FileRecord]:
        if self._path is None:
            return []
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=_State)
        except FileNotFoundError:
            return []
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s cannot be read (%s): all files are read again", self._path, error)
            return []
        return state.files if state.version == VERSION else []
