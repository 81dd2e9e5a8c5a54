"""`rxfeed record --mongo` after its process was killed: what the spill lacks is in the files, and is stored again."""

from __future__ import annotations

import logging
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from rxfeed.cli.record_mongo import MongoStore
from rxfeed.sim.mongod import Mongod
from tests.support import segments as made
from tests.support.make import match


@pytest.fixture
def options(collection: Any, mongod: Mongod, tmp_path: Path) -> Namespace:
    return Namespace(to=tmp_path, mongo=mongod.uri, mongo_file=None, mongo_collection=collection.full_name)


def recover(options: Namespace) -> None:
    """As a recorder does at its start."""
    store = MongoStore.of(options, sync=2.0)
    assert store is not None
    store.recover()
    store.close()


def write(folder: Path, first: int, count: int, **segment: Any) -> Path:
    """A segment with a trade a second from *first* seconds on, each with its second as id."""
    frames = [match(each, trade_id=each).raw for each in range(first, first + count)]
    path = made.write(folder, made.lines_of(frames, ns=made.NS + first * 10**9), **segment)
    last = made.NS + (first + count - 1) * 10**9
    os.utime(path, ns=(last, last))
    return path


def trade_ids(collection: Any) -> list[int]:
    return sorted(each["trade_id"] for each in collection.find())


def test_end_of_a_killed_recording_is_stored_once(options: Namespace, collection: Any, tmp_path: Path) -> None:
    """The last 10 seconds and those of `--sync`, also if the file has just begun; some were stored before."""
    write(tmp_path, 0, 100, number=1)
    write(tmp_path, 100, 5, number=2, ended=False)
    for _ in range(2):
        recover(options)
        assert trade_ids(collection) == [*range(92, 105)]


def test_recording_that_ended_is_not_stored_again(options: Namespace, collection: Any, tmp_path: Path) -> None:
    recover(options)
    write(tmp_path, 0, 10)
    recover(options)
    assert trade_ids(collection) == []


def test_recovered_messages_wait_for_the_database(
    options: Namespace,
    collection: Any,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rxfeed.cli.record_mongo._FLUSH", 0.1)
    monkeypatch.setattr("rxfeed.cli.record_mongo._ATTEMPT", 0.2)
    path = write(tmp_path, 0, 5, ended=False)
    available, options.mongo = options.mongo, "mongodb://127.0.0.1:9/?serverSelectionTimeoutMS=100"
    with caplog.at_level(logging.INFO):
        recover(options)
    assert f"{path} was not finished: its last 5 messages were stored in MongoDB again, 0 were new, 5 wait in" in (
        caplog.text
    )
    path.unlink()
    options.mongo = available
    store = MongoStore.of(options, sync=0.1)
    assert store is not None
    assert store.stats.taken == 0
    write(tmp_path, 10, 1, number=2, ended=False)
    store.recover()  # a subscription drains the spill
    store.close()
    assert trade_ids(collection) == [0, 1, 2, 3, 4, 10]
