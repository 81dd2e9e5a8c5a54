"""Stores batches on disk, in order, in SQLite, while the database is unavailable or slow.

- A batch that was acknowledged is never returned again, even if a full disk prevents its deletion: its key is kept, the
  deletion is repeated, and when no other batch is left, the file is created anew.
- A *busy* spill takes every batch (durable mode). It deletes acknowledged batches with the next `append`:
  one wait for the disk in place of two. It releases disk space after `_BUSY_BYTES`. A killed process leaves some
  acknowledged batches in it: they are inserted again, and the ids of their documents are in the collection already.
- A reserve file keeps disk space for deletions; it is deleted when the disk is full.
- A damaged batch is copied to a file of its own and skipped. A damaged database file is renamed, and its readable
  batches are copied into a new one. Both are logged, with the name of the file.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rxfeed.errors import ConfigError, SinkError
from rxfeed.sinks.quarantine import Reserve, Row, is_damage, quarantine_batch, quarantine_file, readable_rows, split

log = logging.getLogger("rxfeed.sinks")
_LAYOUT = "1"
_ROW = "id, count, received_ns, documents"
_INSERT = f"INSERT INTO batches ({_ROW}) VALUES (?, ?, ?, ?)"
_REMOVE = "DELETE FROM batches WHERE id = ?"
# In a damaged row a column can have any type, and the count any value: such a batch counts as one document.
_SIZES = """
    SELECT id,
        CASE WHEN typeof(count) = 'integer' AND count BETWEEN 1 AND max(1000000, length(documents))
            THEN count ELSE 1 END,
        CASE typeof(documents) WHEN 'blob' THEN length(documents) ELSE 0 END
    FROM batches ORDER BY id"""
# A key beyond this is damaged, too: the next one would leave what SQLite can hold.
_LAST_KEY = 1 << 62
_BUSY_BYTES = 64_000_000
_MOST_UNDELETED = 100  # acknowledged batches, while none is appended


class _Pending(NamedTuple):
    key: int
    documents: int
    size: int


class Spill:
    """A queue of batches, each a run of BSON documents, in the SQLite file *path*.

    `append` and `prepend` return when the batch is on the disk (write-ahead log, synchronous=FULL): then neither a
    killed process nor a power failure loses it. The documents have at most *most_bytes*; the file is a little larger,
    and shrinks when the queue is empty. One process at a time, and always the same collection (*owner*).
    *mode*: the permissions of its files. *damaged* is called with a reason and the number of quarantined documents.
    """

    def __init__(
        self,
        path: str | Path,
        owner: str,
        most_bytes: int,
        *,
        mode: int = 0o600,
        damaged: Callable[[str, int], None] = lambda reason, count: None,
        busy: bool = False,
    ) -> None:
        self.path = str(path)
        self._busy = busy
        self._refusing = False
        self._since_shrunk = 0  # bytes that were appended since disk space was released
        self._owner = owner
        self._most_bytes = most_bytes
        self._mode = mode
        self._damaged = damaged
        self._lock = threading.Lock()
        self._undeleted: list[int] = []
        self._pending: deque[_Pending] = deque()
        self._before, self._next = -1, 0
        self.documents = self.bytes = 0
        self.problem: str | None = None
        self._connection: sqlite3.Connection | None = None
        self._reserve = Reserve(f"{self.path}-reserve", mode)
        try:
            self._connect()
        except sqlite3.Error as error:
            if not is_damage(error):
                self._close()
                locked = "another process or sink uses it" if "locked" in str(error) else str(error)
                raise SinkError(f"spill {self.path}: {locked}", 0) from error
            self._restore(error)
        except ConfigError:
            self._close()
            raise
        self._reserve.fill()

    # ---- the file

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None
        return self._connection

    def _connect(self) -> None:
        """Open or create the file, and read the list of its batches."""
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
        left_out = set(self._undeleted)
        rows = map(_Pending._make, self._db.execute(_SIZES))
        self._pending = deque(row for row in rows if row.key not in left_out)
        self.documents = sum(row.documents for row in self._pending)
        self.bytes = sum(row.size for row in self._pending)
        keys = [row.key for row in self._pending if abs(row.key) < _LAST_KEY]
        if keys:
            self._before = min(self._before, keys[0] - 1)
            self._next = max(self._next, keys[-1] + 1)

    def _restore(self, error: sqlite3.Error) -> None:
        """Rename the damaged file, and create a new one with its readable batches."""
        had = self.documents
        self._close()
        try:
            aside = quarantine_file(self.path)
            rows = readable_rows(aside, self._owner, _ROW)
            self._connect()
            with contextlib.suppress(sqlite3.Error):  # a full disk: they are still in the damaged file
                self._db.executemany(f"INSERT OR IGNORE INTO batches ({_ROW}) VALUES (?, ?, ?, ?)", rows)
            self._close()
            self._connect()
        except (sqlite3.Error, OSError) as failure:
            raise SinkError(f"spill {self.path} is damaged, and cannot be created again: {failure}", 0) from error
        self.problem = f"spill {self.path}: {error}"
        log.error(
            "spill %s is damaged (%s): it was renamed to %s, and %d documents were read from it; it has the rest",
            self.path,
            error,
            aside,
            self.documents,
        )
        if had > self.documents:
            self._damaged(f"spill {self.path} is damaged, and was renamed to {aside}", had - self.documents)

    def _anew(self) -> None:
        """Create the file again, since it is not needed and cannot be emptied."""
        self._close()
        for suffix in ("", "-wal", "-shm"):
            Path(self.path + suffix).unlink(missing_ok=True)
        self._undeleted.clear()
        self._connect()

    def _close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()

    # ---- batches

    def append(self, documents: list[bytes], received_ns: int) -> bool:
        """Add a batch after the others. `False`, without a change, if there is no space for it."""
        with self._lock:
            return self._insert(self._next, documents, received_ns)

    def prepend(self, documents: list[bytes], received_ns: int) -> int | None:
        """Add a batch before the others. Returns its key, or `None` if there is no space for it."""
        with self._lock:
            key = self._before
            return key if self._insert(key, documents, received_ns) else None

    def _insert(self, key: int, documents: list[bytes], received_ns: int) -> bool:
        blob = b"".join(documents)
        if self.bytes + len(blob) > self._most_bytes:
            return self._refuse(f"it has its {self._most_bytes} bytes")
        row = (key, len(documents), received_ns, blob)
        deleted = self._undeleted.copy()
        if not self._do(
            (_INSERT, [row]),
            (_REMOVE, [(each,) for each in deleted]),
        ):
            return self._refuse(str(self.problem))
        del self._undeleted[: len(deleted)]
        self.problem = None
        self._refusing = False
        self._since_shrunk += len(blob)
        self._before = min(self._before, key - 1)
        self._next = max(self._next, key + 1)
        self.documents += len(documents)
        self.bytes += len(blob)
        pending = _Pending(key, len(documents), len(blob))
        if self._pending and key < self._pending[0].key:
            self._pending.appendleft(pending)
        else:
            self._pending.append(pending)
        return True

    def _refuse(self, reason: str) -> bool:
        """Log once that nothing can be added; returns `False`."""
        if not self._refusing:
            self._refusing = True
            log.warning(
                "spill %s takes no more documents: %s; until it does, a kill of the process loses those in memory",
                self.path,
                reason,
            )
        return False

    def first(self, most: int) -> tuple[list[int], list[bytes], int]:
        """The first batches' keys, their documents (at most *most*, but one batch at least) and the oldest receipt.

        No keys if no readable batch is left.
        """
        keys: list[int] = []
        documents: list[bytes] = []
        received_ns = 0
        with self._lock:
            while self._pending and len(keys) < min(100, len(self._pending)):
                pending = self._pending[len(keys)]
                if keys and len(documents) + pending.documents > most:
                    break
                try:
                    row = self._db.execute(f"SELECT {_ROW} FROM batches WHERE id = ?", (pending.key,)).fetchone()
                except sqlite3.Error as error:
                    if not is_damage(error):
                        raise SinkError(f"spill {self.path}: {error}", 0) from error
                    self._restore(error)
                    keys, documents, received_ns = [], [], 0
                    continue
                found = split(row)
                if found is None:
                    self._quarantine(pending, row)
                    continue
                received_ns = received_ns or int(row[2])
                keys.append(pending.key)
                documents += found
        return keys, documents, received_ns

    def _quarantine(self, pending: _Pending, row: Row | None) -> None:
        file = quarantine_batch(self.path, pending.key, row, self._mode)
        reason = f"spill {self.path}: batch {pending.key} is damaged, and was moved to {file}"
        if file is None:
            reason = f"spill {self.path}: batch {pending.key} is damaged, and cannot be copied elsewhere; it is skipped"
            self._forget({pending.key})
        else:
            self._remove([pending.key])
        self._damaged(reason, pending.documents)

    def remove(self, keys: list[int]) -> None:
        """Remove acknowledged batches: this object never returns them again."""
        with self._lock:
            self._remove(keys)

    def _remove(self, keys: list[int]) -> None:
        self._forget(set(keys))
        self._undeleted += keys
        shrinks = not self._pending and self._since_shrunk > _BUSY_BYTES
        if not self._busy or self.problem is not None or shrinks or len(self._undeleted) >= _MOST_UNDELETED:
            self._delete()

    def _forget(self, keys: set[int]) -> None:
        for pending in [each for each in self._pending if each.key in keys]:
            self._pending.remove(pending)
            self.documents -= pending.documents
            self.bytes -= pending.size

    def _delete(self) -> None:
        """Delete acknowledged batches, as far as the disk allows it."""
        deletion = _REMOVE, [(key,) for key in self._undeleted]
        if not self._undeleted:
            return
        if self._do(deletion) or (self._reserve.release() and self._do(deletion)):
            self._undeleted.clear()
            if not self._pending:
                self._since_shrunk = 0
                self.problem = None
                with contextlib.suppress(sqlite3.Error):  # it only releases space, and is repeated
                    self._db.executescript("PRAGMA incremental_vacuum")  # execute would do one page
                    self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                self._reserve.fill()
        elif not self._pending:
            with contextlib.suppress(sqlite3.Error, SinkError):
                self._anew()
                self._reserve.fill()
                self.problem = None

    def _do(self, *statements: tuple[str, Sequence[tuple[object, ...]]]) -> bool:
        """Execute each of the *statements* for all of its rows, or none of them. True if it was done."""
        for _ in range(2):
            try:
                self._db.execute("BEGIN")
                for statement, rows in statements:
                    self._db.executemany(statement, rows)
                self._db.execute("COMMIT")
                return True
            except sqlite3.Error as error:
                self.problem = f"spill {self.path}: {error}"
                with contextlib.suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                if not is_damage(error):  # the disk is full or refuses: a limit that may be temporary
                    return False
                self._restore(error)
        return False

    # ---- the end

    def forked(self) -> None:
        """Never close the connection: closing it in a child process would delete the parent's log."""
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._db))

    def close(self) -> None:
        with self._lock:
            self._delete()
            if self._undeleted:
                log.warning("spill %s: %d batches are written and cannot be deleted", self.path, len(self._undeleted))
            self._close()
            if not self._pending:
                self._reserve.release()
