"""What was not recorded by rxfeed is played too: older recordings, plain lines, and messages."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops
from reactivex.scheduler import NewThreadScheduler

from rxfeed import Match, Message, Replay, from_mongo, matches, to_mongo
from rxfeed.errors import ConfigError
from rxfeed.feed import Connected, Ended, Gap, Idle, Subscribed
from rxfeed.recording.timestamps import moment_of
from tests.support.collect import Collected
from tests.support.make import NOON, match
from tests.support.replays import SECOND, played, prices, trades
from tests.support.segments import NS, lines_of, write


def older(path: Path, frames: Iterable[bytes], begin: float = NS / 1e9) -> Path:
    lines = [{"t": begin + n, "dir": "recv", "data": raw.decode()} for n, raw in enumerate(frames)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_older_recording_has_the_gaps_of_a_feed(tmp_path: Path) -> None:
    subscriptions = b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}'
    one, two, five = (match(n, trade_id=n, time=n).raw for n in (1, 2, 5))
    path = older(tmp_path / "old.jsonl", [subscriptions, one, two, two, five, b"nonsense", five])
    replay = Replay(path)
    statuses = Collected(replay.status)
    malformed = Collected(replay.malformed)
    got = played(replay)
    assert prices(got.items) == [1, 2, 5]
    assert [m.epoch for m in got.items] == [0, 0, 0, 1]
    assert [m.received_ns for m in got.items] == [NS + n * SECOND for n in (0, 1, 2, 4)]
    assert [type(s) for s in statuses.items] == [Idle, Connected, Subscribed, Gap, Ended]
    assert str(statuses.items[1]) == f"Connected url={path}"
    gap = Gap(product_id="BTC-USD", channel="matches", first=3, last=4, at=moment_of(NS + 4 * SECOND))
    assert statuses.items[3] == gap
    assert [(m.raw, m.received_ns) for m in malformed.items] == [(b"nonsense", NS + 5 * SECOND)]
    assert (replay.stats.duplicates, replay.stats.malformed, replay.stats.connections) == (2, 1, 1)


def test_numbers_continue_between_older_recordings(tmp_path: Path) -> None:
    trade = [match(n, trade_id=n, time=n).raw for n in range(1, 7)]
    paths = [
        older(tmp_path / "b.jsonl", trade[:3]),
        older(tmp_path / "a.jsonl", trade[4:], NS / 1e9 + 60),
    ]
    write(tmp_path, lines_of(trade[5:], ns=NS + 90 * SECOND), ns=NS + 90 * SECOND)
    replay = Replay(tmp_path)
    statuses = Collected(replay.status)
    got = played(replay)
    assert [(int(m.price), m.epoch) for m in got.items if isinstance(m, Match)] == [
        (1, 0), (2, 0), (3, 0), (5, 2), (6, 2), (6, 3)
    ]  # fmt: skip
    assert [str(s) for s in statuses.items[1:-1]] == [
        f"Connected url={paths[0]}",
        f"Connected url={paths[1]}",
        "Gap product_id=BTC-USD channel=matches first=4 last=4",
    ]


def test_epochs_are_above_those_of_an_earlier_segment(tmp_path: Path) -> None:
    write(tmp_path, lines_of(trades(1, 1), epoch=5))
    older(tmp_path / "old.jsonl", [*trades(2, 2), *trades(4, 4)], NS / 1e9 + 60)
    assert [m.epoch for m in played(Replay(tmp_path)).items] == [5, 6, 7]


def test_plain_lines_are_frames_with_their_time(tmp_path: Path) -> None:
    path = tmp_path / "plain"
    path.write_bytes(
        b"\n".join([b'{"type":"subscriptions","channels":[]}', *trades(1, 4), b"{nonsense}", *trades(5, 5)])
    )
    replay = Replay(path, since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=5))
    malformed = Collected(replay.malformed)
    got = played(replay)
    assert prices(got.items) == [2, 3, 4]
    assert [m.received for m in got.items] == [NOON + timedelta(seconds=n) for n in (2, 3, 4)]
    assert [m.raw for m in malformed.items] == [b"{nonsense}"]


@pytest.mark.parametrize("kind", ["iterable", "observable", "observable of another thread"])
def test_messages_are_played_unchanged(kind: str) -> None:
    messages = [match(n, trade_id=n, time=n, epoch=n // 3) for n in range(1, 6)]
    messages.insert(2, match(9, product_id="ETH-USD", time=2))
    source: Any = iter(messages) if kind == "iterable" else reactivex.from_iterable(messages)
    if kind.endswith("thread"):
        source = reactivex.from_iterable(messages, scheduler=NewThreadScheduler())
    replay = Replay(source, products=["BTC-USD"], since=NOON + timedelta(seconds=2), until=NOON + timedelta(seconds=5))
    got = played(replay)
    assert got.items == [messages[1], messages[3], messages[4]]
    assert all(one is other for one, other in zip(got.items, [messages[1], *messages[3:5]], strict=True))
    assert replay.stats.by_type == {"Match": 3}


def test_error_of_a_foreign_source_ends_the_replay() -> None:
    def failing() -> Iterator[Message]:
        yield match(1)
        raise OSError("disk")

    for source in (failing(), reactivex.concat(reactivex.of(match(1)), reactivex.throw(OSError("disk")))):
        got = played(Replay(source))
        assert (len(got.items), str(got.error)) == (1, "disk")
    for source in ([match(1), 5], reactivex.of(match(1), 5)):
        got = played(Replay(source))  # pyright: ignore[reportArgumentType]
        assert isinstance(got.error, ConfigError)
        assert "source: 5 is neither a path nor a Message" in str(got.error)


def test_from_mongo_is_a_replay_source(collection: Any) -> None:
    messages = [match(n, trade_id=n, time=n) for n in range(1, 50)]
    reactivex.from_iterable(messages).pipe(to_mongo(collection), ops.count()).run()
    replay = Replay(from_mongo(collection))
    assert prices(played(replay).items) == list(range(1, 50))
    closing = Replay(from_mongo(collection))
    got = Collected(closing)
    closing.pipe(matches(), ops.filter(lambda m: m.trade_id == 5)).subscribe(lambda _: closing.close())
    closing.serve()
    assert prices(got.items) == [1, 2, 3, 4, 5]
