"""Stores batches on disk, in order, in SQLite, while the database is unavailable or slow.

- A batch that was acknowledged is never returned again, even if a full disk prevents its deletion: its key is kept, the
  deletion is repeated, and when no other batch is left, the file is created anew.
- A *busy* spill takes every batch (durable mode). It deletes acknowledged batches with the next `append`:
  one wait for the disk in place of two. It releases disk space after `_BUSY_BYTES`. A killed process leaves some
  acknowledged batches in it: they are inserted again, and the ids of their documents are in the collection already.
- A reserve file keeps disk space for deletions; it is deleted when the disk is full.
- A damaged batch is copied to a file of its own and skipped. A damaged database file is renamed, and its readable
  batches are copied into a new one. Both are logged, with the name of the file.
- A file that was deleted is created again with the next batch, with those that wait; this is logged, too.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bson

from rxfeed.errors import ConfigError, SinkError
from rxfeed.sinks.quarantine import Reserve, Row, is_damage, quarantine_batch, quarantine_file, readable_rows, split
from rxfeed.sinks.spill_file import INSERT, REMOVE, ROW, SpillFile, Statement, StoredBatch

log = logging.getLogger("rxfeed.sinks")
# A key beyond this is damaged, too: the next one would leave what SQLite can hold.
_LAST_KEY = 1 << 62
_BUSY_BYTES = 64_000_000
_MOST_UNDELETED = 100  # acknowledged batches, while none is appended


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
        self._pending: deque[StoredBatch] = deque()
        self._before, self._next = -1, 0
        self.documents = self.bytes = 0
        self.problem: str | None = None
        self._file = SpillFile(self.path, owner, mode)
        self._reserve = Reserve(f"{self.path}-reserve", mode)
        try:
            self._connect()
        except sqlite3.Error as error:
            if not is_damage(error):
                self._file.close()
                locked = "another process or sink uses it" if "locked" in str(error) else str(error)
                raise SinkError(f"spill {self.path}: {locked}", 0) from error
            self._restore(error)
        except ConfigError:
            self._file.close()
            raise
        self._reserve.fill()

    @staticmethod
    def encode(fields: dict[str, Any]) -> bytes:
        """A document, for `append`."""
        return bson.encode(fields)

    @staticmethod
    def decode(document: bytes) -> dict[str, Any]:
        return bson.decode(document)

    # ---- the file

    def _connect(self) -> None:
        """Open or create the file, and read the list of its batches."""
        left_out = set(self._undeleted)
        self._pending = deque(each for each in self._file.open() if each.key not in left_out)
        self.documents = sum(each.documents for each in self._pending)
        self.bytes = sum(each.size for each in self._pending)
        keys = [each.key for each in self._pending if abs(each.key) < _LAST_KEY]
        if keys:
            self._before = min(self._before, keys[0] - 1)
            self._next = max(self._next, keys[-1] + 1)

    def _create_again(self) -> None:
        """Create the file again, with all batches, since it was deleted, so that another process finds them."""
        deleted, self._file = self._file, SpillFile(self.path, self._owner, self._mode)
        left_out = set(self._undeleted)
        try:
            self._file.open()
            for row in deleted.rows():
                if row[0] not in left_out:
                    self._file.execute((INSERT, [row]))
        except (sqlite3.Error, SinkError) as error:  # such as a folder that is not there yet: it is tried again
            self._file.unlink()
            self._file = deleted
            self.problem = f"spill {self.path}: {error}"
            return
        deleted.never_close()
        self._undeleted.clear()
        self._reserve.fill()
        log.error("spill %s was deleted; it was created again, with %d documents that wait", self.path, self.documents)

    def _restore(self, error: sqlite3.Error) -> None:
        """Rename the damaged file, and create a new one with its readable batches."""
        had = self.documents
        self._file.close()
        try:
            aside = quarantine_file(self.path)
            rows = readable_rows(aside, self._owner, ROW)
            self._file.open()
            with contextlib.suppress(sqlite3.Error):  # a full disk: they are still in the damaged file
                for row in rows:
                    self._file.execute((INSERT, [row]))
            self._file.close()
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
        self._file.unlink()
        self._undeleted.clear()
        self._connect()

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
        if not self._file.is_at_its_path:
            self._create_again()
        blob = b"".join(documents)
        if self.bytes + len(blob) > self._most_bytes:
            return self._refuse(f"it has its {self._most_bytes} bytes")
        row = (key, len(documents), received_ns, blob)
        deleted = self._undeleted.copy()
        if not self._do(
            (INSERT, [row]),
            (REMOVE, [(each,) for each in deleted]),
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
        pending = StoredBatch(key, len(documents), len(blob))
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
                    row = self._file.batch(pending.key)
                except sqlite3.Error as error:
                    if not is_damage(error):
                        raise SinkError(f"spill {self.path}: {error}", 0) from error
                    self._restore(error)
                    keys, documents, received_ns = [], [], 0
                    continue
                found = split(row)
                if row is None or found is None:
                    self._quarantine(pending, row)
                    continue
                received_ns = received_ns or (row[2] if isinstance(row[2], int) else 0)
                keys.append(pending.key)
                documents += found
        return keys, documents, received_ns

    def _quarantine(self, pending: StoredBatch, row: Row | None) -> None:
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
        deletion = REMOVE, [(key,) for key in self._undeleted]
        if not self._undeleted:
            return
        if self._do(deletion) or (self._reserve.release() and self._do(deletion)):
            self._undeleted.clear()
            if not self._pending:
                self._since_shrunk = 0
                self.problem = None
                with contextlib.suppress(sqlite3.Error):  # it is repeated
                    self._file.shrink()
                self._reserve.fill()
        elif not self._pending:
            with contextlib.suppress(sqlite3.Error, SinkError):
                self._anew()
                self._reserve.fill()
                self.problem = None

    def _do(self, *statements: Statement) -> bool:
        """Execute the *statements*, or none of them. True if it was done."""
        for _ in range(2):
            try:
                self._file.execute(*statements)
                return True
            except sqlite3.Error as error:
                self.problem = f"spill {self.path}: {error}"
                if not is_damage(error):  # the disk is full or refuses: a limit that may be temporary
                    return False
                self._restore(error)
        return False

    # ---- the end

    def forked(self) -> None:
        """Never close the connection: closing it in a child process would delete the parent's log."""
        self._file.never_close()

    def close(self) -> None:
        with self._lock:
            self._delete()
            if self._undeleted:
                log.warning("spill %s: %d batches are written and cannot be deleted", self.path, len(self._undeleted))
            self._file.close()
            if not self._pending:
                self._reserve.release()
