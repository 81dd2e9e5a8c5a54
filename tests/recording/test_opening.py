"""What cannot be opened or dated is reported with its file and reason, and the rest is played."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Replay, catalogue
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.recording.format import frame_line
from rxfeed.recording.opening import open_file
from rxfeed.recording.reading import Recording
from tests.support.collect import Collected
from tests.support.replays import SECOND, played, prices, torn, trades
from tests.support.segments import NS, lines_of, packed, text_of, write

TRADES = trades(1, 2)


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


def bound_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(path.parent)  # a socket's name has to be short
        try:
            listener.bind(path.name)
        finally:
            os.chdir(before)


def bad_date(path: Path) -> None:
    path.with_name("20261399T250000.000000Z-5f0c2b7a-00007.jsonl.zst").write_bytes(b"")


def header(ns: str) -> Callable[[Path], Any]:
    text = b'{"rxfeed":1,"ns":%s,"session":"aaaaaaaa","segment":1}\n{"ns":1,"end":{"frames":0}}\n'
    return lambda path: path.write_bytes(text % ns.encode())


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "dangling link": (dangling, "No such file"),
    "link loop": (loop, "Too many levels of symbolic links"),
    "folder": (Path.mkdir, "it is a folder; a recording is a file"),
    "FIFO": (os.mkfifo, "it is a FIFO; a recording is a file"),
    "socket": (bound_socket, "No such device"),
    "bad date in the name": (bad_date, "it is empty"),
    "header off the calendar": (header("999999999999999999999"), "off the calendar"),
    "header of thousands of digits": (header("9" * 3000), ""),
    "header with a text for a time": (header('"now"'), "Expected `int`"),
}


def made(folder: Path, kind: str) -> str:
    """A folder with a segment, the broken file, and a segment; the reason that is reported."""
    write(folder, lines_of(trades(1, 2)))
    write(folder, lines_of(trades(3, 4), ns=NS + 10 * SECOND), number=2, ns=NS + 10 * SECOND)
    make, reason = BROKEN[kind]
    make(folder / "broken.jsonl")
    return reason


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("merge", [False, True], ids=["in order", "merged"])
def test_broken_file_is_a_status_and_the_rest_is_played(
    tmp_path: Path, kind: str, merge: bool, caplog: pytest.LogCaptureFixture
) -> None:
    reason = made(tmp_path, kind)
    replay = Replay(tmp_path, merge=merge)
    status = Collected(replay.status)
    got = played(replay)
    assert got.completed
    assert prices(got.items) == [1, 2, 3, 4]
    named = [each for each in torn(status.items) if "are missing" not in each.reason]
    assert len(named) == 1
    assert reason in named[0].reason
    assert Path(named[0].path).parent == tmp_path
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert any(named[0].path in each and named[0].reason in each for each in warnings)


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_file_is_damage_in_the_catalogue(tmp_path: Path, kind: str) -> None:
    reason = made(tmp_path, kind)
    total = catalogue(tmp_path).total
    assert total.by_type == {"match": 4}
    (damage,) = [each for each in total.damaged if "are missing" not in each.reason]
    assert reason in damage.reason


@pytest.mark.parametrize("kind", ["dangling link", "FIFO"])
def test_replay_of_a_broken_file_alone_fails_with_the_reason(tmp_path: Path, kind: str) -> None:
    make, reason = BROKEN[kind]
    make(tmp_path / "broken.jsonl")
    with pytest.raises(RecordingDamaged, match=reason):
        Replay(tmp_path / "broken.jsonl").run()


@pytest.mark.parametrize("merge", [False, True], ids=["in order", "merged"])
@pytest.mark.parametrize("after", ["gone", "FIFO"])
def test_file_deleted_during_the_replay_is_reported(tmp_path: Path, merge: bool, after: str) -> None:
    paths = [
        write(tmp_path, lines_of(trades(n, n), ns=NS + n * SECOND), number=n, ns=NS + n * SECOND) for n in (1, 2, 3)
    ]
    replay = Replay(tmp_path, merge=merge)
    status = Collected(replay.status)
    paths[1].unlink()
    if after == "FIFO":
        os.mkfifo(paths[1])
    got = played(replay)
    assert got.completed
    assert prices(got.items) == [1, 3]
    (tear,) = torn(status.items)
    assert (tear.path, tear.line) == (str(paths[1]), 1)
    assert ("FIFO" if after == "FIFO" else "No such file") in tear.reason


def test_replay_fails_if_all_files_were_deleted(tmp_path: Path) -> None:
    path = write(tmp_path, lines_of(TRADES))
    for merge in (False, True):
        path = write(tmp_path, lines_of(TRADES))
        replay = Replay(tmp_path, merge=merge)
        path.unlink()
        assert isinstance(played(replay).error, RecordingDamaged)


@pytest.mark.parametrize("ns", [10**21, -(10**21), 10**4000])
@pytest.mark.parametrize("how", [{}, {"products": "BTC-USD"}, {"merge": True}], ids=["all", "chosen", "merged"])
def test_line_outside_the_calendar_ends_its_file_alone(tmp_path: Path, ns: int, how: dict[str, Any]) -> None:
    lines = lines_of(trades(1, 3))
    bad = frame_line(TRADES[0], 7, 0).replace(b'"ns":7', b'"ns":%s' % "".join(_digits(ns)).encode())
    path = write(tmp_path, [])
    path.write_bytes(packed(text_of([lines[0], bad, *lines[1:]])))
    write(tmp_path, lines_of(trades(4, 5), ns=NS + 10 * SECOND), number=2, ns=NS + 10 * SECOND)
    replay = Replay(tmp_path, **how)
    status = Collected(replay.status)
    got = played(replay)
    assert prices(got.items) == [1, 4, 5]
    (tear,) = torn(status.items)
    assert (tear.path, tear.line) == (str(path), 3)
    (damage,) = catalogue(tmp_path).total.damaged
    assert (damage.path, damage.line, damage.reason) == (tear.path, tear.line, tear.reason)


def _digits(number: int) -> Iterator[str]:
    """*number*, which may have more digits than `str` takes."""
    yield from "-" if number < 0 else ""
    yield from "1" + "0" * (len(hex(abs(number))[2:]) * 4 * 30103 // 100000)


@pytest.mark.parametrize("t", ["1e300", "-1e300", "1e20"])
def test_older_line_outside_the_calendar_is_reported(tmp_path: Path, t: str) -> None:
    path = tmp_path / "older.jsonl"
    path.write_text("".join(f'{{"t":{each},"dir":"recv","data":"x"}}\n' for each in ("1", t)))
    recording = Recording(path)
    with pytest.raises(RecordingDamaged, match="off the calendar"):
        list(recording.frames())


def test_bad_date_does_not_reorder_its_session(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 1)), session="aaaaaaaa", ns=NS)
    write(tmp_path, lines_of(trades(2, 2), ns=NS + SECOND), session="bbbbbbbb", ns=NS + SECOND)
    (tmp_path / "20261399T250000.000000Z-bbbbbbbb-00002.jsonl.zst").write_bytes(b"")
    assert prices(played(Replay(tmp_path)).items) == [1, 2]


def test_folder_that_cannot_be_listed_is_a_config_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        Replay(tmp_path)


def test_device_is_no_recording() -> None:
    with pytest.raises(OSError, match="it is a device"):
        open_file("/dev/zero")


@pytest.mark.parametrize(
    "frame",
    [b'{"type":"news","product_id":5}', b'{"type":7}', b'[1,"A-B"]', b'{"type":"news","type":"\\u00e9"}'],
)
def test_catalogue_counts_frames_with_odd_names(tmp_path: Path, frame: bytes) -> None:
    write(tmp_path, [frame_line(frame, NS, 0), *lines_of(TRADES)])
    total = catalogue(tmp_path).total
    assert (total.messages, total.damaged) == (3, ())
