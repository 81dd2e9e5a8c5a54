"""Quarantines damaged batches and files of the spill, and reserves disk space for a full disk."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import bson
from bson.codec_options import CodecOptions, DatetimeConversion

from rxfeed.sinks.bson_types import Document

Row = tuple[int, object, object, object]
"""A batch's id, count, received_ns and documents; in a damaged row a column can have any type."""

_RESERVE = 1024 * 1024
_SHORTEST = 5  # bytes of a BSON document: its length and its end
_ANY_DATE: CodecOptions[Document] = CodecOptions(datetime_conversion=DatetimeConversion.DATETIME_MS)
_DAMAGES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def is_damage(error: sqlite3.Error) -> bool:
    """True if the file is damaged or no database; False if it is full, locked or refused."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGES


def split(row: Row | None) -> list[bytes] | None:
    """The documents of a batch, which its blob has in sequence; `None` if the batch is damaged."""
    if row is None:
        return None
    _, count, received_ns, blob = row
    if not isinstance(blob, bytes) or not isinstance(received_ns, int):
        return None
    documents = []
    at = 0
    while at < len(blob):
        end = at + int.from_bytes(blob[at : at + 4], "little")
        if not at + _SHORTEST <= end <= len(blob):
            return None
        documents.append(blob[at:end])
        at = end
    if not documents or len(documents) != count:
        return None
    try:
        for document in documents:
            bson.decode(document, _ANY_DATE)
    except Exception:
        return None
    return documents


def quarantine_batch(path: str, key: int, row: Row | None, mode: int) -> str | None:
    """The name of a new file beside the spill with the damaged batch; `None` if it cannot be written."""
    blob = row[3] if row is not None and isinstance(row[3], bytes) else b""
    file = f"{path}.damaged-{_now()}-{key}.bson"
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as target:
            target.write(blob)
            target.flush()
            os.fsync(target.fileno())
    except OSError:
        with contextlib.suppress(OSError):
            Path(file).unlink()
        return None
    return file


def quarantine_file(path: str) -> str:
    """The new name of the damaged database, after it was renamed together with its log."""
    aside = f"{path}.damaged-{_now()}"
    Path(path).rename(aside)
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            Path(path + suffix).rename(aside + suffix)
    return aside


def readable_rows(path: str, owner: str, columns: str) -> list[Row]:
    """The batches of *owner* that can be read from the damaged database *path*, from both ends."""
    rows: dict[int, Row] = {}
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.text_factory = bytes
        try:
            found = db.execute("SELECT value FROM about WHERE name = 'collection'").fetchone()
        except sqlite3.Error:
            return []
        if found != (owner.encode(),):
            return []
        for order in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.Error):
                for row in db.execute(f"SELECT {columns} FROM batches ORDER BY id {order}"):
                    if row[0] in rows:
                        break
                    if split(row) is not None:
                        rows[row[0]] = row
    return [rows[key] for key in sorted(rows)]


class Reserve:
    """A file that reserves disk space until it is needed."""

    def __init__(self, path: str, mode: int) -> None:
        self._path = Path(path)
        self._mode = mode

    def fill(self) -> None:
        """Write the file, if there is enough space."""
        if self._path.exists():
            return
        try:
            with os.fdopen(os.open(self._path, os.O_CREAT | os.O_WRONLY, self._mode), "wb") as file:
                file.write(bytes(_RESERVE))  # written, since a sparse file reserves no space
        except OSError:
            self.release()

    def release(self) -> bool:
        """Delete the file. True if there was one."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True


def _now() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
