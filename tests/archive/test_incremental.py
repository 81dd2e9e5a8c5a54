"""An export can be repeated, interrupted and killed: at the end each row is there once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Feed, record
from rxfeed.archive import export
from rxfeed.errors import ConfigError, SinkError
from rxfeed.recording import marked_segments
from rxfeed.sim import Exchange
from tests.support import archives as a
from tests.support import segments as made
from tests.support.make import match

COLUMNS = {
    "trades": a.TRADE,
    "book_updates": a.CHANGE,
    "tickers": a.TICKER,
    "candles": a.CANDLE,
    "book_tops": ("sampled", *a.TOP),
}
OPTIONS: dict[str, Any] = {"seconds": 1, "every": 0.5}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    a.record_exchange(folder, sessions=2, steps=150)
    return folder


def content(out: Path) -> dict[str, list[a.Row]]:
    return {table: sorted(a.rows(out, table, columns), key=repr) for table, columns in COLUMNS.items()}


@pytest.fixture(scope="module")
def whole(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[a.Row]]:
    """The content of an archive that was exported at once."""
    out = tmp_path_factory.mktemp("whole")
    export(recordings, out, **OPTIONS)
    found = content(out)
    assert all(found.values())
    return found


def test_segments_one_by_one_give_the_same_archive(
    recordings: Path, whole: dict[str, list[a.Row]], tmp_path: Path
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number, path in enumerate(sorted(recordings.glob("*.zst")), 1):
        shutil.copy(path, folder)
        done = export(folder, out, **OPTIONS)
        assert (done.segments, done.skipped) == (1, number - 1)
    assert content(out) == whole
    again = export(folder, out, **OPTIONS)
    assert (again.segments, again.files, again.rows) == (0, 0, {})
    assert content(out) == whole


def test_exported_segments_may_be_deleted(recordings: Path, whole: dict[str, list[a.Row]], tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for path in sorted(recordings.glob("*.zst")):
        shutil.copy(path, folder)
        export(folder, out, **OPTIONS)
        (folder / path.name).unlink()
    assert content(out) == whole


def test_state_of_another_version_is_made_anew(
    recordings: Path, whole: dict[str, list[a.Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number, path in enumerate(sorted(recordings.glob("*.zst"))):
        shutil.copy(path, folder)
        monkeypatch.setattr("rxfeed.archive.journal.__version__", f"0.{number}")
        export(folder, out, **OPTIONS)
    assert content(out) == whole


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Lets the process end before the n-th change of the file system from now on."""
    left = [0]

    def counted(act: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                raise Crash
            return act(*args, **options)

        return run

    monkeypatch.setattr(os, "fsync", counted(os.fsync))
    for name in ("replace", "unlink", "mkdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    return lambda number: left.__setitem__(0, number)


def test_crash_at_any_change_of_the_files_is_repaired(
    tmp_path: Path, crash_at: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two crashes readers see whole batches, and no row twice."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in (1, 2):
        ids = range(number * 10, number * 10 + 10)
        frames = [match(each, trade_id=each, time=each, product_id="A-B").raw for each in ids]
        made.write(folder, made.lines_of(frames, ns=made.NS + number * 10 * 10**9), number=number)
    monkeypatch.setattr("rxfeed.archive.exporting._BATCH", 1)
    options: dict[str, Any] = {"tables": ["trades", "candles"], "seconds": 4}
    crash_at(0)
    export(folder, tmp_path / "whole", **options)
    columns = {"trades": a.TRADE, "candles": a.CANDLE}
    wanted = {table: sorted(a.rows(tmp_path / "whole", table, names)) for table, names in columns.items()}
    ended = False
    every = 1 if os.environ.get("RXFEED_SOAK") else 6
    number = 1
    while not ended:
        number += every
        out = tmp_path / str(number)
        crash_at(number)
        try:
            export(folder, out, **options)
            ended = True
        except Crash:
            crash_at(0)
            seen = [row[4] for row in a.rows(out, "trades", a.TRADE)]
            assert len(seen) == len(set(seen))
            export(folder, out, **options)
        assert {table: sorted(a.rows(out, table, names)) for table, names in columns.items()} == wanted
        assert not (out / ".rxfeed" / "staging").exists()
    assert number > 20


EXPORT = """
import sys
from rxfeed.archive import export
import rxfeed.archive
sys.modules["rxfeed.archive.exporting"]._BATCH = 1
print("ready", flush=True)
export(sys.argv[1], sys.argv[2], seconds=1, every=0.5)
"""


def kill_and_repeat(recordings: Path, out: Path, times: int, seed: int) -> int:
    """Export, killed so often at a random moment; the number of kills that met a running export."""
    draw, kills = random.Random(seed), 0
    for _ in range(times):
        with subprocess.Popen([sys.executable, "-c", EXPORT, recordings, out], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(draw.uniform(0, 0.6))
            process.kill()
            kills += process.wait(30) == -signal.SIGKILL
        for table in ("trades", "candles"):
            a.rows(out, table, COLUMNS[table])  # each file that is visible can be read
    return kills


def test_killed_exports_give_the_whole_archive(recordings: Path, whole: dict[str, list[a.Row]], tmp_path: Path) -> None:
    assert kill_and_repeat(recordings, tmp_path, 2, seed=1)
    export(recordings, tmp_path, **OPTIONS)
    assert content(tmp_path) == whole


@pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")
@pytest.mark.timeout(600)
def test_fifty_kills_give_the_whole_archive(recordings: Path, whole: dict[str, list[a.Row]], tmp_path: Path) -> None:
    assert kill_and_repeat(recordings, tmp_path, 50, seed=2)
    export(recordings, tmp_path, **OPTIONS)
    assert content(tmp_path) == whole


def test_segment_that_is_being_written_is_exported_later(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    with Exchange(["BTC-USD"], auto=False) as exchange:
        feed = Feed("BTC-USD", ["trades"], url=exchange.url)
        recorder = record(folder, flush_seconds=0.01)
        feed.pipe(recorder).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.step(50)
            exchange.drain()
            during = export(folder, out, tables="trades")
            (path,) = folder.glob("*.zst")
            assert (during.open, during.segments) == ((str(path),), 0)
    after = export(folder, out, tables="trades")
    assert (after.open, after.segments) == ((), 1)
    assert a.rows(out, "trades", a.TRADE) == a.trade_rows(a.played(folder))


def test_segment_of_a_killed_recorder_is_exported_up_to_its_end(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    frames = [match(n, trade_id=n, time=n).raw for n in range(20)]
    made.write(folder, made.lines_of(frames[:10]), ended=False)
    made.write(folder, made.lines_of(frames[10:]), session="later", ns=made.NS + 10**12)
    done = export(folder, out, tables="trades")
    assert [damage.path for damage in done.damaged] == [str(min(folder.glob("*.zst")))]
    found = a.rows(out, "trades", a.TRADE)
    assert [row[4] for row in found] == list(range(20))
    assert [row[3] for row in found] == [0] * 10 + [1] * 10
    assert found == a.trade_rows(a.played(folder))


@pytest.mark.parametrize("tables", ["trades", ["trades", "candles"]])
def test_segment_is_exported_up_to_a_damaged_line(tmp_path: Path, tables: Any) -> None:
    lines = made.lines_of([match(n, trade_id=n, time=n).raw for n in range(3000)])
    lines[2500] = b'{"ns":1,"frame":\n'
    made.write(tmp_path, lines)
    made.write(tmp_path, made.lines_of([match(1, trade_id=3000, time=3000).raw], ns=made.NS + 10**13), number=2)
    done = export(tmp_path, tmp_path / "out", tables=tables)
    assert [damage.line for damage in done.damaged] == [2502]
    found = a.rows(tmp_path / "out", "trades", a.TRADE)
    assert [row[4] for row in found] == [*range(2500), 3000]
    assert found == a.trade_rows(a.played(tmp_path))


def test_missing_segment_raises_the_epoch(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for number in (1, 2, 4):
        frame = match(1, trade_id=number, time=number).raw
        made.write(folder, made.lines_of([frame], ns=made.NS + number * 10**9), number=number)
        export(folder, out, tables="trades")
    assert [row[3:5] for row in a.rows(out, "trades", a.TRADE)] == [(0, 1), (0, 2), (1, 4)]


def test_exported_segments_are_marked_for_the_recorder(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    path = made.write(folder, made.lines_of([match(1).raw]))
    partial: list[dict[str, Any]] = [{"products": "BTC-USD"}, {"tables": "trades"}, {"since": made.NOON}]
    for number, options in enumerate(partial):
        export(folder, tmp_path / str(number), **options)
    assert marked_segments(folder, "exported") == {}
    export(folder, tmp_path / "out")
    assert marked_segments(folder, "exported") == {path.name: path.stat().st_size}
    (folder / ".exported").unlink()  # as after a kill between the export and the mark
    export(folder, tmp_path / "out")
    export(folder, tmp_path / "out")
    assert (folder / ".exported").read_text() == f"{path.name}\t{path.stat().st_size}\n"


def test_folder_that_takes_no_marks_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made.write(tmp_path, made.lines_of([match(1, trade_id=1).raw]))

    def refused(*_: object, **options: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr("rxfeed.archive.marking.mark_segments", refused)
    assert export(tmp_path, tmp_path / "out").segments == 1
    assert "cannot be marked as exported" in caplog.text


def test_other_options_are_rejected(tmp_path: Path) -> None:
    made.write(tmp_path, made.lines_of([match(1).raw]))
    export(tmp_path, tmp_path / "out", scale=10)
    with pytest.raises(ConfigError, match=r"scale: .* was exported with 10, and not 12"):
        export(tmp_path, tmp_path / "out", scale=12)


def test_second_export_at_the_same_time_is_rejected(tmp_path: Path) -> None:
    made.write(tmp_path, made.lines_of([match(1).raw]))
    refused: list[str] = []

    def during(_: object) -> None:
        with pytest.raises(ConfigError, match="another process exports into this folder") as caught:
            export(tmp_path, tmp_path / "out")
        refused.append(str(caught.value))

    export(tmp_path, tmp_path / "out", progress=during)
    assert refused


def test_full_disk_leaves_the_archive_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    made.write(tmp_path, made.lines_of([match(1, trade_id=1).raw]))
    export(tmp_path, out, tables="trades")
    made.write(tmp_path, made.lines_of([match(1, trade_id=2).raw]), number=2)

    def full(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(SinkError, match="No space left on device"):
            export(tmp_path, out, tables="trades")
    assert [row[4] for row in a.rows(out, "trades", a.TRADE)] == [1]
    export(tmp_path, out, tables="trades")
    assert [row[4] for row in a.rows(out, "trades", a.TRADE)] == [1, 2]
