"""Segments are played in the order of recording, also if others are damaged."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Match, Replay, matches, window_volume
from rxfeed.errors import RecordingDamaged
from rxfeed.feed import Ended, Idle, RecordingTruncated
from rxfeed.recording.format import frame_line
from tests.support.collect import Collected
from tests.support.make import ticker
from tests.support.replays import SECOND, played, prices, torn, trades
from tests.support.segments import NS, lines_of, text_of, write


def test_segments_are_ordered_by_session_and_number(tmp_path: Path) -> None:
    names = []
    for session, ns, number, first in (("b", NS + 60 * SECOND, 1, 5), ("a", NS, 2, 3), ("a", NS, 1, 1)):
        begun = ns + number * SECOND
        path = write(tmp_path, lines_of(trades(first, first + 1), ns=begun), session=session, number=number, ns=begun)
        names.append(path.rename(tmp_path / f"{first * 7 % 5}.zst"))
    (tmp_path / "README.md").write_text("not a recording, and not called so")
    assert prices(played(Replay(tmp_path)).items) == [1, 2, 3, 4, 5, 6]
    for paths in (names, [str(name) for name in reversed(names)], tmp_path.glob("*.zst"), [tmp_path, *names]):
        assert prices(played(Replay(paths)).items) == [1, 2, 3, 4, 5, 6]


def test_new_session_raises_the_epochs_of_every_product(tmp_path: Path) -> None:
    first = [*lines_of(trades(1, 1), epoch=4), *lines_of(trades(1, 1, "ETH-USD"), epoch=2)]
    second = [*lines_of(trades(2, 2), epoch=0), *lines_of(trades(2, 2, "ETH-USD"), epoch=1)]
    write(tmp_path, first, session="a")
    write(tmp_path, second, session="b", ns=NS + SECOND)
    replay = Replay(tmp_path)
    got = played(replay).items
    assert [(m.product_id, m.epoch) for m in got] == [("BTC-USD", 4), ("ETH-USD", 2), ("BTC-USD", 5), ("ETH-USD", 6)]


@pytest.mark.parametrize("raw", [ticker(1).raw, b'{\n"type":"news"}', b'["noop","A-B","1","2026-01-02T12:00:00Z"]'])
def test_epochs_rise_above_those_of_skipped_messages(tmp_path: Path, raw: bytes) -> None:
    write(tmp_path, [*lines_of(trades(1, 1)), frame_line(raw, NS, 7)], session="a")
    write(tmp_path, lines_of(trades(2, 2)), session="b", ns=NS + SECOND)
    replay = Replay(tmp_path)
    got = Collected(replay.pipe(matches()))
    replay.serve()
    assert [trade.epoch for trade in got.items] == [0, 8]


def test_session_continues_in_its_next_segment(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 30)))
    later = NS + 30 * SECOND
    write(tmp_path, lines_of(trades(31, 120), ns=later), number=2, ns=later)
    replay = Replay(tmp_path)
    windows = Collected(replay.pipe(window_volume(30)))
    replay.serve()
    assert [(w.count, w.complete) for w in windows.items] == [
        (29, False),
        (30, True),
        (30, True),
        (30, True),
        (1, False),
    ]
    assert {m.epoch for m in played(Replay(tmp_path)).items} == {0}


def test_missing_segment_is_reported_and_raises_the_epochs(tmp_path: Path) -> None:
    for number in (2, 3, 5):
        write(tmp_path, lines_of(trades(number, number)), number=number, ns=NS + number)
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    assert [m.epoch for m in played(replay).items] == [0, 0, 1]
    (gap,) = torn(statuses.items)
    assert gap.reason == "segments 4 to 4 of session 5f0c2b7a are missing"
    assert gap.path.endswith("-00005.jsonl.zst")


def test_segment_present_twice_is_played_once(tmp_path: Path) -> None:
    path = write(tmp_path, lines_of(trades(1, 3)))
    shutil.copy(path, tmp_path / "0.zst")
    for name in ("again", "zero"):
        (tmp_path / f"20260102T120000.000000Z-5f0c2b7a-00001.{name}.zst").write_bytes(b"")
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    assert prices(played(replay).items) == [1, 2, 3]
    assert torn(statuses.items) == []


def damage(path: Path, how: str) -> None:
    whole = path.read_bytes()
    middle = len(whole) // 2
    if how == "truncated":
        path.write_bytes(whole[:-9])
    elif how == "flipped":
        path.write_bytes(whole[:middle] + bytes([whole[middle] ^ 64]) + whole[middle + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "foreign":
        path.write_bytes(b"\x89PNG")
    elif how == "killed":
        path.write_bytes(b"".join(text_of(lines_of(trades(4, 6)), number=2, ended=False))[:-7])


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "foreign", "killed"])
@pytest.mark.parametrize("wanted", [None, "matches"])
def test_segments_around_a_damaged_one_are_played(tmp_path: Path, how: str, wanted: str | None) -> None:
    for number in (1, 2, 3):
        path = write(
            tmp_path,
            lines_of(trades(3 * number - 2, 3 * number), ns=NS + number * SECOND),
            number=number,
            ns=NS + number * SECOND,
            together=1,
        )
        if number == 2:
            damage(path, how)
    replay = Replay(tmp_path)
    order: list[Any] = []
    replay.status.subscribe(order.append)
    (replay if wanted is None else replay.pipe(matches())).subscribe(order.append)
    replay.serve()
    (tear,) = torn(order)
    place = order.index(tear)
    before = [m for m in order[:place] if isinstance(m, Match)]
    after = [m for m in order[place:] if isinstance(m, Match)]
    assert tear.path.endswith("-00002.jsonl.zst")
    assert prices(before) == list(range(1, 4 + tear.line - 2 if tear.line > 1 else 4))
    assert prices(after) == [7, 8, 9]
    assert {m.epoch for m in before} == {0}
    assert {m.epoch for m in after} == {1}
    assert order[-1] == Ended(cause=None, at=order[-1].at)


@pytest.mark.parametrize("how", ["empty", "foreign"])
def test_replay_without_readable_files_fails_with_the_reason(tmp_path: Path, how: str) -> None:
    path = write(tmp_path, [])
    damage(path, how)
    replay = Replay(path)
    statuses = Collected(replay.status)
    got = played(replay)
    assert isinstance(got.error, RecordingDamaged)
    assert str(path) in str(got.error)
    assert "line 1, byte 0" in str(got.error)
    assert [type(status) for status in statuses.items] == [Idle, RecordingTruncated, Ended]
    with pytest.raises(RecordingDamaged):
        Replay(path).run()


@pytest.mark.parametrize("line", [b'{"ns":1,"base64":"***"}', b'{"ns":1,"status":{"type":"Gap"}}', b"[]"])
def test_invalid_line_truncates_its_segment(tmp_path: Path, line: bytes) -> None:
    lines = lines_of(trades(1, 3))
    write(tmp_path, [lines[0], line + b"\n", *lines[1:]])
    for wanted in ([matches()], []):
        replay = Replay(tmp_path)
        statuses = Collected(replay.status)
        got = Collected(replay.pipe(*wanted))
        replay.serve()
        assert prices(got.items) == [1]
        (tear,) = torn(statuses.items)
        assert tear.line == 3
        assert got.completed
