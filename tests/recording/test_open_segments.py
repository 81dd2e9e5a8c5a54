"""A segment that is being written is open; one that a killed recorder left is damaged."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Message, Replay, catalogue, record
from rxfeed.cli import main
from rxfeed.errors import ConnectFailed
from rxfeed.feed import Connecting, Disconnected
from rxfeed.recording.events import status_line
from rxfeed.recording.opening import lock
from tests.support.collect import Collected
from tests.support.recordings import segments
from tests.support.replays import played, torn
from tests.support.scenes import wait_until
from tests.support.segments import lines_of, write
from tests.support.sources import tick

RECORDER = """
import sys, time
from reactivex.subject import Subject
from rxfeed import record
from tests.support.sources import tick
source = Subject()
recorder = record(sys.argv[1], flush_seconds=0.01)
source.pipe(recorder).subscribe()
for number in range(5):
    source.on_next(tick(number, time.time_ns()))
while recorder.stats.frames < 5:
    time.sleep(0.01)
print("written", flush=True)
time.sleep(100)
"""


def test_open_segment_is_no_damage_until_its_recorder_is_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as recorder:
        try:
            assert recorder.stdout is not None
            assert recorder.stdout.readline() == "written\n"
            total = catalogue(tmp_path).total
            (path,) = segments(tmp_path)
            assert (total.open, total.damaged, total.messages) == ((str(path),), (), 5)
            assert main(["ls", str(tmp_path)]) == 0
            *_, opened, name, last = capsys.readouterr().out.splitlines()
            assert (opened, name, last) == ("1 file open: being written", f"  {path}", "1 file, nothing damaged")
            assert main(["ls", str(tmp_path), "--json"]) == 0
            assert json.loads(capsys.readouterr().out)["total"]["open"] == [str(path)]
            replay = Replay(tmp_path)
            status = Collected(replay.status)
            assert len(played(replay).items) == 5
            assert [tear.reason for tear in torn(status.items)] == ["it is being written: more follows"]
        finally:
            recorder.send_signal(signal.SIGKILL)
    total = catalogue(tmp_path).total
    assert (total.open, len(total.damaged), total.messages) == ((), 1, 5)
    assert total.damaged[0].reason == "it ends within a compressed frame"
    assert main(["ls", str(tmp_path)]) == 1


def test_open_segment_with_a_damaged_line_is_damaged(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=0.01)
    source.pipe(recorder).subscribe()
    source.on_next(tick(1))
    wait_until(lambda: recorder.stats.frames == 1)
    (path,) = segments(tmp_path)
    content = bytearray(path.read_bytes())
    content[6] ^= 0xFF
    with path.open("r+b") as file:
        file.write(content)
    total = catalogue(tmp_path).total
    assert (total.open, len(total.damaged)) == ((), 1)
    recorder.close()


def test_segment_is_locked_before_readers_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[list[Path]] = []

    def noted(number: int) -> None:
        found.append(segments(tmp_path))
        lock(number)

    monkeypatch.setattr("rxfeed.recording.segment_file.lock", noted)
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=0.001)
    source.pipe(recorder).subscribe()
    source.on_next(tick(1))
    wait_until(lambda: recorder.stats.frames == 1)
    assert found == [[]]
    (path,) = tmp_path.iterdir()
    assert catalogue(tmp_path).total.open == (str(path),)
    recorder.close()


def test_segment_is_open_for_readers_while_written(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=0.001, segment_bytes=2000)
    source.pipe(recorder).subscribe()
    for number in range(300):
        source.on_next(tick(number * 7919 % 65537))
        if number % 3 == 0 and segments(tmp_path):
            assert catalogue(tmp_path).total.damaged == ()
    assert recorder.close() == 0
    total = catalogue(tmp_path).total
    assert (total.open, total.damaged, total.messages) == ((), (), 300)


@pytest.mark.parametrize(
    ("events", "shown"),
    [
        (
            [Connecting(url="ws://there"), Disconnected(cause=ConnectFailed("refused"))],
            "always: 1 attempt and no connection",
        ),
        ([], "not known"),
    ],
)
def test_session_that_never_connected_is_not_shown_as_online(
    tmp_path: Path, events: list[Any], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, [status_line(event) for event in events])
    assert main(["ls", str(tmp_path)]) == 0
    assert f"  offline     {shown}\n" in capsys.readouterr().out


def test_session_behind_an_operator_was_never_offline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, lines_of([tick(1).raw]))
    assert main(["ls", str(tmp_path)]) == 0
    assert "  offline     never\n" in capsys.readouterr().out
