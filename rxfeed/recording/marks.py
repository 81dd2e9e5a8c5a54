"""Marks which segments of a folder another program has exported or audited.

The contract between the programs that mark segments and retention, which reads the marks:

- The marks of a folder are in its files `.exported` and `.audited`, one line for each segment: `NAME<TAB>BYTES`.
- A program marks a finished segment after its own result is safe on the disk. Finished is also the segment of a
  recorder that was killed: no process writes it any more.
- The program may be killed between its result and the mark. So it marks again, on its next run, what its result has.
- A mark is for the whole segment: a program that has read a part of it (some products, some hours) makes none.
- A mark is valid while the segment has that size. So a mark of a segment that still grew deletes nothing.
- A line without an end was being written when its program was killed, and is no mark. Marks may be repeated.
- Programs lock the file (`flock`) while they append, so that `forget_marks` can write it anew.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Literal

from rxfeed.recording.opening import wait_for_lock

Mark = Literal["exported", "audited"]
MARKS: tuple[Mark, ...] = ("exported", "audited")


def mark_segments(folder: str | Path, mark: Mark, segments: Iterable[str | Path], *, missing_ok: bool = False) -> None:
    """Mark *segments* of *folder*, paths or names, and return when the marks are safe on the disk.

    Raises `OSError` if the folder cannot be written, or has no such segment. *missing_ok*: a segment that is not there
    was deleted meanwhile, and needs no mark.
    """
    lines = ""
    for name in map(_name, segments):
        with contextlib.suppress(*(FileNotFoundError,) * missing_ok):
            lines += f"{name}\t{(Path(folder) / name).stat().st_size}\n"
    if not lines:
        return
    with _locked(_file(folder, mark), os.O_RDWR | os.O_CREAT | os.O_APPEND) as number:
        size = os.fstat(number).st_size
        torn = bool(size) and os.pread(number, 1, size - 1) != b"\n"
        os.write(number, (("\n" if torn else "") + lines).encode())
        os.fsync(number)


def marked_segments(folder: str | Path, mark: Mark) -> dict[str, int]:
    """The size that each marked segment of *folder* had, by its name; empty if there are no marks."""
    try:
        text = _file(folder, mark).read_bytes()
    except FileNotFoundError:
        return {}
    return dict(filter(None, map(_parse, text[: text.rfind(b"\n") + 1].splitlines())))


def forget_marks(folder: str | Path, mark: Mark, names: Collection[str]) -> None:
    """Remove the marks of the segments *names*, which were deleted."""
    path = _file(folder, mark)
    if not path.exists():
        return
    with _locked(path, os.O_RDWR) as number:
        rest = {name: size for name, size in marked_segments(folder, mark).items() if name not in names}
        anew = path.with_name(f"{path.name}.new")
        with anew.open("wb") as file:
            os.fchmod(file.fileno(), os.fstat(number).st_mode & 0o777)
            file.write("".join(f"{name}\t{size}\n" for name, size in rest.items()).encode())
            file.flush()
            os.fsync(file.fileno())
        anew.replace(path)


def _file(folder: str | Path, mark: Mark) -> Path:
    return Path(folder) / f".{mark}"


def _name(segment: str | Path) -> str:
    return Path(segment).name


def _parse(line: bytes) -> tuple[str, int] | None:
    name, _, size = line.decode("utf-8", "replace").partition("\t")
    return (name, int(size)) if name and size.isdecimal() else None


@contextlib.contextmanager
def _locked(path: Path, flags: int) -> Iterator[int]:
    """The descriptor of the file at *path*, locked; it is opened again if another program has replaced it meanwhile."""
    while True:
        number = os.open(path, flags, 0o644)
        try:
            wait_for_lock(number)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(number), path.stat()):
                    yield number
                    return
        finally:
            os.close(number)
