"""With `since` and `until` segments are chosen by what they hold, wherever the clock went."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxfeed import Replay
from rxfeed.recording.bounds import bounds_of
from rxfeed.recording.lines import Lines
from rxfeed.recording.reading import Recording
from rxfeed.recording.segment_file import Totals
from rxfeed.recording.segments import Segments
from rxfeed.recording.timestamps import moment_of
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.recordings import segments, text_of
from tests.support.replays import SECOND, played, torn
from tests.support.segments import NS
from tests.support.sources import Said, tick


def write_segments(folder: Path, clock: list[int], per_segment: int) -> list[int]:
    """Ticks received at the seconds of *clock*, so many in a segment; the Unix nanoseconds of their receipt."""
    now = [NS]
    writing = Segments(
        folder,
        segment_bytes=10**9,
        segment_seconds=1e9,
        level=3,
        totals=Totals(),
        finished=lambda _: None,
        clock=lambda: now[0],
    )
    lines = Lines(Said(()))
    for place, second in enumerate(clock):
        now[0] = NS + second * SECOND
        for chunk in lines.encode([tick(place + 1, now[0])]):
            writing.write(chunk)
        if place % per_segment == per_segment - 1:
            writing.close()
    writing.close()
    return [NS + second * SECOND for second in clock]


def ns(moment: datetime) -> int:
    return round(moment.timestamp()) * SECOND


@settings(
    deadline=None, max_examples=amount(30, thorough=200), suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(-10_000, 10_000),
    st.integers(1, 5_000),
)
def test_span_of_receipt_is_played_despite_clock_changes(
    tmp_path_factory: pytest.TempPathFactory, clock: list[int], per_segment: int, since: int, length: int
) -> None:
    folder = tmp_path_factory.mktemp("recording")
    received = write_segments(folder, clock, per_segment)
    begin, end = NS + since * SECOND, NS + (since + length) * SECOND
    replay = Replay(folder, since=moment_of(begin), until=moment_of(end))
    status = Collected(replay.status)
    got = played(replay)
    assert [m.received_ns for m in got.items] == [each for each in received if begin <= each < end]
    assert torn(status.items) == []


def test_clock_set_back_by_an_hour_leaves_the_span_complete(tmp_path: Path) -> None:
    write_segments(tmp_path, [7200, 7201, 3600, 3601, 3602, 3603], 2)
    replay = Replay(tmp_path, since=moment_of(NS + 3600 * SECOND), until=moment_of(NS + 3700 * SECOND))
    assert len(played(replay).items) == 4


def test_header_has_the_clock_of_its_start(tmp_path: Path) -> None:
    write_segments(tmp_path, [7200, 3600], 1)
    headers = [Recording(path).header for path in segments(tmp_path)]
    assert [header.ns for header in headers if header is not None] == [NS + 7200 * SECOND, NS + 3600 * SECOND]


def test_segments_outside_the_span_are_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_segments(tmp_path, [*range(0, 6000, 1000)], 1)
    opened: list[int] = []
    chunks = Recording.chunks

    def watched(self: Recording) -> Iterator[Any]:
        assert self.header is not None
        opened.append(self.header.segment)
        return chunks(self)

    monkeypatch.setattr(Recording, "chunks", watched)
    played(Replay(tmp_path, since=moment_of(NS + 1500 * SECOND), until=moment_of(NS + 3500 * SECOND)))
    assert opened == [3, 4]


@pytest.mark.parametrize("lose", ["inside", "before"])
def test_missing_segment_is_reported_where_it_may_be_in_the_span(tmp_path: Path, lose: str) -> None:
    """Those that are there and hold nothing of the span are not missing."""
    write_segments(tmp_path, [0, 1000, 5000, 2000, 3000], 1)
    paths = segments(tmp_path)
    paths[3 if lose == "inside" else 0].unlink()
    replay = Replay(tmp_path, since=moment_of(NS + 900 * SECOND), until=moment_of(NS + 4000 * SECOND))
    status = Collected(replay.status)
    got = played(replay)
    assert len(got.items) == (2 if lose == "inside" else 3)
    reasons = [each.reason for each in torn(status.items)]
    assert [reason.startswith("segments 4 to 4") for reason in reasons] == ([True] if lose == "inside" else [])


@pytest.mark.parametrize("how", ["killed", "packed anew", "no packing", "cut", "gone"])
def test_bounds_are_known_only_with_a_whole_end_line(tmp_path: Path, how: str) -> None:
    write_segments(tmp_path, [3, 5, 9], 3)
    (path,) = segments(tmp_path)
    assert bounds_of(str(path)) == (NS + 3 * SECOND, NS + 9 * SECOND)
    content, text = path.read_bytes(), text_of(path)
    if how == "killed":
        path.write_bytes(text[: text.rindex(b'{"ns"')])
    elif how == "packed anew":
        path.write_bytes(gzip.compress(text))
    elif how == "no packing":
        path.write_bytes(text)
    elif how == "cut":
        path.write_bytes(content[:-1])
    else:
        path.unlink()
    assert (bounds_of(str(path)) is not None) == (how == "no packing")
