"""Retention deletes the oldest finished segments over the limits, and none that is written or not marked yet."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed.recording import (
    MARKS,
    KeepLimits,
    Mark,
    Retention,
    SegmentList,
    StoredSegment,
    expired,
    mark_segments,
    marked_segments,
)
from rxfeed.recording.lines import LineBatch
from rxfeed.recording.segment_file import Totals
from rxfeed.recording.segments import RecordedSegment, Segments

DAY = 86_400 * 10**9
NOW = 1_790_000_000 * 10**9

segment_lists = st.lists(
    st.builds(
        lambda age, length, size, open, marks: StoredSegment("", size, NOW - age, NOW - age + length, open, marks),
        age=st.integers(0, 10 * DAY),
        length=st.integers(0, DAY),
        size=st.integers(0, 1000),
        open=st.booleans(),
        marks=st.frozensets(st.sampled_from(MARKS)),
    ),
    max_size=12,
).map(lambda found: [segment._replace(name=f"s{place:03}") for place, segment in enumerate(found)])
limits_of_any_kind = st.builds(
    KeepLimits,
    days=st.none() | st.floats(0.01, 12),
    bytes=st.none() | st.integers(0, 8000),
    after=st.frozensets(st.sampled_from(MARKS)),
)


@settings(max_examples=40)
@given(segment_lists, limits_of_any_kind)
def test_expired_segments_are_finished_marked_and_over_a_limit(
    segments: list[StoredSegment], limits: KeepLimits
) -> None:
    found = expired(segments, limits, NOW)
    kept = [segment for segment in segments if segment not in found.delete]
    assert not any(segment.open for segment in (*found.delete, *found.held))
    assert all(limits.after <= segment.marks for segment in found.delete)
    assert not any(limits.after <= segment.marks for segment in found.held)
    deletable = [segment for segment in kept if not segment.open and limits.after <= segment.marks]
    total = sum(segment.bytes for segment in kept)
    if limits.days is not None:
        assert all(segment.last_ns >= NOW - round(limits.days * DAY) for segment in deletable)
    if limits.bytes is not None and total > limits.bytes:
        assert deletable == []  # what is left over the limit is open or held back
        assert {segment.name for segment in found.held} >= {segment.name for segment in kept if not segment.open}
    if limits.days is None and limits.bytes is None:
        assert found == ((), ())


@settings(max_examples=40)
@given(segment_lists, limits_of_any_kind)
def test_expired_by_size_alone_is_never_more_than_needed(segments: list[StoredSegment], limits: KeepLimits) -> None:
    if limits.days is None and limits.bytes is not None:
        delete = expired(segments, limits, NOW).delete
        total = sum(segment.bytes for segment in segments)
        for segment in delete:
            assert total > limits.bytes
            total -= segment.bytes
        oldest = [segment for segment in segments if not segment.open and limits.after <= segment.marks]
        oldest.sort(key=lambda segment: (segment.begun_ns, segment.name))
        assert list(delete) == oldest[: len(delete)]


@settings(max_examples=40)
@given(segment_lists, limits_of_any_kind)
def test_expired_twice_finds_nothing_more(segments: list[StoredSegment], limits: KeepLimits) -> None:
    delete = expired(segments, limits, NOW).delete
    assert expired([segment for segment in segments if segment not in delete], limits, NOW).delete == ()


class Recorder:
    """Writes segments in *folder* on a clock that the test advances."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        self.finished: list[RecordedSegment] = []
        self.segments = Segments(
            folder,
            segment_bytes=10**9,
            segment_seconds=3600.0,
            level=1,
            totals=Totals(),
            finished=self.finished.append,
            clock=lambda: self.now,
        )

    def segment(self, *, end: bool = True) -> str:
        """The name of a new segment with one frame, an hour after the one before."""
        self.now += 3600 * 10**9
        line = b'{"ns":%d,"epoch":1,"frame":{}}\n' % self.now
        self.segments.write(LineBatch([line], 1, len(line), frames=1, earliest=self.now, latest=self.now))
        path = self.segments.path
        assert path is not None
        if end:
            self.segments.close()
        return path.name


@pytest.fixture
def recorders() -> Iterator[Callable[[Path], Recorder]]:
    made: list[Recorder] = []

    def make(folder: Path) -> Recorder:
        made.append(Recorder(folder))
        return made[-1]

    yield make
    for each in made:
        each.segments.abandon()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix == ".zst"}


def test_retention_keeps_open_and_foreign_files(tmp_path: Path, recorders: Callable[[Path], Recorder]) -> None:
    recorder, other = recorders(tmp_path), recorders(tmp_path)
    closed = [recorder.segment() for _ in range(3)]
    written, written_by_another = recorder.segment(end=False), other.segment(end=False)
    foreign = {"20260101.jsonl.zst", "notes.jsonl.zst"}
    for name in foreign:
        (tmp_path / name).write_bytes(b"x" * 10_000)
    deleted = Retention(tmp_path, KeepLimits(bytes=0), lambda: recorder.now).apply()
    assert [segment.name for segment in deleted] == closed
    assert names(tmp_path) == {written, written_by_another} | foreign


def test_retention_deletes_what_a_killed_recorder_left(tmp_path: Path, recorders: Callable[[Path], Recorder]) -> None:
    recorder = recorders(tmp_path)
    name = recorder.segment(end=False)
    retention = Retention(tmp_path, KeepLimits(bytes=0), lambda: recorder.now)
    assert retention.apply() == ()
    recorder.segments.abandon()  # as after a kill: no end line, and no lock
    assert [segment.name for segment in retention.apply()] == [name]


def test_retention_by_days_uses_the_last_line(tmp_path: Path, recorders: Callable[[Path], Recorder]) -> None:
    recorder = recorders(tmp_path)
    all_names = [recorder.segment() for _ in range(48)]
    retention = Retention(tmp_path, KeepLimits(days=1), lambda: recorder.now)
    deleted = [segment.name for segment in retention.apply()]
    assert deleted == all_names[:23]
    assert names(tmp_path) == set(all_names[23:])


def test_retention_waits_for_the_mark_and_logs_once(
    tmp_path: Path, recorders: Callable[[Path], Recorder], caplog: pytest.LogCaptureFixture
) -> None:
    recorder = recorders(tmp_path)
    first, second, third = (recorder.segment() for _ in range(3))
    after: frozenset[Mark] = frozenset({"exported"})
    retention = Retention(tmp_path, KeepLimits(bytes=0, after=after), lambda: recorder.now)
    caplog.set_level(logging.INFO, "rxfeed.recording")
    assert retention.apply() == retention.apply() == ()
    (warning,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("3 segments of ")
    assert warning.endswith("are over the limits and are kept until they are exported")
    mark_segments(tmp_path, "exported", [second])
    mark_segments(tmp_path, "audited", [first])
    assert [segment.name for segment in retention.apply()] == [second]
    assert marked_segments(tmp_path, "exported") == {}
    mark_segments(tmp_path, "exported", [first])
    with (tmp_path / first).open("ab") as file:
        file.write(b"more")
    assert retention.apply() == ()  # the mark is of a shorter file
    mark_segments(tmp_path, "exported", [first, third])
    assert {segment.name for segment in retention.apply()} == {first, third}
    assert names(tmp_path) == set()


def test_segment_list_reads_the_end_of_a_segment_once(
    tmp_path: Path, recorders: Callable[[Path], Recorder], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = recorders(tmp_path)
    for _ in range(3):
        recorder.segment()
    found = SegmentList(tmp_path)
    before = found.read()
    monkeypatch.setattr("rxfeed.recording.stored.open_file", None)
    monkeypatch.setattr("rxfeed.recording.stored.bounds_of", None)
    assert found.read() == before
    assert [segment.open for segment in before] == [False] * 3


def test_retention_that_cannot_delete_logs_once(
    tmp_path: Path,
    recorders: Callable[[Path], Recorder],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorder = recorders(tmp_path)
    recorder.segment()
    retention = Retention(tmp_path, KeepLimits(bytes=0), lambda: recorder.now)
    with monkeypatch.context() as patched:

        def refuse(path: Path, missing_ok: bool) -> None:
            raise PermissionError(13, "Permission denied")

        patched.setattr(Path, "unlink", refuse)
        assert retention.apply() == retention.apply() == ()
    (record,) = caplog.records
    assert record.getMessage().endswith("cannot be deleted: Permission denied; it is tried again")
    assert len(retention.apply()) == 1
