"""Batches on disk, in order, in SQLite: for while the database is away or behind."""

from __future__ import annotations

import contextlib
import ctypes
import sqlite3
import threading
from pathlib import Path

from rxfeed.errors import ConfigError, SinkError

_LAYOUT = "1"


class Spill:
    """A queue of batches, each a run of BSON documents, in the SQLite file *path*.

    `append` and `prepend` return when the batch is on the disk itself (write-ahead log, synchronous=FULL): then neither
    a killed process nor a power cut loses it. The documents hold at most *most_bytes*; the file holds a little more,
    and gives room back when the queue is empty. One process at a time, and one collection (*owner*) for good.
    """

    def __init__(self, path: str | Path, owner: str, most_bytes: int) -> None:
        self.path = str(path)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self.problem: str | None = None
        try:
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=0.5)
        except sqlite3.Error as error:
            raise SinkError(f"spill {self.path}: {error}", 0) from error
        try:
            self._open(owner)
            first, last, self.documents, self.bytes = self._db.execute(
                "SELECT coalesce(min(id), 0), coalesce(max(id), -1), coalesce(sum(count), 0), "
                "coalesce(sum(length(documents)), 0) FROM batches"
            ).fetchone()
        except sqlite3.Error as error:
            self._db.close()
            locked = "another process or sink uses it" if "locked" in str(error) else str(error)
            raise SinkError(f"spill {self.path}: {locked}", 0) from error
        except ConfigError:
            self._db.close()
            raise
        self._before, self._next = first - 1, last + 1

    def _open(self, owner: str) -> None:
        for pragma in ("auto_vacuum=INCREMENTAL", "locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
            self._db.execute(f"PRAGMA {pragma}").fetchall()
        self._db.execute("BEGIN EXCLUSIVE")
        self._db.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT)")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS batches"
            " (id INTEGER PRIMARY KEY, count INTEGER, received_ns INTEGER, documents BLOB)"
        )
        for name, value in (("layout", _LAYOUT), ("collection", owner)):
            self._db.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, value))
            found = self._db.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()[0]
            if found != value:
                raise ConfigError(f"spill: {self.path} is of {name} {found!r}, not {value!r}")
        self._db.execute("COMMIT")

    def append(self, documents: list[bytes], received_ns: int) -> bool:
        """Put a batch behind the others; `False`, and nothing done, where there is no room for it."""
        return self._insert(self._next, documents, received_ns)

    def prepend(self, documents: list[bytes], received_ns: int) -> bool:
        """Put a batch before the others."""
        return self._insert(self._before, documents, received_ns)

    def _insert(self, key: int, documents: list[bytes], received_ns: int) -> bool:
        blob = b"".join(documents)
        with self._lock:
            if self.bytes + len(blob) > self._most_bytes:
                return False
            try:
                self._db.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", (key, len(documents), received_ns, blob))
            except sqlite3.Error as error:  # the disk is full, or broken: like the limit, and it may pass
                self.problem = f"spill {self.path}: {error}"
                return False
            self.problem = None
            self._before = min(self._before, key - 1)
            self._next = max(self._next, key + 1)
            self.documents += len(documents)
            self.bytes += len(blob)
        return True

    def first(self, most: int) -> tuple[list[int], list[bytes], int]:
        """The first batches' keys, their documents (at most *most*, but one batch at least) and the oldest receipt."""
        keys: list[int] = []
        documents: list[bytes] = []
        received_ns = 0
        with self._lock:
            rows = self._db.execute("SELECT id, count, received_ns, documents FROM batches ORDER BY id LIMIT 100")
            for key, count, received, blob in rows:
                if keys and len(documents) + count > most:
                    break
                received_ns = received_ns or received
                keys.append(key)
                documents += split(blob)
        return keys, documents, received_ns

    def remove(self, keys: list[int]) -> bool:
        """Forget batches that are safe elsewhere; `False` where a full disk does not allow even that."""
        with self._lock:
            within = (keys[0], keys[-1])
            try:
                documents, size = self._db.execute(
                    "SELECT sum(count), sum(length(documents)) FROM batches WHERE id BETWEEN ? AND ?", within
                ).fetchone()
                self._db.execute("DELETE FROM batches WHERE id BETWEEN ? AND ?", within)
            except sqlite3.Error as error:
                self.problem = f"spill {self.path}: {error}"
                return False
            self.documents -= documents
            self.bytes -= size
            if not self.documents:
                with contextlib.suppress(sqlite3.Error):  # it is about room alone, and comes again
                    self._db.executescript("PRAGMA incremental_vacuum")  # execute would do one page
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return True

    def forked(self) -> None:
        """Keep the connection open for ever: closed in a child, it would delete the log that the parent writes."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))

    def close(self) -> None:
        with self._lock:
            self._db.close()


def split(blob: bytes) -> list[bytes]:
    """BSON documents one behind the other: each begins with its length."""
    documents = []
    at = 0
    while at < len(blob):
        end = at + int.from_bytes(blob[at : at + 4], "little")
        documents.append(blob[at:end])
        at = end
    return documents
