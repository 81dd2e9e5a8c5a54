"""A segment or its folder that is deleted, moved or replaced while it is written is noticed, and the sums are right."""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Message, Replay, record
from rxfeed.cli import main
from rxfeed.recording import RecordedSegment, Recorder
from rxfeed.sim import Exchange
from tests.support.collect import Collected
from tests.support.recordings import frames_in, segments
from tests.support.replays import played
from tests.support.scenes import wait_until
from tests.support.sources import tick


class Recording:
    """A recorder of what the test sends."""

    def __init__(self, folder: Path, **how: Any) -> None:
        self.source: Subject[Message] = Subject()
        self.recorder: Recorder = record(folder, flush_seconds=0.01, **how)
        self.got: Collected[RecordedSegment] = Collected(self.source.pipe(self.recorder))
        self._sent = 0

    def send(self, count: int) -> None:
        """Send so many messages, and wait until they are written or lost."""
        for _ in range(count):
            self._sent += 1
            self.source.on_next(tick(self._sent))
        wait_until(lambda: self.recorder.stats.frames + self.recorder.stats.unwritten == self._sent)


@pytest.fixture
def begin() -> Iterator[Callable[..., Recording]]:
    begun: list[Recording] = []

    def make(*args: Any, **how: Any) -> Recording:
        begun.append(Recording(*args, **how))
        return begun[-1]

    yield make
    for each in begun:
        each.recorder.close()


def replaced(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"another file")


@pytest.mark.parametrize("how", ["file", "folder", "replaced"])
def test_deleted_segment_is_lost_and_the_recording_continues(
    tmp_path: Path, how: str, begin: Callable[..., Recording], caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "recordings"
    recording = begin(folder)
    recording.send(5)
    (path,) = segments(folder)
    if how == "folder":
        shutil.rmtree(folder)
    else:
        (Path.unlink if how == "file" else replaced)(path)
    recording.send(3)
    stats = recording.recorder.stats
    assert (stats.frames, stats.unwritten) == (3, 5)
    (lost,) = recording.got.items
    assert (lost.path, lost.frames, lost.lost) == (path, 5, True)
    assert recording.recorder.close() == 5
    if how == "replaced":
        path.unlink()
    assert [frame["sequence"] for frame in frames_in(folder)] == [6, 7, 8]
    assert recording.recorder.stats.frames == len(frames_in(folder))
    assert recording.recorder.stats.bytes == sum(each.stat().st_size for each in segments(folder))
    errors = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert f"segment {path} was deleted while it was written: 5 frames are lost" in errors


def test_segment_deleted_last_is_reported_at_the_end(tmp_path: Path, begin: Callable[..., Recording]) -> None:
    recording = begin(tmp_path / "recordings")
    recording.send(5)
    shutil.rmtree(tmp_path / "recordings")
    assert recording.recorder.close() == 5
    assert (recording.recorder.stats.frames, recording.recorder.stats.unwritten) == (0, 5)
    assert [each.lost for each in recording.got.items] == [True]


@pytest.mark.parametrize("size", [0, 150])
@pytest.mark.parametrize("more", [0, 3])
def test_segment_that_is_cut_off_is_lost_and_a_new_one_begun(
    tmp_path: Path, size: int, more: int, begin: Callable[..., Recording], caplog: pytest.LogCaptureFixture
) -> None:
    recording = begin(tmp_path)
    recording.send(5)
    (path,) = segments(tmp_path)
    os.truncate(path, size)
    recording.send(more)
    assert recording.recorder.close() == 5
    assert (recording.recorder.stats.frames, recording.recorder.stats.unwritten) == (more, 5)
    assert recording.got.items[0].lost
    errors = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert f"segment {path} was truncated while it was written: 5 frames are lost" in errors
    path.unlink()
    assert len(frames_in(tmp_path)) == more


def test_folder_deleted_behind_the_last_segment_is_noticed(tmp_path: Path, begin: Callable[..., Recording]) -> None:
    recording = begin(tmp_path / "recordings", segment_bytes=1)
    recording.send(2)
    wait_until(lambda: sum(each.frames for each in recording.got.items) == 2)
    shutil.rmtree(tmp_path / "recordings")
    assert recording.recorder.close() == 2
    assert recording.recorder.stats.frames == 0


def test_closed_segments_go_with_their_folder(tmp_path: Path, begin: Callable[..., Recording]) -> None:
    recording = begin(tmp_path / "recordings", segment_bytes=300)
    recording.send(4)
    recording.send(1)
    shutil.rmtree(tmp_path / "recordings")
    recording.send(2)
    recording.recorder.close()
    assert recording.recorder.stats.frames == len(frames_in(tmp_path / "recordings")) == 2
    assert recording.recorder.stats.unwritten == 5


def test_closed_segments_may_be_moved_elsewhere(tmp_path: Path, begin: Callable[..., Recording]) -> None:
    recording = begin(tmp_path / "recordings", segment_bytes=1)
    recording.send(1)
    for path in segments(tmp_path / "recordings"):
        path.rename(tmp_path / path.name)
    recording.send(1)
    assert recording.recorder.close() == 0
    assert recording.recorder.stats.frames == len(frames_in(tmp_path)) + len(frames_in(tmp_path / "recordings")) == 2


@pytest.mark.parametrize("how", ["file", "folder"])
def test_moved_segment_is_closed_in_its_new_place(
    tmp_path: Path, how: str, begin: Callable[..., Recording], caplog: pytest.LogCaptureFixture
) -> None:
    folder, other = tmp_path / "recordings", tmp_path / "other"
    recording = begin(folder)
    recording.send(5)
    if how == "folder":
        folder.rename(other)
    else:
        other.mkdir()
        (path,) = segments(folder)
        path.rename(other / path.name)
    recording.send(3)
    assert recording.recorder.close() == 0
    assert (recording.recorder.stats.frames, recording.recorder.stats.unwritten) == (8, 0)
    assert (len(frames_in(other)), len(frames_in(folder))) == (5, 3)
    assert len(played(Replay([other, folder])).items) == 8
    assert any("was moved" in each.getMessage() for each in caplog.records if each.levelno == logging.WARNING)


def test_failing_log_or_subscriber_does_not_end_the_recording(tmp_path: Path) -> None:
    """As where the log's disk is full, and a handler raises."""

    class Full(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise OSError("No space left on device")

    def raising(segment: RecordedSegment) -> None:
        raise ZeroDivisionError

    handler = Full()
    logging.getLogger("rxfeed").addHandler(handler)
    try:
        source: Subject[Message] = Subject()
        recorder = record(tmp_path / "recordings", flush_seconds=0.01)
        source.pipe(recorder).subscribe(raising)
        source.on_next(tick(1))
        wait_until(lambda: recorder.stats.frames == 1)
        shutil.rmtree(tmp_path / "recordings")
        source.on_next(tick(2))
        wait_until(lambda: recorder.stats.unwritten == 1)
        source.on_next(tick(3))
        assert recorder.close() == 1
    finally:
        logging.getLogger("rxfeed").removeHandler(handler)
    assert [frame["sequence"] for frame in frames_in(tmp_path / "recordings")] == [2, 3]


def test_record_command_fails_where_its_folder_was_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recordings"
    deleted: list[bool] = []
    write = os.fstat

    def delete_once(number: int) -> os.stat_result:
        if not deleted and any(path.stat().st_size > 2000 for path in segments(folder)):
            deleted.append(True)
            shutil.rmtree(folder)
        return write(number)

    monkeypatch.setattr("rxfeed.recording.segment_file.os.fstat", delete_once)
    with Exchange(["BTC-USD"], seed=3, rate=400) as exchange:
        status = main(
            [
                "record",
                "BTC-USD",
                "--url",
                exchange.url,
                "--to",
                str(folder),
                "--seconds",
                "2",
                "--flush-seconds",
                "0.05",
            ]
        )
    out = capsys.readouterr().out
    assert deleted
    assert status == 1
    assert "received frames are not recorded" in out


# ---- permissions


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("mode", "mask", "file", "folder"),
    [
        (None, 0o022, 0o600, 0o700),
        (None, 0o000, 0o600, 0o700),
        (0o640, 0o022, 0o640, 0o750),
        (0o644, 0o022, 0o644, 0o755),
        (0o664, 0o002, 0o664, 0o755),
        (0o640, 0o077, 0o600, 0o700),
    ],
)
def test_recordings_have_the_given_permissions(
    tmp_path: Path, umask: Callable[[int], int], mode: int | None, mask: int, file: int, folder: int
) -> None:
    tmp_path.chmod(0o711)
    umask(mask)
    recorder = record(tmp_path / "a" / "b", **({} if mode is None else {"mode": mode}))
    source: Subject[Message] = Subject()
    source.pipe(recorder).subscribe()
    source.on_next(tick(1))
    recorder.close()
    (path,) = segments(tmp_path / "a" / "b")
    assert permissions(path) == file
    assert [permissions(tmp_path / "a"), permissions(tmp_path / "a" / "b")] == [folder, folder]
    assert permissions(tmp_path) == 0o711


@pytest.mark.parametrize("text", ["640", "0640", "0o640"])
def test_record_command_accepts_octal_permissions(tmp_path: Path, umask: Callable[[int], int], text: str) -> None:
    with Exchange(["BTC-USD"], seed=3, rate=400) as exchange:
        command = ["record", "BTC-USD", "--url", exchange.url, "--to", str(tmp_path / "a"), "--seconds", "0.5"]
        assert main([*command, "--mode", text]) == 0
    (path,) = segments(tmp_path / "a")
    assert permissions(path) == 0o640


@pytest.mark.parametrize("text", ["64", "440", "755", "rw", "1640"])
def test_record_command_rejects_other_permissions(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["record", "BTC-USD", "--to", "nowhere", "--mode", text])
    assert "in octal" in capsys.readouterr().err
