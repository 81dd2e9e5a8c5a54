"""The free space of a disk: a warning well before the minimum, the stop at it, and the start when there is room."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.recording import DiskGuard, DiskSpace, DiskState, MinFree, disk_space, refusal
from tests.support.limits import SmallDisk

GB = 10**9


def test_guard_warns_stops_and_starts_again() -> None:
    guard = DiskGuard(MinFree(bytes=GB))
    free = [3.0, 1.9, 1.1, 0.99, 1.1, 1.24, 1.3, 2.1]
    states = [guard.step(DiskSpace(int(each * GB), 100 * GB), now=float(at)) for at, each in enumerate(free)]
    assert [state.value for state in states] == ["room", "low", "low", "full", "full", "full", "low", "room"]


def test_guard_by_percent_of_the_disk() -> None:
    guard = DiskGuard(MinFree(percent=5))
    assert guard.step(DiskSpace(11 * GB, 100 * GB), 0) is DiskState.ROOM
    assert guard.step(DiskSpace(9 * GB, 100 * GB), 1) is DiskState.LOW
    assert guard.step(DiskSpace(4 * GB, 100 * GB), 2) is DiskState.FULL


def test_guard_counts_entries_for_files_where_they_are_limited() -> None:
    guard = DiskGuard(MinFree(bytes=GB))
    assert guard.step(DiskSpace(90 * GB, 100 * GB, free_files=31, total_files=1000), 0) is DiskState.LOW
    assert guard.step(DiskSpace(90 * GB, 100 * GB, free_files=15, total_files=1000), 1) is DiskState.FULL
    assert guard.step(DiskSpace(90 * GB, 100 * GB, free_files=0, total_files=0), 2) is DiskState.ROOM


def test_guard_forecasts_the_minimum_within_an_hour() -> None:
    """A gigabyte a minute: 50 GB above the minimum are 50 minutes."""
    guard = DiskGuard(MinFree(bytes=GB))
    states = [guard.step(DiskSpace((120 - minute) * GB, 200 * GB), 60.0 * minute) for minute in range(70)]
    assert states.index(DiskState.LOW) == 60
    assert guard.seconds_left(DiskSpace(51 * GB, 200 * GB)) == pytest.approx(3000)


@given(st.lists(st.integers(0, 4 * GB), min_size=1, max_size=30))
def test_guard_is_full_below_the_minimum_and_never_with_enough(frees: list[int]) -> None:
    guard = DiskGuard(MinFree(bytes=GB))
    for at, free in enumerate(frees):
        state = guard.step(DiskSpace(free, 100 * GB), at)
        if free < GB:
            assert state is DiskState.FULL
        elif free >= 2 * GB:
            assert state is DiskState.ROOM


def test_guard_without_a_minimum_never_stops() -> None:
    guard = DiskGuard(MinFree())
    assert guard.step(DiskSpace(0, GB, 0, 100), 0) is DiskState.ROOM


def test_disk_space_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    here, later = disk_space(tmp_path), disk_space(tmp_path / "a" / "b")
    assert here.total == later.total > here.free > 0


def test_refusal_leaves_nothing_and_has_the_reason(tmp_path: Path) -> None:
    assert refusal(tmp_path / "new") is None
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").touch()
    found = refusal(tmp_path / "file")
    assert isinstance(found, FileExistsError)


@pytest.mark.parametrize(("free", "entries"), [(500_000, 100), (4_000_000, 5)])
def test_refusal_has_the_reason_where_a_recording_cannot_start(tmp_path: Path, free: int, entries: int) -> None:
    """There is room for a small file, and not for a segment with its spill: in bytes, and in entries."""
    with SmallDisk(tmp_path / "disk", "8m", 200) as disk:
        disk.fill(free)
        disk.fill_entries(entries)
        found = refusal(disk.path)
        assert found is not None
        assert found.errno == errno.ENOSPC
        assert not list(disk.path.glob(".probe*"))
