"""`rxfeed record` on a disk without room: it warns, stops cleanly, loses nothing, and starts again by itself."""

from __future__ import annotations

import errno
import logging
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from rxfeed.cli.record_disk import RecordingDisk
from rxfeed.errors import SinkError
from rxfeed.recording import DiskSpace, MinFree
from rxfeed.sim import Exchange
from tests.support.limits import SmallDisk
from tests.support.recordings import lines_of, segments
from tests.support.scenes import wait_until

Start = Callable[..., "subprocess.Popen[str]"]

MB = 10**6


def lines_to(process: subprocess.Popen[str], pattern: str, seen: list[str]) -> str:
    """The next log line with *pattern*; all lines are added to *seen*."""
    assert process.stderr is not None
    for line in process.stderr:
        seen.append(line)
        if re.search(pattern, line):
            return line
    raise AssertionError(f"ended without {pattern}: {seen}")


def summary(process: subprocess.Popen[str]) -> dict[str, int]:
    """The counts after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    rows = (re.match(r"(\w+) +([\d,]+)(?:\s|$)", line) for line in out.splitlines())
    return {row[1]: int(row[2].replace(",", "")) for row in rows if row}


def closed_frames(folder: Path) -> int:
    """The frames of segments that all have an end line."""
    return sum(lines_of(path)[-1]["end"]["frames"] for path in segments(folder))


def test_recorder_waits_for_bytes_and_entries_and_loses_nothing(start: Start, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", "8m", 200) as disk, Exchange(["BTC-USD"], seed=2, rate=200) as exchange:
        folder, seen = disk.path / "recordings", list[str]()
        args = ("record", "BTC-USD", "--url", exchange.url, "--to", str(folder), "--flush-seconds", "0.1")
        process = start(*args, "--min-free", "2MB")
        lines_to(process, "INFO    subscribed", seen)
        ballast = disk.fill(3 * MB)
        warning = lines_to(process, "WARNING the disk is nearly full", seen)
        assert re.search(r"(3.0|2.9) MB are free", warning)
        assert "at --min-free 2.0 MB" in warning
        disk.fill(MB)
        lines_to(process, r"ERROR   the recording stops: \S+ .B are free in .*, below --min-free 2.0 MB", seen)
        ballast.unlink()
        lines_to(process, "WARNING the disk has room again", seen)
        lines_to(process, "INFO    subscribed", seen)
        entries = disk.fill_entries(5)
        lines_to(process, r"ERROR   the recording stops: \d+ entries for files are free in .*, below 16 entries", seen)
        shutil.rmtree(entries)
        lines_to(process, "INFO    subscribed", seen)
        counts = summary(process)
        assert process.returncode == 3
        assert counts["received"] == counts["recorded"] == closed_frames(folder)
        assert (counts["stops"], len(segments(folder))) == (2, 3)


def test_recorder_waits_for_a_disk_that_refuses_to_write(start: Start, tmp_path: Path) -> None:
    """It is full although nothing has to stay free; then it is read-only; then the folder is deleted."""
    with SmallDisk(tmp_path / "disk", "2m") as disk, Exchange(["BTC-USD"], seed=2, rate=500) as exchange:
        folder, seen = disk.path / "recordings", list[str]()

        def frames_since(number: int) -> bool:
            return any("frame" in line for path in segments(folder)[number:] for line in lines_of(path))

        args = ("record", "BTC-USD", "--channel", "ticker", "--url", exchange.url, "--to", str(folder))
        process = start(*args, "--min-free", "0", "--flush-seconds", "0.05", "--segment-minutes", "0.002")
        lines_to(process, "INFO    subscribed", seen)
        wait_until(lambda: frames_since(0))
        ballast = disk.fill(0)
        lines_to(process, "ERROR   the recording stops: .*No space left on device; it starts again when", seen)
        stopped = len(segments(folder))
        assert frames_since(0)
        wait_until(lambda: disk.set_read_only(True))  # refused while the recorder tries to write
        lines_to(process, "WARNING .* still cannot be written: Read-only file system", seen)
        wait_until(lambda: disk.set_read_only(False))
        ballast.unlink()
        lines_to(process, "WARNING .* can be written again", seen)
        wait_until(lambda: frames_since(stopped))
        shutil.rmtree(folder, ignore_errors=True)  # the recorder may write meanwhile
        lines_to(process, "ERROR   (segment|folder) .* was deleted", seen)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 1
        assert segments(folder)


def test_recorder_that_never_had_room_is_3(start: Start, tmp_path: Path) -> None:
    args = ("record", "BTC-USD", "--url", "ws://127.0.0.1:9", "--to", str(tmp_path / "to"))
    process = start(*args, "--min-free", "99.99%")
    lines_to(process, "ERROR   the recording stops: .* below ", [])
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 3
    assert not (tmp_path / "to").exists()


def test_recorder_of_a_read_only_folder_is_2(start: Start, tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "disk", "1m") as disk:
        assert disk.set_read_only(True)
        process = start("record", "BTC-USD", "--to", str(disk.path / "recordings"))
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"cannot be written: {disk.path} is not writable" in err


# ---- decisions, on a clock of the test


class Disk:
    """A disk that the test fills."""

    def __init__(self, minimum: int = 100 * MB) -> None:
        self.now = 0.0
        self.free = 10**9
        self.error: OSError | None = None
        self.probes = 0
        self.disk = RecordingDisk(
            Path("here"), MinFree(bytes=minimum), 0o600, lambda: self.now, lambda folder: self.space(), self.probe
        )

    def space(self) -> DiskSpace:
        return DiskSpace(self.free, 10**9)

    def probe(self, folder: Path, mode: int) -> OSError | None:
        self.probes += 1
        return self.error

    def after(self, seconds: float) -> bool:
        self.now += seconds
        return self.disk.has_room()


def refused(number: int) -> SinkError:
    error = SinkError("3 items not written: here/x: refused", 3)
    error.__cause__ = SinkError("here/x: refused", 0)
    error.__cause__.__cause__ = OSError(number, "refused")
    return error


def test_disk_is_examined_once_a_second(caplog: pytest.LogCaptureFixture) -> None:
    disk = Disk()
    assert disk.after(1)
    disk.free = 50 * MB
    assert disk.after(0.5)
    assert not disk.after(0.6)
    disk.free = 120 * MB
    assert not disk.after(2)
    disk.free = 130 * MB
    assert disk.after(2)
    levels = [(record.levelno, record.getMessage().partition(":")[0]) for record in caplog.records]
    assert levels == [(logging.ERROR, "the recording stops"), (logging.WARNING, "the disk has room again")]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.ENOTDIR])
def test_refused_write_is_tried_again_with_rising_waits(number: int) -> None:
    disk = Disk()
    assert disk.disk.refused(refused(number))
    disk.error = OSError(number, "refused")
    assert not any(disk.after(1) for _ in range(600))
    assert 20 <= disk.probes <= 120
    disk.error = None
    assert any(disk.after(1) for _ in range(31))


def test_refusals_that_repeat_wait_longer() -> None:
    """Also when each probe succeeds, and only the recording fails."""
    disk = Disk()
    stops = 0
    for _ in range(600):
        if disk.after(1):
            stops += 1
            assert disk.disk.refused(refused(errno.EIO))
    assert stops < 80


def test_refusal_that_does_not_pass_ends_the_recording() -> None:
    assert not Disk().disk.refused(refused(errno.EFBIG))
    assert not Disk().disk.refused(SinkError("a defect", 0))
