"""`kill -9` during a recording: flushed frames are kept."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from reactivex import operators as ops

from rxfeed import Replay
from rxfeed.feed import RecordingTruncated
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.recordings import frames_in, lines_of, segments, text_of

# Prints after each flush how many frames can be read.
RECORDER = """
import sys, time
from rxfeed import Feed, record
url, folder, size = sys.argv[1:]
feed = Feed("BTC-USD", ["matches", "ticker"], url=url)
recorder = record(folder, flush_seconds=0.02, segment_bytes=int(size))
feed.pipe(recorder).subscribe()
feed.connect()
told = 0
while True:
    frames = recorder.stats.frames
    if frames > told:
        told = frames
        print(frames, flush=True)
    time.sleep(0.001)
"""


def record_and_kill(folder: Path, *, after: int, size: int) -> list[int]:
    """How many frames had been flushed at several times before the recorder was killed; *after* at least at the end."""
    with (
        Exchange(["BTC-USD"], seed=9, rate=2000) as exchange,
        subprocess.Popen(
            [sys.executable, "-c", RECORDER, exchange.url, str(folder), str(size)], stdout=subprocess.PIPE, text=True
        ) as recorder,
    ):
        assert recorder.stdout is not None
        flushed: list[int] = []
        try:
            while len(flushed) < 3 or flushed[-1] < after:
                flushed.append(int(recorder.stdout.readline()))
        finally:
            recorder.kill()
        flushed += map(int, recorder.stdout.read().split())
        assert recorder.wait(30) == -signal.SIGKILL
    return flushed


@pytest.mark.parametrize("size", [10**9, 20_000], ids=["one segment", "several"])
def test_flushed_frames_are_kept_in_order_after_a_kill(tmp_path: Path, size: int) -> None:
    flushed = record_and_kill(tmp_path, after=1500, size=size)[-1]
    frames = frames_in(tmp_path)
    assert len(frames) >= flushed >= 1500
    trades = [frame["trade_id"] for frame in frames if frame["type"] == "match"]
    assert trades == list(range(trades[0], trades[0] + len(trades)))
    *closed, last = segments(tmp_path)
    assert bool(closed) == (size < 10**9)
    for path in closed:
        lines = lines_of(path)
        assert lines[-1]["end"] == {"frames": sum("frame" in line for line in lines)}
    if not closed:  # else it may just have been closed, or begun
        assert "rxfeed" in lines_of(last)[0]
        assert "end" not in lines_of(last)[-1]


def test_killed_recording_is_played_to_its_last_whole_line(tmp_path: Path) -> None:
    flushed = record_and_kill(tmp_path, after=500, size=10**9)[-2]
    (path,) = segments(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 3])  # as after a kill during a write
    replay = Replay(tmp_path)
    played = Collected(replay)
    torn = Collected(replay.status.pipe(ops.filter(lambda status: isinstance(status, RecordingTruncated))))
    replay.run()
    assert played.completed
    assert [message.content for message in played.items] == frames_in(tmp_path)
    assert len(played.items) >= flushed  # the last block is lost, and the frames in it
    (tear,) = torn.items
    assert isinstance(tear, RecordingTruncated)
    assert (tear.path, tear.line) == (str(path), len(lines_of(path)) + 1)


def test_file_cut_anywhere_keeps_the_blocks_before(tmp_path: Path) -> None:
    flushed = record_and_kill(tmp_path, after=500, size=10**9)[-2]
    (path,) = segments(tmp_path)
    content, text = path.read_bytes(), text_of(path)
    torn = tmp_path / "torn.jsonl.zst"
    before = 0
    for size in range(len(content) - 3000, len(content), 7):
        torn.write_bytes(content[:size])
        left = text_of(torn)
        assert text.startswith(left)
        assert len(left) >= before
        before = len(left)
    assert before < len(text)
    assert sum(b'"frame"' in line for line in text[:before].splitlines()) >= flushed
    torn.write_bytes(content[:-1])
    assert lines_of(torn) == lines_of(path)[: len(lines_of(torn))]
