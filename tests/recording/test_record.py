"""`record`: everything that a feed emits is in the files, in order."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from reactivex import operators as ops
from reactivex.subject import Subject

from rxfeed import ConfigError, ConnectionLost, Feed, Malformed, Message, Reconnect, SinkError, matches, record
from rxfeed.feed import Gap, Idle, KeepalivePong
from rxfeed.recording import RecordedSegment
from rxfeed.recording.events import status_of
from rxfeed.recording.format import decode_line
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.limits import file_size_limit
from tests.support.recordings import frames_in, lines_of, recorded, segments, text_of
from tests.support.scenes import wait_until
from tests.support.sources import Said, tick

# ---- what is recorded


def test_feed_is_recorded_with_all_events_in_order(tmp_path: Path) -> None:
    script = [
        faults.MalformedFrame('{"type":"tick', after=20, connection=1),
        faults.Drop(2, types={"match"}, after=5, connection=1),
        faults.Close(1001, "going away", after=150, connection=1),
    ]
    said: list[Any] = []
    products = ["BTC-USD", "ETH-USD"]
    with Exchange(products, seed=4, rate=500, faults=script) as exchange:
        feed = Feed(
            products, ["matches", "ticker"], url=exchange.url, ping_interval=0.05, reconnect=Reconnect(initial=0.05)
        )
        for stream in (feed, feed.status, feed.malformed, feed.keepalive):
            stream.subscribe(said.append, on_error=lambda error: None)
        recorder = record(tmp_path)
        got = Collected(feed.pipe(recorder))
        with feed:
            wait_until(lambda: feed.stats.reconnects == 1 and feed.stats.pongs > 0 and feed.stats.messages > 300)
        got.wait_for_end()
    assert got.completed
    (told,) = got.items
    header, *lines, end = text_of(told.path).splitlines()
    assert json.loads(header)["about"] == {
        "url": exchange.url,
        "channels": ["matches", "ticker"],
        "products": ["BTC-USD", "ETH-USD"],
    }
    assert [_told(item) for item in said if not isinstance(item, Idle)] == [_read(line) for line in lines]
    assert any(isinstance(item, Gap) for item in said)
    assert any(isinstance(item, Malformed) for item in said)
    assert max(item.epoch for item in said if isinstance(item, Message)) > 0
    stats = recorder.stats
    assert stats.frames == feed.stats.messages + feed.stats.malformed == json.loads(end)["end"]["frames"]
    assert (stats.malformed, stats.unwritten, stats.queued, stats.lag, stats.segment) == (1, 0, 0, 0.0, None)
    assert stats.events == len(lines) - stats.frames
    assert (stats.bytes, stats.uncompressed) == (told.bytes, told.uncompressed)
    assert stats.rate > 0


def _told(item: Any) -> Any:
    if isinstance(item, Message):
        return item.raw, item.received_ns, item.epoch
    if isinstance(item, Malformed):
        return item.raw, item.received_ns, item.reason
    return str(item.round_trip) if isinstance(item, KeepalivePong) else str(item)


def _read(text: bytes) -> Any:
    line = decode_line(text)
    if line.status:
        return str(status_of(line))
    if line.pong is not None:
        return str(line.pong)
    return line.raw(), line.ns, line.epoch if line.malformed is None else line.malformed


def test_recording_behind_an_operator_has_messages_only(tmp_path: Path) -> None:
    trades = [f'{{"type":"match","trade_id":{number},{TRADE}}}' for number in (1, 2)]
    with Exchange.serving([trades[0], "nonsense", '{"type":"news"}', trades[1]]) as exchange:
        feed = Feed("A-B", "matches", url=exchange.url)
        got = Collected(feed.pipe(matches(), record(tmp_path)))
        with feed:
            wait_until(lambda: feed.stats.messages == 3)
        got.wait_for_end()
    header, *lines, end = lines_of(got.items[0].path)
    assert "about" not in header
    assert [line["frame"]["trade_id"] for line in lines] == [1, 2]
    assert end["end"] == {"frames": 2}


TRADE = (
    '"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1","price":"2","product_id":"A-B","sequence":2,'
    '"time":"2026-08-25T03:35:57.198335Z"'
)


def test_each_segment_starts_with_the_current_subscriptions(tmp_path: Path) -> None:
    feed = Feed("A-B", "matches", url="ws://me:hidden@127.0.0.1:1/feed?token=hidden")
    assert feed.about == {"url": "ws://127.0.0.1:1/feed", "channels": ["matches"], "products": ["A-B"]}
    feed.add("C-D", "ticker")
    recorder = record(tmp_path)
    feed.pipe(recorder).subscribe()
    feed.close()
    assert recorder.close() == 0
    (path,) = segments(tmp_path)
    about = lines_of(path)[0]["about"]
    assert (about["channels"], about["products"]) == (["matches", "ticker"], ["A-B", "C-D"])
    assert b"hidden" not in text_of(path)


def test_item_that_is_no_message_ends_the_recording(tmp_path: Path) -> None:
    source: Subject[Any] = Subject()
    got = Collected(source.pipe(record(tmp_path, flush_seconds=0.01)))
    source.on_next(tick(1))
    source.on_next(3.5)
    got.wait_for_end()
    assert isinstance(got.error, ConfigError)
    assert str(got.error) == "record: a float is not a Message"
    assert not source.observers


# ---- when


def test_line_is_readable_soon_after_its_receipt(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=0.05)
    source.pipe(recorder).subscribe()
    for number in range(3):
        source.on_next(tick(number, time.time_ns()))
        wait_until(lambda: len(frames_in(tmp_path)) == number + 1)  # noqa: B023
    assert recorder.stats.segment == segments(tmp_path)[0]
    assert recorder.close() == 0
    assert recorder.stats.segment is None


def test_full_buffer_is_written_before_the_interval(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=3600)
    source.pipe(recorder).subscribe()
    for number in range(600):
        source.on_next(tick(number, time.time_ns()))
    wait_until(lambda: recorder.stats.frames == 512)
    assert recorder.stats.queued == 88
    assert 0 < recorder.stats.lag < 10
    assert recorder.close() == 0
    assert [each["sequence"] for each in frames_in(tmp_path)] == list(range(600))


def test_segment_is_emitted_when_it_is_full(tmp_path: Path) -> None:
    recorder = record(tmp_path, segment_bytes=1, queue_size=3)
    got = recorded(Said(tick(number) for number in range(20)), recorder)
    assert [told.path for told in got.items] == segments(tmp_path)
    assert sum(told.frames for told in got.items) == recorder.stats.frames == 20
    assert [told.number for told in got.items] == list(range(1, recorder.stats.segments + 1))
    assert len({told.session for told in got.items}) == 1


def test_rotation_finishes_the_segment_at_its_place(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    recorder = record(tmp_path, flush_seconds=0.05)
    recorder.rotate()  # no subscription yet
    got: Collected[RecordedSegment] = Collected(source.pipe(recorder))
    for number in range(3):
        source.on_next(tick(number))
    recorder.rotate()
    wait_until(lambda: len(got.items) == 1)
    recorder.rotate()  # no item since
    for number in range(3, 5):
        source.on_next(tick(number))
    recorder.rotate()
    source.on_next(tick(5))
    source.on_completed()
    got.wait_for_end()
    assert [segment.frames for segment in got.items] == [3, 2, 1]
    assert [segment.number for segment in got.items] == [1, 2, 3]
    assert recorder.stats.unwritten == 0
    recorder.rotate()  # after the end
    assert recorder.stats.unwritten == 0


def test_segment_that_cannot_get_a_header_is_not_left_behind(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    with file_size_limit(10):
        got: Collected[RecordedSegment] = Collected(source.pipe(record(tmp_path)))
        got.wait_for_end()
    assert isinstance(got.error, SinkError)
    assert list(tmp_path.iterdir()) == []


def test_full_queue_makes_the_source_wait_and_nothing_is_lost(tmp_path: Path) -> None:
    may_go_on = threading.Event()
    recorder = record(tmp_path, segment_bytes=1, queue_size=5)
    source = Said(tick(number, time.time_ns()) for number in range(100))

    def wait(told: RecordedSegment) -> None:  # on the recorder's thread
        may_go_on.wait(30)

    source.pipe(recorder).subscribe(wait)
    source.connect()
    wait_until(lambda: recorder.stats.queued >= recorder.stats.queue_size == 5)
    assert not source.wait(0.1)
    assert recorder.stats.lag >= 0.1
    may_go_on.set()
    assert source.wait(30)
    assert recorder.close() == 0
    assert [each["sequence"] for each in frames_in(tmp_path)] == list(range(100))
    assert recorder.stats.waited >= 0.1
    assert recorder.stats.unwritten == 0


# ---- the end


def test_recording_ends_as_the_source_after_writing(tmp_path: Path) -> None:
    cause = ConnectionLost("gone")
    got = recorded(Said([tick(1), cause]), record(tmp_path))
    assert got.error is cause
    *_, ended, end = lines_of(segments(tmp_path)[0])
    assert ended["status"] == {"type": "Ended", "cause": {"error": "ConnectionLost", "text": "gone"}}
    assert end["end"] == {"frames": 1}


@pytest.mark.parametrize("way", ["close", "dispose"])
def test_recording_can_be_ended_before_its_source(tmp_path: Path, way: str) -> None:
    source: Subject[Message] = Subject()
    others = Collected(source)
    with nothing_left_behind():
        recorder = record(tmp_path, flush_seconds=3600)
        subscription = source.pipe(recorder).subscribe()
        source.on_next(tick(1))
        if way == "close":
            assert recorder.close() == 0
        else:
            subscription.dispose()
        source.on_next(tick(2))
    assert len(others.items) == 2
    (path,) = segments(tmp_path)
    assert lines_of(path)[-1]["end"] == {"frames": 1}


def test_close_by_a_subscriber_returns_at_once(tmp_path: Path) -> None:
    recorder = record(tmp_path, segment_bytes=1, flush_seconds=0.01)
    left: list[int] = []
    source: Subject[Message] = Subject()
    got = Collected(source.pipe(recorder, ops.do_action(lambda told: left.append(recorder.close()))))
    source.on_next(tick(1))
    got.wait_for_end()
    assert got.completed
    assert len(left) == 1


def test_subscriber_that_raises_does_not_end_the_recording(tmp_path: Path) -> None:
    def fail(told: RecordedSegment) -> None:
        raise RuntimeError("no")

    recorder = record(tmp_path, segment_bytes=1, flush_seconds=0.01)
    source: Subject[Message] = Subject()
    source.pipe(recorder).subscribe(fail)
    for number in range(3):
        source.on_next(tick(number))
        wait_until(lambda: recorder.stats.frames == number + 1)  # noqa: B023
    assert recorder.close() == 0
    assert len(frames_in(tmp_path)) == 3


def test_subscriptions_are_one_at_a_time_and_each_is_a_session(tmp_path: Path) -> None:
    recorder = record(tmp_path)
    source: Subject[Message] = Subject()
    source.pipe(recorder).subscribe()
    second = Collected(source.pipe(recorder))
    assert isinstance(second.error, ConfigError)
    assert "record: this sink already has a subscription" in str(second.error)
    source.on_next(tick(1))
    recorder.close()
    recorded(Said([tick(2)]), recorder)
    assert [each["sequence"] for each in frames_in(tmp_path)] == [1, 2]
    assert len({lines_of(path)[0]["session"] for path in segments(tmp_path)}) == 2
    assert (recorder.stats.frames, recorder.stats.segments) == (2, 2)


def test_buffered_items_are_written_at_process_exit(tmp_path: Path) -> None:
    script = f"""
from reactivex.subject import Subject
from rxfeed import record
from tests.support.sources import tick
source = Subject()
source.pipe(record({str(tmp_path)!r}, flush_seconds=3600)).subscribe()
source.on_next(tick(7))
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=50)
    assert [each["sequence"] for each in frames_in(tmp_path)] == [7]
    assert lines_of(segments(tmp_path)[0])[-1]["end"] == {"frames": 1}


# ---- when the system refuses


def test_full_disk_ends_the_recording_with_its_unwritten_count(tmp_path: Path) -> None:
    source: Subject[Message] = Subject()
    others = Collected(source)
    recorder = record(tmp_path, flush_seconds=0.01)
    got = Collected(source.pipe(recorder))
    for number in range(10):
        source.on_next(tick(number))
    wait_until(lambda: recorder.stats.frames == 10)
    (path,) = segments(tmp_path)
    with file_size_limit(path.stat().st_size):
        for number in range(10, 100):
            source.on_next(tick(number))
        got.wait_for_end()
    error = got.error
    assert isinstance(error, SinkError)
    assert str(error) == f"{error.unwritten} items not written: {path}: File too large"
    assert 0 < error.unwritten <= recorder.stats.unwritten
    assert isinstance(error.__cause__, SinkError)
    assert isinstance(error.__cause__.__cause__, OSError)
    assert source.observers == [source.observers[0]]
    assert len(others.items) == 100
    assert [each["sequence"] for each in frames_in(tmp_path)] == list(range(10))
    assert recorder.close() == recorder.stats.unwritten


def test_full_disk_unblocks_a_waiting_source(tmp_path: Path) -> None:
    recorder = record(tmp_path, queue_size=2)
    with file_size_limit(0):
        got = recorded(Said(tick(number) for number in range(100)), recorder)
    assert isinstance(got.error, SinkError)
    assert recorder.stats.frames == 0


# ---- arguments


@pytest.mark.parametrize(
    ("named", "text"),
    [
        ({"segment_bytes": 0}, "segment_bytes: 0 is not a whole number from 1 on"),
        ({"segment_bytes": 1.5}, "segment_bytes: 1.5 is"),
        ({"segment_seconds": -1}, "segment_seconds: -1 is"),
        ({"level": 23}, "level: 23 is above 22"),
        ({"level": True}, "level: True is not"),
        ({"flush_seconds": "1"}, "flush_seconds: '1' is not"),
        ({"queue_size": 0}, "queue_size: 0 is not"),
    ],
)
def test_bad_arguments_are_named(tmp_path: Path, named: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(text)):
        record(tmp_path, **named)


def test_path_that_is_a_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(ConfigError, match=re.escape(f"path: {path} is a file; a recording is a folder")):
        record(path)


def test_missing_zstandard_fails_record_alone(tmp_path: Path) -> None:
    script = f"""
import sys
sys.modules["zstandard"] = None
import rxfeed
try:
    rxfeed.record({str(tmp_path)!r})
except rxfeed.ConfigError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, timeout=50, stdout=subprocess.PIPE, text=True)
    hint = 'pip install "rxfeed[record]" (in a clone of rxfeed: pip install ".[record]")'
    assert ran.stdout == f"zstandard is not installed, and a recording needs it: {hint}\n"


def test_repr_names_the_folder(tmp_path: Path) -> None:
    assert repr(record(tmp_path)) == f"<Recorder to {tmp_path}>"
