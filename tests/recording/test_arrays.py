"""A JSON array, on one line or over many, is read item by item."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Replay, catalogue
from rxfeed.errors import RecordingDamaged
from rxfeed.feed import RecordingTruncated
from rxfeed.recording.arrays import as_lines
from tests.support.collect import Collected
from tests.support.replays import played, prices, trades

ITEMS = [json.loads(raw) for raw in trades(1, 5)]


@pytest.mark.parametrize("indent", [None, 0, 2])
@pytest.mark.parametrize("around", ["", "\n", " \r\n\t"])
@pytest.mark.parametrize("packing", [lambda text: text, gzip.compress])
def test_array_is_played_item_by_item(tmp_path: Path, indent: Any, around: str, packing: Any) -> None:
    path = tmp_path / "array.json"
    path.write_bytes(packing(f"{around}{json.dumps(ITEMS, indent=indent)}{around}".encode()))
    replay = Replay(path)
    status, malformed = Collected(replay.status), Collected(replay.malformed)
    got = played(replay)
    assert prices(got.items) == [1, 2, 3, 4, 5]
    assert [message.content for message in got.items] == ITEMS
    assert malformed.items == []
    assert not any(isinstance(each, RecordingTruncated) for each in status.items)
    found = catalogue(path).total
    assert (found.by_type, found.damaged) == ({"match": 5}, ())


def test_array_of_an_older_recording_is_played(tmp_path: Path) -> None:
    path = tmp_path / "older.json"
    older = [{"t": 1.5 + place, "dir": "recv", "data": json.dumps(item)} for place, item in enumerate(ITEMS)]
    path.write_text(json.dumps(older, indent=1))
    assert prices(played(Replay(path)).items) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "it is empty"),
        ("[ \n ]\n", "it is empty"),
        ("[1, 2]x", "it ends within a line"),
        ('[{"price":"1"}]', "neither a header nor a frame"),
        ('{\n  "type": "match"\n}', "not a recording: its first line is no JSON"),
    ],
)
def test_array_without_messages_fails_with_the_reason(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "array.json"
    path.write_text(text)
    replay = Replay(path)
    got = Collected(replay)
    replay.serve()
    assert isinstance(got.error, RecordingDamaged)
    assert reason in str(got.error)


@pytest.mark.parametrize(
    ("cut", "reason"),
    [(lambda text: text[:-1], "the array has no end"), (lambda text: text[:-9], "the array has no end")],
)
def test_truncated_array_is_played_and_reported(tmp_path: Path, cut: Any, reason: str) -> None:
    path = tmp_path / "array.json"
    path.write_text(cut(json.dumps(ITEMS)))
    replay = Replay(path)
    status = Collected(replay.status)
    assert prices(played(replay).items) == [1, 2, 3, 4]
    assert [each.reason for each in status.items if isinstance(each, RecordingTruncated)] == [reason]


def test_text_behind_an_array_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "array.json"
    path.write_text(json.dumps(ITEMS) + "\n{}")
    replay = Replay(path)
    status = Collected(replay.status)
    played(replay)
    (torn,) = [each for each in status.items if isinstance(each, RecordingTruncated)]
    assert "follows an array" in torn.reason


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
first = st.fixed_dictionaries({"type": st.text()}) | st.builds(lambda kind: [kind, 1], st.text())
item = st.dictionaries(st.text(), json_values, max_size=3) | st.lists(json_values, max_size=3)
items = st.builds(lambda one, rest: [one, *rest], first, st.lists(item, max_size=5))


@given(st.lists(items, min_size=1, max_size=3), st.sampled_from([None, 0, 1]), st.booleans(), st.data())
def test_items_become_lines_for_any_pieces(arrays: list[Any], indent: Any, ascii_only: bool, data: Any) -> None:
    text = "\n".join(json.dumps(each, indent=indent, ensure_ascii=ascii_only) for each in arrays).encode()
    cuts = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text))))})
    pieces = [text[begin:end] for begin, end in pairwise(cuts)]
    lines = b"".join(as_lines(iter(pieces)))
    assert len(lines) == len(text)
    assert [json.loads(line) for line in lines.split(b"\n") if line.strip()] == [
        item for each in arrays for item in each
    ]
