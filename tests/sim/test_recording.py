"""Reading recordings."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rxfeed.errors import ConfigError
from rxfeed.sim.recording import read_recording

LINES = [
    {"t": 1.5, "dir": "sent", "data": '{"type":"subscribe"}'},
    {"t": 2, "dir": "recv", "data": '{"type":"ticker"}'},
    {"t": 2.25, "dir": "recv", "data": "not JSON, ü"},
]
RECEIVED = [(2.0, '{"type":"ticker"}'), (2.25, "not JSON, ü")]


def write(path: Path, *extra: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in [*map(json.dumps, LINES), *extra]))
    return path


def test_the_received_frames_come_with_their_times(tmp_path: Path) -> None:
    assert list(read_recording(write(tmp_path / "plain.jsonl"))) == RECEIVED


def test_gzip_is_known_by_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(write(tmp_path / "plain").read_bytes()))
    assert list(read_recording(path)) == RECEIVED


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '{"t":1,"dir":"recv"}',
        '{"t":"1","dir":"recv","data":""}',
        '{"t":1,"dir":"both","data":""}',
        '{"t":1,"dir":"recv","data":{}}',
    ],
)
def test_a_malformed_line_is_named_once_it_is_reached(tmp_path: Path, line: str) -> None:
    lines = read_recording(write(tmp_path / "bad.jsonl", line))
    assert [next(lines), next(lines)] == RECEIVED
    with pytest.raises(ConfigError, match=r"bad\.jsonl, line 4: "):
        next(lines)


def test_a_gzip_file_that_ends_early_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "plain").read_bytes())[:-12])
    with pytest.raises(ConfigError, match=r"cut\.gz, after line"):
        list(read_recording(path))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.jsonl: No such file"):
        next(read_recording(tmp_path / "none.jsonl"))
