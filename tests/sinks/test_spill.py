"""The spill: damaged batches and files, full disks, permissions."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import pytest
import reactivex
from reactivex.subject import Subject

from rxfeed import ConfigError
from rxfeed.core import Reconnect
from rxfeed.sinks import DeadLetter, MongoSink, retry_policy, to_mongo
from rxfeed.sinks.spill import Spill
from tests.sinks.servers import Away, Scripted, until
from tests.support.collect import Collected
from tests.support.stopwatch import at_most

OWNER = "x.messages"
BATCH = 10


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry_policy, "_PAUSES", Reconnect(initial=0.005, maximum=0.005))
    monkeypatch.setattr(retry_policy, "_SHORTEST", 0.005)


def document(number: int, size: int = 0) -> dict[str, Any]:
    return {"_id": number, "text": "x" * size}


def sink_over(collection: Scripted, **options: Any) -> MongoSink:
    given = {"documents": document, "batch_size": BATCH, "batch_seconds": 0.005} | options
    return to_mongo(collection, **given)  # pyright: ignore[reportArgumentType]


def filled(path: Path, batches: int = 5, size: int = 0) -> None:
    spill = Spill(path, OWNER, 10**9)
    for number in range(batches):
        documents = [bson.encode(document(BATCH * number + each, size)) for each in range(BATCH)]
        assert spill.append(documents, 1)
    spill.close()


def drained(path: Path, **options: Any) -> tuple[list[int], MongoSink, list[DeadLetter]]:
    """What the next start stores."""
    collection, dead = Scripted(), list[DeadLetter]()
    sink = sink_over(collection, spill=path, **options)
    sink.dead.subscribe(dead.append)
    writes = Collected(reactivex.empty().pipe(sink))
    writes.wait_for_end(20)
    assert writes.completed, writes.error
    return list(collection.stored), sink, dead


def all_but(*batches: int, of: int = 5) -> list[int]:
    return [number for number in range(of * BATCH) if number // BATCH not in batches]


DAMAGES = {
    "zeroed": lambda blob: bytes(len(blob)),
    "garbage": lambda blob: random.Random(1).randbytes(len(blob)),
    "cut off": lambda blob: blob[:-3],
    "empty": lambda blob: b"",
    "a length that is too great": lambda blob: b"\xff\xff\xff\x7f" + blob[4:],
    "documents that are none": lambda blob: (
        ((len(blob) // BATCH).to_bytes(4, "little") + b"\x99" * (len(blob) // BATCH - 4)) * BATCH
    ),
    "text": lambda blob: "text",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
@pytest.mark.parametrize("place", [0, 2, 4])
def test_damaged_batch_is_set_aside(tmp_path: Path, damage: Any, place: int, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spill.db"
    filled(path)
    with sqlite3.connect(path) as db:
        ((blob,),) = db.execute("SELECT documents FROM batches WHERE id = ?", (place,))
        bad = damage(blob)
        db.execute("UPDATE batches SET documents = ? WHERE id = ?", (bad, place))
    db.close()
    stored, sink, dead = drained(path)
    assert stored == all_but(place)
    (aside,) = tmp_path.glob("spill.db.damaged-*.bson")
    assert aside.read_bytes() == (bad if isinstance(bad, bytes) else bad.encode())
    assert aside.stat().st_mode & 0o777 == 0o600
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR and "batch" in record.message]
    assert aside.name in error.message
    assert [aside.name in letter.reason for letter in dead] == [True]
    assert (sink.stats.dead, sink.stats.spilled) == (BATCH, 0)
    assert drained(path)[0] == []


def test_spill_with_all_batches_damaged_ends(tmp_path: Path) -> None:
    path = tmp_path / "spill.db"
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE batches SET documents = zeroblob(100)")
    db.close()
    stored, sink, dead = drained(path)
    assert (stored, sink.stats.dead, len(dead)) == ([], 5 * BATCH, 5)


def test_file_that_is_no_database_is_renamed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "spill.db"
    path.write_bytes(b"no database" * 1000)
    collection = Scripted()
    writes = Collected(reactivex.of(1).pipe(sink_over(collection, spill=path)))
    writes.wait_for_end()
    assert writes.completed
    assert list(collection.stored) == [1]
    (aside,) = tmp_path.glob("spill.db.damaged-*")
    assert aside.read_bytes() == b"no database" * 1000
    assert f"was renamed to {aside}" in caplog.text


@pytest.mark.parametrize("seed", range(6))
def test_damaged_file_returns_its_readable_batches(tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture) -> None:
    """Some pages in the middle are overwritten; the batches of the others are stored, in order, each once."""
    path = tmp_path / "spill.db"
    filled(path, batches=40, size=3000)
    content = bytearray(path.read_bytes())
    chance = random.Random(seed)
    for _ in range(3):
        page = chance.randrange(3, len(content) // 4096) * 4096
        content[page : page + 4096] = chance.randbytes(4096)
    path.write_bytes(content)
    stored, _, _ = drained(path)
    assert stored == sorted(set(stored))
    assert len(stored) % BATCH == 0
    assert len(stored) >= 5 * BATCH
    assert len(stored) < 40 * BATCH
    assert list(tmp_path.glob("spill.db.damaged-*"))
    assert any(record.levelno == logging.ERROR for record in caplog.records)
    assert drained(path)[0] == []


def test_other_collection_s_damaged_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "spill.db"
    filled(path)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE about SET value = 'y.others' WHERE name = 'collection'")
    db.close()
    writes = Collected(reactivex.of(1).pipe(sink_over(Scripted(), spill=path)))
    writes.wait_for_end()
    assert isinstance(writes.error, ConfigError)


def test_undeletable_batch_is_not_sent_again(tmp_path: Path) -> None:
    """SQLite refuses each deletion here, as on a full disk; at the end a new file replaces the old one."""
    path = tmp_path / "spill.db"
    filled(path, batches=30)
    with sqlite3.connect(path) as db:
        db.execute("CREATE TRIGGER never BEFORE DELETE ON batches BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    db.close()
    collection = Scripted()  # asserts that acknowledged documents are not sent again
    sink = sink_over(collection, spill=path, batch_size=3 * BATCH)
    writes = Collected(reactivex.empty().pipe(sink))
    writes.wait_for_end()
    assert writes.completed, writes.error
    assert list(collection.stored) == list(range(30 * BATCH))
    assert collection.calls == 10
    assert drained(path)[0] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root of a Linux machine mounts a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("later_full", [False, True], ids=["by the spill", "by another file, too"])
def test_spill_that_filled_its_disk_drains(small_disk: Path, later_full: bool) -> None:
    collection = Away()
    sink = sink_over(collection, documents=lambda n: document(n, 1000), queue_size=500, spill=small_disk / "spill.db")
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))

    def produce() -> None:
        for number in range(12_000):  # 12 MB
            source.on_next(number)

    producer = threading.Thread(target=produce)
    producer.start()
    until(lambda: len(sink._writer._queue) >= 500 and sink._writer._spill.problem)  # pyright: ignore
    assert sink.stats.spilled > 2_000
    if later_full:
        with (small_disk / "hog").open("wb", buffering=0) as hog, contextlib.suppress(OSError):
            while hog.write(b"x" * 4096):
                pass
    collection.back.set()
    producer.join(30)
    assert not producer.is_alive()
    left = sink.close(20)
    writes.wait_for_end()
    assert writes.completed, writes.error
    assert not left
    assert list(collection.stored) == list(range(12_000))
    stats = sink.stats
    assert (stats.written, stats.duplicates, stats.lost, stats.spilled) == (12_000, 0, 0, 0)
    assert stats.problem is None
    assert collection.calls < 1_500
    assert not (small_disk / "spill.db-reserve").exists()


@pytest.mark.parametrize("before", [None, 0o644])
@pytest.mark.parametrize("mode", [None, 0o640])
def test_files_are_the_owner_s_unless_widened(tmp_path: Path, mode: int | None, before: int | None) -> None:
    path = tmp_path / "spill.db"
    if before is not None:
        filled(path)
        path.chmod(before)
    collection = Away()
    sink = sink_over(collection, spill=path, **({} if mode is None else {"spill_mode": mode}))
    source: Subject[int] = Subject()
    Collected(source.pipe(sink))
    source.on_next(1)
    until(lambda: sink.stats.spilled_ever)
    modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert set(modes) >= {"spill.db", "spill.db-wal"}
    wanted = 0o600 if mode is None else mode
    assert modes["spill.db"] == modes["spill.db-wal"] == wanted
    assert all(each & ~wanted == 0 for each in modes.values())
    collection.back.set()
    sink.close(5)


def test_mode_without_the_owner_s_rights_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="spill_mode"):
        sink_over(Scripted(), spill=tmp_path / "spill.db", spill_mode=0o066)


class Hanging(Scripted):
    """Its first insert does not return until `release` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.release = threading.Event()

    def insert_many(self, documents: list[Any], ordered: bool) -> None:
        self.release.wait(30)
        super().insert_many(documents, ordered)


def test_slow_database_diverts_everything_to_the_spill(tmp_path: Path) -> None:
    """An insert that hangs: within two seconds nothing is in memory alone."""
    collection = Hanging()
    sink = sink_over(collection, spill=tmp_path / "spill.db", attempt_seconds=60)
    source: Subject[int] = Subject()
    writes = Collected(source.pipe(sink))
    for number in range(95):
        source.on_next(number)
    with at_most(2):
        until(lambda: sink.stats.spilled == 95 and sink.stats.queued == 0)
    for number in range(95, 120):
        source.on_next(number)
    with at_most(1):
        until(lambda: sink.stats.spilled == 120 and sink.stats.queued == 0)
    collection.release.set()
    source.on_completed()
    writes.wait_for_end()
    assert list(collection.stored) == list(range(120))
    assert sink.stats.spilled == 0


def test_deleted_spill_is_created_again_with_all_that_waits(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also if its folder is deleted, and comes back later; a process that is killed then leaves all batches."""
    folder = tmp_path / "folder"
    folder.mkdir()
    spill = Spill(folder / "spill.db", "db.messages", 10**6, busy=True)
    documents = [bson.encode({"n": n}) for n in range(5)]
    assert spill.append(documents[:2], 1)
    assert spill.append(documents[2:3], 2)
    keys, *_ = spill.first(2)
    spill.remove(keys)  # it is deleted with the next batch
    shutil.rmtree(folder)
    assert spill.append(documents[3:4], 3)
    assert not folder.exists()
    folder.mkdir()
    assert spill.append(documents[4:], 4)
    assert "was deleted; it was created again, with 2 documents that wait" in caplog.text
    killed = shutil.copytree(folder, tmp_path / "killed")
    spill.close()
    for each in (killed, folder):
        with contextlib.closing(Spill(each / "spill.db", "db.messages", 10**6)) as left:
            assert left.first(100)[1] == documents[2:]
