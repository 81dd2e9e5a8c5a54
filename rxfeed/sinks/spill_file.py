"""The SQLite file of a spill: its layout, its transactions, and whether it is still at its path.

- A file that was deleted, alone or with its folder, can still be read and written until it is closed. But no later
  process finds it. So a spill that is deleted is created again with what it has.
- SQLite deletes the log (`-wal`) by its name when a connection is closed. So the connection of a deleted file is never
  closed: that would delete the log of the new file.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rxfeed.errors import ConfigError, SinkError
from rxfeed.sinks.quarantine import Row

ROW = "id, count, received_ns, documents"
INSERT = f"INSERT INTO batches ({ROW}) VALUES (?, ?, ?, ?)"
REMOVE = "DELETE FROM batches WHERE id = ?"
_LAYOUT = "1"
# In a damaged row a column can have any type, and the count any value: such a batch counts as one document.
_SIZES = """
    SELECT id,
        CASE WHEN typeof(count) = 'integer' AND count BETWEEN 1 AND max(1000000, length(documents))
            THEN count ELSE 1 END,
        CASE typeof(documents) WHEN 'blob' THEN length(documents) ELSE 0 END
    FROM batches ORDER BY id"""

Statement = tuple[str, Sequence[tuple[object, ...]]]
"""A statement, and the rows for which it is executed."""


class StoredBatch(NamedTuple):
    """A batch in the file: its key, and how many documents and bytes it has."""

    key: int
    documents: int
    size: int


class SpillFile:
    """The file at *path* with the batches of *owner*, and permissions *mode*. Raises `sqlite3.Error` unless stated."""

    def __init__(self, path: str, owner: str, mode: int) -> None:
        self.path = path
        self._owner = owner
        self._mode = mode
        self._connection: sqlite3.Connection | None = None
        self._id: tuple[int, int] | None = None

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def open(self) -> list[StoredBatch]:
        """Open or create the file; returns its batches. Raises `SinkError`, or `ConfigError` for one of another use."""
        try:
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, self._mode))
            with contextlib.suppress(PermissionError):
                Path(self.path).chmod(self._mode)  # independent of the umask, and for a file of an earlier version
        except OSError as error:
            raise SinkError(f"spill {self.path}: {error.strerror or error}", 0) from error
        self._connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0.5)
        self._db.text_factory = bytes  # text that is no UTF-8 must not stop the reading
        for pragma in ("auto_vacuum=INCREMENTAL", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS batches"
            " (id INTEGER PRIMARY KEY, count INTEGER, received_ns INTEGER, documents BLOB)"
        )
        for name, value in (("layout", _LAYOUT), ("collection", self._owner)):
            self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
            found = self._db.execute("SELECT CAST(value AS BLOB) FROM about WHERE name = ?", (name,)).fetchone()[0]
            if found != value.encode():
                shown = None if found is None else found.decode(errors="replace")
                raise ConfigError(f"spill: {self.path} is of {name} {shown!r}, not {value!r}")
        self._db.execute("COMMIT")
        self._id = self._id_at_path()
        return [StoredBatch(*row) for row in self._db.execute(_SIZES)]

    @property
    def is_at_its_path(self) -> bool:
        """False if the file was deleted or replaced; True if the path cannot be checked."""
        try:
            return self._id_at_path() == self._id
        except OSError:
            return True

    def _id_at_path(self) -> tuple[int, int] | None:
        try:
            found = Path(self.path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return found.st_dev, found.st_ino

    def batch(self, key: int) -> Row | None:
        return self._db.execute(f"SELECT {ROW} FROM batches WHERE id = ?", (key,)).fetchone()

    def rows(self) -> Iterator[Row]:
        """All batches, in order."""
        return self._db.execute(f"SELECT {ROW} FROM batches ORDER BY id")

    def execute(self, *statements: Statement) -> None:
        """Execute each of the *statements* for all of its rows, or none of them."""
        try:
            self._db.execute("BEGIN")
            for statement, rows in statements:
                self._db.executemany(statement, rows)
            self._db.execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            raise

    def shrink(self) -> None:
        """Release the disk space of deleted batches."""
        self._db.executescript("PRAGMA incremental_vacuum")  # execute would do one page
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def never_close(self) -> None:
        """Keep the connection open until the process ends: closing it would delete the log at the path."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()

    def unlink(self) -> None:
        """Close and delete the file."""
        self.close()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(NotADirectoryError):
                Path(self.path + suffix).unlink(missing_ok=True)
