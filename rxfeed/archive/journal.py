"""The state of an archive's exports, and how a batch of files becomes visible at once, or not at all.

Rules:
- All that is not finished is in `.rxfeed`, which no reader of Parquet looks into. One export at a time has its lock.
- A batch is committed when `state.json` names its files and the segments they are made of; all of them are on the disk
  before. The files are then renamed to their places. If the process ends between, the next one renames the rest.
- What a process that was killed left without a commit is deleted, and its segments are exported again.
- `state.json` is replaced by a rename, so that it is always whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from rxfeed._version import __version__
from rxfeed.archive.arrow import refusals, sync
from rxfeed.archive.partitions import StagedFile
from rxfeed.archive.repairs import Ranges
from rxfeed.audit import FileRecord
from rxfeed.errors import ConfigError
from rxfeed.recording import Epochs

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

FOLDER = ".rxfeed"
VERSION = 1


class State(msgspec.Struct):
    """What was exported, and what the next batch depends on.

    *done*: the exported numbers of each session, as ranges. *repaired*: the exported ids of each repair. *ends*: where
    the exported files of each venue end, for the audit of the next ones. *moves*: files of the last batch, and their
    places. *removes*: files that the last batch replaces. *open_files*: files with results that are not final, which
    the next batch replaces. *machines*: the file with the state of candles and books, and *rxfeed* the version that
    wrote it.
    """

    version: int = VERSION
    options: dict[str, object] = {}
    batches: int = 0
    done: dict[str, list[tuple[int, int]]] = {}
    repaired: dict[str, Ranges] = {}
    epochs: dict[str, Epochs] = {}
    ends: dict[str, FileRecord] = {}
    moves: list[tuple[str, str]] = []
    removes: list[str] = []
    open_files: list[str] = []
    machines: str = ""
    rxfeed: str = ""

    def has(self, session: str, number: int) -> bool:
        return any(first <= number <= last for first, last in self.done.get(session, ()))

    def add(self, session: str, number: int) -> None:
        """*number* of *session* is exported."""
        numbers = sorted([*self.done.get(session, ()), (number, number)])
        joined: list[tuple[int, int]] = []
        for first, last in numbers:
            if joined and first <= joined[-1][1] + 1:
                joined[-1] = joined[-1][0], max(joined[-1][1], last)
            else:
                joined.append((first, last))
        self.done[session] = joined


class Journal:
    """The state of the archive in *folder*, which this process locks until `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._inside = folder / FOLDER
        self._path = self._inside / "state.json"
        self.staging = self._inside / "staging"
        with refusals(folder):
            self._inside.mkdir(parents=True, exist_ok=True)
            number = lock(self._inside / "lock")
        if number is None:
            raise ConfigError(f"{folder}: another process exports into this folder")
        self._lock = number
        try:
            self.state = self._read()
            self._apply()
            self._clean()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        os.close(self._lock)

    def machines(self) -> bytes | None:
        """The stored state of the machines; `None` if there is none that this version can use."""
        if not self.state.machines or self.state.rxfeed != __version__:
            return None
        with contextlib.suppress(OSError):
            return (self._inside / self.state.machines).read_bytes()
        return None

    def commit(self, state: State, files: Sequence[StagedFile], open_files: Sequence[Path], machines: bytes) -> None:
        """Make *files* visible, with *state*, and remove those that the last batch left open."""
        with refusals(self.folder):
            state.batches += 1
            state.moves = [(str(file.path.relative_to(self.folder)), str(file.final)) for file in files]
            state.removes = state.open_files
            state.open_files = [str(path) for path in open_files]
            state.machines, state.rxfeed = "", __version__
            if machines:
                state.machines = f"machines-{state.batches}"
                _write(self._inside / state.machines, machines)
            if self.staging.exists():
                sync(self.staging)
            self._write(state)
        self.state = state
        self._apply()
        self._clean()

    def _read(self) -> State:
        try:
            state = msgspec.json.decode(self._path.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (msgspec.MsgspecError, OSError) as error:
            raise ConfigError(
                f"{self._path}: not the state of an archive: {error}; export into a new folder"
            ) from error
        if state.version != VERSION:
            raise ConfigError(f"{self._path}: version {state.version}; this rxfeed writes {VERSION}")
        return state

    def _write(self, state: State) -> None:
        _write(self._path, msgspec.json.format(msgspec.json.encode(state)))

    def _apply(self) -> None:
        """Rename the files of the last batch, if that is not done."""
        state = self.state
        if not state.moves and not state.removes:
            return
        with refusals(self.folder):
            for name in state.removes:
                (self.folder / name).unlink(missing_ok=True)
            changed: set[Path] = set()
            for staged, final in state.moves:
                source, target = self.folder / staged, self.folder / final
                changed |= make_folders(target.parent)
                if source.exists():
                    source.replace(target)
                changed.add(target.parent)
            for folder in sorted(changed):
                sync(folder)
            state.moves, state.removes = [], []
            self._write(state)

    def _clean(self) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        for path in self._inside.glob("machines-*"):
            if path.name != self.state.machines:
                path.unlink(missing_ok=True)


def make_folders(folder: Path) -> set[Path]:
    """Create *folder*; returns the folders that have a new name in them."""
    changed: set[Path] = set()
    for each in [*reversed(folder.parents), folder]:
        if not each.exists():
            each.mkdir(exist_ok=True)
            changed.add(each.parent)
    return changed


def _write(path: Path, content: bytes) -> None:
    """Replace the file at *path*, which is on the disk afterwards."""
    unnamed = path.with_name(f"{path.name}.new")
    with unnamed.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    unnamed.replace(path)
    sync(path.parent)


def lock(path: Path) -> int | None:
    """The descriptor of the file at *path*, which is created and locked; `None` if another process has the lock."""
    number = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    if fcntl is not None:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(number)
            return None
        except OSError:  # a file system without locks
            pass
    return number
