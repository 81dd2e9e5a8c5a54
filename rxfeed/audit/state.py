"""The stored records of the files that were audited before, beside them.

The file is replaced by a rename, so that it is always whole, also if several audits write it at once. A record is used
as long as its file has the same size and time of change, and for the same venue and spans.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from rxfeed.audit.records import FileRecord
from rxfeed.recording import Part, open_file
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.audit")

VERSION = 5
_ABANDONED = 3600.0
"""Seconds after which a file that was not renamed belongs to no running audit."""


class _State(msgspec.Struct):
    version: int
    files: list[FileRecord]


class AuditState:
    """The records of the files in *folder*, with spans of *every* nanoseconds; `None`: nothing is stored."""

    def __init__(self, folder: Path | None, every: int) -> None:
        self._path = None if folder is None else folder / f".audit-{every // 10**9}"
        self._every = every
        self._records = {record.name: record for record in self._read()}

    def get(self, part: Part, venue: Venue) -> FileRecord | None:
        """The record of *part*, read as one of *venue*, if it has not changed since."""
        record = self._records.get(Path(part.path).name)
        with contextlib.suppress(OSError):
            stat = status_of_file(part.path)
            known = None if record is None else (record.size, record.modified, record.venue, record.every)
            if known == (stat.st_size, stat.st_mtime_ns, venue.name, self._every):
                return record
        return None

    def write(self, records: Iterable[FileRecord]) -> bool:
        """Store *records*; returns when they are on the disk. False, with a warning, if they cannot be stored."""
        if self._path is None:
            return False
        finished = [each for each in records if not (each.open or each.unread)]
        # Another audit may write the same file: the name of each is its own.
        unnamed = self._path.with_name(f"{self._path.name}.{os.getpid()}-{threading.get_ident()}.new")
        try:
            with unnamed.open("wb") as file:
                file.write(msgspec.json.encode(_State(VERSION, finished)))
                file.flush()
                os.fsync(file.fileno())
            unnamed.replace(self._path)
        except OSError as error:
            reason = error.strerror or error
            log.warning("%s cannot be written (%s): all files will be read again", self._path, reason)
            with contextlib.suppress(OSError):
                unnamed.unlink()
            return False
        self._remove_abandoned(self._path)
        return True

    def _remove_abandoned(self, path: Path) -> None:
        """Remove what audits have left that were killed while they wrote."""
        with contextlib.suppress(OSError):
            for each in path.parent.glob(f"{path.name}.*.new"):
                if time.time() - each.stat().st_mtime > _ABANDONED:
                    each.unlink()

    def _read(self) -> list[FileRecord]:
        if self._path is None:
            return []
        try:
            with open_file(str(self._path)) as file:
                state = msgspec.json.decode(file.read(), type=_State)
        except FileNotFoundError:
            return []
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            log.warning("%s cannot be read (%s): all files are read again", self._path, reason)
            return []
        return state.files if state.version == VERSION else []


def status_of_file(path: str) -> os.stat_result:
    """That of the file that is read: of a link's target, or of a link that has none."""
    try:
        return Path(path).stat()
    except OSError:
        return Path(path).lstat()
