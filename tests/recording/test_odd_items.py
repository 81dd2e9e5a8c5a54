"""Nothing that a frame or an event holds ends a recording."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import reactivex

from rxfeed import ConnectionLost, Credentials, Feed, Malformed, matches, record
from rxfeed.feed import Connected, Disconnected, Gap
from rxfeed.feed.status import FeedStatus
from rxfeed.market import Origin, stamp
from rxfeed.recording import lines as lines_module
from rxfeed.recording.events import status_line, status_of
from rxfeed.recording.format import LONGEST_HEADER, Header, decode_header, decode_line, header_line
from rxfeed.recording.lines import Lines
from rxfeed.recording.reading import Recording
from rxfeed.secrets import redact_all_strings, redacted
from tests.support.make import match
from tests.support.recordings import lines_of, recorded, segments
from tests.support.sources import Said, message, tick

NS = 1_790_733_802_123_456_789


def nested(depth: int, inside: str) -> bytes:
    return b'{"type":"error","message":"no","x":%s"%s"%s}' % (b"[" * depth, inside.encode(), b"]" * depth)


@pytest.mark.parametrize("depth", [1, 600, 900])
@pytest.mark.parametrize("behind", [False, True], ids=["on a source", "behind an operator"])
def test_error_nested_deep_is_recorded_redacted(tmp_path: Path, depth: int, behind: bool) -> None:
    items = [tick(1, NS), message(nested(depth, "secret"), NS), tick(2, NS)]
    source: Any = reactivex.from_iterable(items) if behind else Said(items)
    if behind:
        source.pipe(record(tmp_path)).run()
    else:
        recorded(source, record(tmp_path))
    (path,) = segments(tmp_path)
    frames = [raw for _, raw in Recording(path).frames()]
    clean = nested(depth, "[redacted]").replace(b'"no"', b'"[redacted]"')
    assert frames == [items[0].raw, clean if behind else items[1].raw, items[2].raw]


@pytest.mark.parametrize("depth", [3, 600, 5000])
def test_secret_is_found_at_any_depth_and_escaping(depth: int) -> None:
    raw = nested(depth, r"a \u0073\u0065cret")
    assert redacted(raw, ["secret"]) == nested(depth, "a [redacted]")
    assert redact_all_strings(raw) == nested(depth, "[redacted]").replace(b'"no"', b'"[redacted]"')


def test_frame_with_an_invalid_type_is_redacted() -> None:
    raw = b'{"type":{"key":"abc"},"x":{"type" : "abc"}}'
    assert redact_all_strings(raw) == b'{"type":{"key":"[redacted]"},"x":{"type" : "abc"}}'
    assert redacted(raw, ["abc"]) == b'{"type":{"key":"[redacted]"},"x":{"type" : "abc"}}'


def test_credentials_in_deep_frames_are_not_recorded(tmp_path: Path) -> None:
    feed = Feed("A-B", "matches", credentials=Credentials("the-key", "c2VjcmV0", "the-phrase"), url="ws://127.0.0.1:1")
    assert b"the-phrase" not in feed.redact(nested(600, r"the\u002dphrase"))
    assert b"phrase" not in feed.redact(nested(600, r"the\u002dphrase"))


@pytest.mark.parametrize("ns", [10**30, -(10**30)])
def test_item_that_cannot_be_recorded_is_replaced_by_the_reason(
    tmp_path: Path, ns: int, caplog: pytest.LogCaptureFixture
) -> None:
    bad = stamp(match(1), Origin(match(1).raw, ns, 0))
    recorder = record(tmp_path)
    got = recorded(Said([tick(1, NS), bad, Malformed(b"x", "no", ns), tick(2, NS)]), recorder)
    assert got.completed
    _, *lines, ended, end = lines_of(got.items[0].path)
    assert ended["status"]["type"] == "Ended"
    assert ["frame" in line for line in lines] == [True, False, False, True]
    assert f"Match is not recorded: received at {ns}" in lines[1]["malformed"]
    assert (recorder.stats.frames, recorder.stats.malformed, end["end"]) == (4, 2, {"frames": 4})
    assert len([each for each in caplog.records if each.levelno == logging.ERROR]) == 1


def test_frame_too_long_for_a_reader_is_replaced_by_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST_LINE", 1000)
    long = message(b'{"type":"news","x":"%s"}' % (b"x" * 1000), NS)
    got = recorded(Said([tick(1, NS), long, tick(2, NS)]), record(tmp_path))
    _, one, two, three, _, _ = lines_of(got.items[0].path)
    assert "frame" in one
    assert "frame" in three
    assert "in a line of 1," in two["malformed"]


class Exploding(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("cause", [ConnectionLost("a file \udcff"), Exploding()])
def test_event_with_an_odd_cause_does_not_end_it(tmp_path: Path, cause: Exception) -> None:
    status = Disconnected(cause=cause, at=datetime(2026, 1, 2, tzinfo=UTC))
    chunks = list(Lines(Said(())).encode([tick(1, NS), status, tick(2, NS)]))
    lines = [decode_line(line) for chunk in chunks for line in chunk.lines]
    assert [line.has_frame for line in lines] == [True, False, True]
    again = status_of(lines[1])
    assert again is None or isinstance(again, Disconnected)
    assert (sum(chunk.frames for chunk in chunks), sum(chunk.events for chunk in chunks)) == (2, 1)


def test_header_that_is_too_long_omits_the_subscription() -> None:
    about = {"products": ["x" * 100] * 20_000}
    line = header_line(Header(rxfeed=1, ns=NS, session="a", segment=1, about=about))
    assert len(line) < LONGEST_HEADER
    assert decode_header(line).about == {}


@pytest.mark.parametrize("missing", [b'"product_id":"A-B"', b'"first":3'])
def test_status_without_a_field_is_an_error(missing: bytes) -> None:
    """Unknown fields are ignored."""
    status: FeedStatus = Gap(product_id="A-B", channel="matches", first=3, last=4)
    line = status_line(status)
    with pytest.raises(ValueError, match="missing required field"):
        status_of(decode_line(line.replace(missing, b'"news":[[{}]]')))
    assert status_of(decode_line(line.replace(b'"status":{', b'"status":{"at":[1],"news":[[{}]],'))) == status


def test_status_has_the_time_of_its_line() -> None:
    at = datetime(2026, 1, 2, tzinfo=UTC)
    status = Connected(url="ws://there", at=at)
    assert status_of(decode_line(status_line(status))) == status


def test_matches_behind_an_operator_are_unchanged(tmp_path: Path) -> None:
    trades = [match(n, trade_id=n) for n in (1, 2)]
    reactivex.from_iterable(trades).pipe(matches(), record(tmp_path)).run()
    assert [raw for _, raw in Recording(segments(tmp_path)[0]).frames()] == [each.raw for each in trades]
