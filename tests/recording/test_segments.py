"""Segments: written lines can be read at any time, and are read back equal."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import FeedStatus, Malformed, Message, RecordingDamaged, SinkError
from rxfeed.feed import CaughtUp, Connected, Gap, KeepalivePong
from rxfeed.recording import RecordedSegment
from rxfeed.recording.events import status_of
from rxfeed.recording.format import decode_header, decode_line
from rxfeed.recording.lines import Lines
from rxfeed.recording.reading import Recording
from rxfeed.recording.segment_file import Totals
from rxfeed.recording.segments import Segments
from tests.support.limits import file_size_limit
from tests.support.recordings import lines_of, segments, text_of
from tests.support.sources import Said, message, tick

NS = 1_790_733_802_123_456_789


Begin = Callable[..., "Writing"]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begins a `Writing`; segments that are open at the end are closed."""
    with ExitStack() as stack:
        yield lambda *args, **named: stack.enter_context(Writing(*args, **named))


class Writing:
    """Segments with a clock that the test sets."""

    def __init__(self, folder: Path, *, size: int = 10**9, seconds: float = 1e6) -> None:
        self.now = NS
        self.totals = Totals()
        self.finished: list[RecordedSegment] = []
        self.segments = Segments(
            folder,
            segment_bytes=size,
            segment_seconds=seconds,
            level=3,
            totals=self.totals,
            finished=self.finished.append,
            about=lambda: {"products": ["BTC-USD"]},
            clock=lambda: self.now,
        )
        self._lines = Lines(Said(()))

    def __enter__(self) -> Writing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.segments.abandon()

    def write(self, *items: Any) -> None:
        for chunk in self._lines.encode(items):
            self.segments.write(chunk)


def test_segment_has_header_lines_and_end(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    writing.write(tick(1, NS + 5), Malformed(b"{", "not JSON", NS + 6), CaughtUp(), tick(2, NS + 7))
    writing.now += 10
    writing.segments.close()
    (path,) = segments(tmp_path)
    header, *lines, end = lines_of(path)
    session = header["session"]
    assert header == {
        "rxfeed": 1,
        "ns": NS,
        "session": session,
        "segment": 1,
        "about": {"products": ["BTC-USD"]},
    }
    assert [next(name for name in ("malformed", "status", "frame") if name in line) for line in lines] == [
        "frame",
        "malformed",
        "status",
        "frame",
    ]
    times = [line["ns"] for line in lines]
    assert end == {"ns": NS + 10, "end": {"frames": 3}, "first": min(times), "last": max(times)}
    (told,) = writing.finished
    assert told == RecordedSegment(
        path=path,
        session=session,
        number=1,
        frames=3,
        malformed=1,
        events=1,
        bytes=path.stat().st_size,
        uncompressed=len(text_of(path)),
        first_ns=NS + 5,
        last_ns=NS + 7,
    )
    assert told.first == told.last == datetime(2026, 9, 30, 2, 3, 22, 123456, UTC)
    totals = writing.totals
    assert (totals.frames, totals.malformed, totals.events, totals.segments) == (3, 1, 1, 1)
    assert (totals.bytes, totals.uncompressed) == (told.bytes, told.uncompressed)


def test_segment_without_frames_has_no_first_time(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    writing.write(CaughtUp())
    writing.segments.close()
    (told,) = writing.finished
    assert (told.frames, told.first_ns, told.first, told.last) == (0, 0, None, None)


def test_names_have_time_and_session_and_sort(tmp_path: Path, begin: Begin) -> None:
    """They sort in order of writing, also if the clock is set back."""
    writing = begin(tmp_path, size=1)
    for number in range(3):
        writing.write(tick(number))
        writing.now -= 10**9
    paths = [told.path for told in writing.finished]
    assert paths == segments(tmp_path)
    session = writing.finished[0].session
    assert re.fullmatch(r"[0-9a-f]{8}", session)
    assert [path.name for path in paths] == [
        f"20260930T020322.{123456 + number}Z-{session}-0000{number + 1}.jsonl.zst" for number in range(3)
    ]
    assert [json.loads(text_of(path).splitlines()[0])["segment"] for path in paths] == [1, 2, 3]


def test_written_lines_are_readable_before_the_end(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    writing.segments.open()
    assert writing.segments.path == segments(tmp_path)[0]
    for number in range(1, 50):
        writing.write(tick(number))
        header, *lines = lines_of(segments(tmp_path)[0])
        assert header["rxfeed"] == 1
        assert [line["frame"]["sequence"] for line in lines] == list(range(1, number + 1))


def test_segment_is_full_at_its_size(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path, size=5_000)
    for number in range(1000):
        writing.write(tick(number * 7919 % 65537))
        if writing.segments.path is not None:
            assert writing.segments.path.stat().st_size < 5_000
    assert len(writing.finished) > 2
    for told in writing.finished:
        assert 5_000 <= told.bytes < 5_200  # one line more than enough, and the end
    writing.segments.close()
    assert sum(told.frames for told in writing.finished) == 1000
    assert lines_of(segments(tmp_path)[1])[0]["segment"] == 2


def test_segment_ends_after_its_seconds(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path, seconds=60)
    for seconds in (0, 59.999, 60, 119.999, 200):
        writing.now = NS + round(seconds * 1e9)
        writing.write(tick(int(seconds)))
    writing.segments.close()
    held = [[line["frame"]["sequence"] for line in lines_of(path)[1:-1]] for path in segments(tmp_path)]
    assert held == [[0, 59], [60, 119], [200]]


def test_clock_set_back_does_not_prolong_a_segment(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path, seconds=60)
    writing.write(tick(1))
    writing.now -= 3600 * 10**9
    writing.write(tick(2))
    assert len(writing.finished) == 1


def test_existing_segments_of_a_folder_are_kept(tmp_path: Path, begin: Begin) -> None:
    folder = tmp_path / "new" / "folder"
    before: dict[Path, bytes] = {}
    sessions = set()
    for _ in range(3):
        writing = begin(folder)
        writing.write(tick(1))
        writing.segments.close()
        sessions.add(writing.finished[0].session)
        assert {path: path.read_bytes() for path in before} == before
        before = {path: path.read_bytes() for path in segments(folder)}
    assert len(before) == len(sessions) == 3


def test_closed_segment_and_its_name_are_synced_to_disk(
    tmp_path: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[str, int]] = []

    def fsync(file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        synced.append((str(Path(f"/proc/self/fd/{number}").readlink()), os.fstat(number).st_size))

    monkeypatch.setattr("rxfeed.recording.segment_file.os.fsync", fsync)
    writing = begin(tmp_path)
    writing.write(tick(1))
    assert synced == []
    writing.segments.close()
    (told,) = writing.finished
    assert synced[0] == (str(told.path), told.bytes)
    assert [path for path, _ in synced] == [str(told.path), str(tmp_path)]


def test_closed_segment_can_be_verified(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    writing.write(*map(tick, range(100)))
    writing.segments.close()
    content = bytearray(writing.finished[0].path.read_bytes())
    content[-1] ^= 1  # of the checksum
    with pytest.raises(zstandard.ZstdError):
        zstandard.ZstdDecompressor().decompressobj(read_across_frames=True).decompress(bytes(content))


def test_long_segment_is_verified_a_megabyte_at_a_time(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    for number in range(100):
        writing.write(*(tick(each * 7919 % 65537) for each in range(number * 300, number * 300 + 300)))
    writing.segments.close()
    (told,) = writing.finished
    content = bytearray(told.path.read_bytes())
    content[-1] ^= 1
    told.path.write_bytes(content)
    read: list[int] = []
    with pytest.raises(RecordingDamaged, match="checksum"):
        read.extend(len(chunk.text) for chunk in Recording(told.path).chunks())
    assert told.uncompressed > 2_000_000
    assert 0 < told.uncompressed - sum(read) < 1_100_000


def test_full_disk_is_a_sink_error_and_keeps_written_lines(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    writing.write(*map(tick, range(10)))
    (path,) = segments(tmp_path)
    size = path.stat().st_size
    with file_size_limit(size + 100), pytest.raises(SinkError, match=re.escape(f"{path}: File too large")):
        writing.write(*(tick(number * 7919 % 65537) for number in range(1000)))
    writing.segments.abandon()
    assert path.stat().st_size == size
    assert [line["frame"]["sequence"] for line in lines_of(path)[1:]] == list(range(10))
    assert (writing.totals.frames, writing.totals.bytes) == (10, size)
    assert writing.finished == []


def test_segment_that_cannot_be_created_is_a_sink_error(tmp_path: Path, begin: Begin) -> None:
    writing = begin(tmp_path)
    with file_size_limit(0), pytest.raises(SinkError, match="File too large"):
        writing.segments.open()
    (tmp_path / "file").touch()
    with pytest.raises(SinkError, match=r"file: (File exists|Not a directory)"):
        begin(tmp_path / "file").segments.open()


# ---- any lines, and any flushes

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
times = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda time: time.replace(tzinfo=UTC))
numbers = st.integers(1, 2**62)
frames = st.builds(
    lambda text, indent, ascii_only, ns, epoch: message(
        json.dumps({"type": "news", "text": text}, indent=indent, ensure_ascii=ascii_only), ns, epoch
    ),
    texts,
    st.sampled_from([None, 1]),
    st.booleans(),
    numbers,
    st.integers(0, 2**31),
)
malformed = st.builds(Malformed, st.binary(max_size=40), texts, numbers)
statuses: st.SearchStrategy[FeedStatus] = st.one_of(
    st.builds(Connected, url=texts, at=times),
    st.builds(Gap, product_id=texts, channel=texts, first=numbers, last=numbers, at=times),
    st.builds(CaughtUp, at=times),
)
pongs = st.builds(KeepalivePong, round_trip=st.floats(0, 1e6), at=times)
flush = st.just("flush")
steps = st.one_of(frames, malformed, statuses, pongs, flush, st.floats(0, 100))


@settings(deadline=None)
@given(steps=st.lists(steps, max_size=60), size=st.integers(1, 3000), seconds=st.floats(1, 100))
def test_written_lines_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Any], size: int, seconds: float
) -> None:
    folder = tmp_path_factory.mktemp("recording")
    waiting: list[Any] = []
    items = [step for step in steps if not isinstance(step, str | float)]
    with Writing(folder, size=size, seconds=seconds) as writing:
        for step in [*steps, "flush"]:
            if isinstance(step, float):
                writing.now += round(step * 1e9)
            elif isinstance(step, str):
                writing.write(*waiting)
                waiting.clear()
            else:
                waiting.append(step)
        writing.segments.close()
    read: list[Any] = []
    for number, path in enumerate(segments(folder), 1):
        header, *lines, end = text_of(path).splitlines()
        assert decode_header(header).segment == number
        came = [_item(line) for line in lines]
        said = decode_line(end).end
        assert said is not None
        assert said.frames == sum(isinstance(each, tuple | Malformed) for each in came)
        read += came
    assert read == [_plain(item) for item in items]


def _item(text: bytes) -> Any:
    line = decode_line(text)
    if line.malformed is not None:
        return Malformed(line.raw(), line.malformed, line.ns)
    if line.pong is not None:
        return KeepalivePong(
            round_trip=line.pong, at=datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=line.ns // 1000)
        )
    return status_of(line) if line.status else (line.raw(), line.ns, line.epoch)


def _plain(item: Any) -> Any:
    return (item.raw, item.received_ns, item.epoch) if isinstance(item, Message) else item
