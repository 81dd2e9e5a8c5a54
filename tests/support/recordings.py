"""Recordings, and functions that read them with zstandard and json, without rxfeed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import zstandard

from rxfeed.recording import RecordedSegment, Recorder
from tests.support.collect import Collected


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl.zst"))


def text_of(path: Path) -> bytes:
    """The readable text of a segment, also of one without an end."""
    with zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True) as reader:
        return reader.read()


def lines_of(path: Path) -> list[dict[str, Any]]:
    """Its whole lines."""
    whole, _, _ = text_of(path).rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()]


def frames_in(folder: Path) -> list[dict[str, Any]]:
    """The frames of all segments, in order."""
    return [line["frame"] for path in segments(folder) for line in lines_of(path) if "frame" in line]


def recorded(source: Any, recorder: Recorder) -> Collected[RecordedSegment]:
    """What *recorder* emits of *source*, which is played to its end."""
    got = Collected(source.pipe(recorder))
    source.serve()
    got.wait_for_end()
    return got
