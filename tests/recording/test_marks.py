"""Marks of exported and audited segments: appended safely, valid for one size, forgotten on request."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from rxfeed.recording import forget_marks, mark_segments, marked_segments


def segment(folder: Path, name: str, size: int) -> str:
    (folder / name).write_bytes(b"x" * size)
    return name


def test_marks_have_the_size_of_their_segments(tmp_path: Path) -> None:
    assert marked_segments(tmp_path, "exported") == {}
    mark_segments(tmp_path, "exported", [segment(tmp_path, "a", 3), tmp_path / segment(tmp_path, "b", 5)])
    mark_segments(tmp_path, "audited", ["a"])
    mark_segments(tmp_path, "exported", [])
    assert marked_segments(tmp_path, "exported") == {"a": 3, "b": 5}
    assert marked_segments(tmp_path, "audited") == {"a": 3}
    assert (tmp_path / ".exported").read_text() == "a\t3\nb\t5\n"


def test_mark_that_a_kill_cut_is_none_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    for name in "abc":
        segment(tmp_path, name, 12)
    (tmp_path / ".exported").write_text("a\t12\nb\t1")
    assert marked_segments(tmp_path, "exported") == {"a": 12}
    mark_segments(tmp_path, "exported", ["c"])
    assert marked_segments(tmp_path, "exported") == {"a": 12, "b": 1, "c": 12}  # the size of b is wrong: not valid


def test_mark_of_a_missing_segment_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        mark_segments(tmp_path, "exported", ["gone"])
    assert not (tmp_path / ".exported").exists()


def test_forgotten_marks_keep_the_others_and_the_permissions(tmp_path: Path) -> None:
    forget_marks(tmp_path, "exported", {"a"})
    assert list(tmp_path.iterdir()) == []
    mark_segments(tmp_path, "exported", [segment(tmp_path, name, 1) for name in "abc"])
    (tmp_path / ".exported").chmod(0o640)
    forget_marks(tmp_path, "exported", {"a", "c", "x"})
    assert marked_segments(tmp_path, "exported") == {"b": 1}
    assert (tmp_path / ".exported").stat().st_mode & 0o777 == 0o640


def mark_each(folder: str, names: list[str]) -> None:
    for name in names:
        mark_segments(folder, "exported", [name])


def test_marks_of_another_process_survive_forgetting(tmp_path: Path) -> None:
    names = [segment(tmp_path, f"s{number}", 1) for number in range(12)]
    process = multiprocessing.get_context("spawn").Process(target=mark_each, args=(str(tmp_path), names))
    process.start()
    while process.is_alive():
        forget_marks(tmp_path, "exported", {"s0", "s1"})
    process.join()
    assert process.exitcode == 0
    assert set(marked_segments(tmp_path, "exported")) >= set(names[2:])
