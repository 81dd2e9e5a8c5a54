"""Files are read by their content up to the last valid line, and damage is reported with its place."""

from __future__ import annotations

import gzip
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed.status import Connected
from rxfeed.market import Malformed
from rxfeed.recording.events import status_line
from rxfeed.recording.format import VERSION, malformed_line
from rxfeed.recording.reading import Recording
from rxfeed.recording.timestamps import ns_of
from rxfeed.recording.unpack import MOST_HELD
from tests.support.amounts import amount
from tests.support.make import NOON, match
from tests.support.segments import NS, lines_of, packed, text_of

OLDER = [
    {"t": 1.5, "dir": "sent", "data": '{"type":"subscribe"}'},
    {"t": 2, "dir": "recv", "data": '{"type":"ticker"}'},
    {"t": 2.25, "dir": "recv", "data": "not JSON, ü"},
]
OLDER_FRAMES = [(2_000_000_000, b'{"type":"ticker"}'), (2_250_000_000, "not JSON, ü".encode())]
FRAMES = [match(price, time=price, trade_id=price).raw for price in range(1, 8)]
TEXT = text_of(lines_of(FRAMES))
SOME = [match(price, time=price % 977).raw for price in range(10_000)]
PLAIN = b"\n".join([b'{"type":"subscriptions","channels":[]}', *FRAMES])

Packing = Callable[[bytes], bytes]
PACKINGS: dict[str, Packing] = {
    "plain": lambda text: text,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


def partly(path: Path) -> tuple[list[tuple[int, bytes]], RecordingDamaged | None]:
    """The frames that are read, and the damage after them."""
    read: list[tuple[int, bytes]] = []
    try:
        for frame in Recording(path).frames():
            read.append(frame)  # frames before the damage count
    except RecordingDamaged as damage:
        return read, damage
    return read, None


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"  # the name does not show the content


# ---- kinds


@pytest.mark.parametrize("packing", PACKINGS)
def test_segment_is_recognized_in_any_compression(file: Path, packing: str) -> None:
    file.write_bytes(PACKINGS[packing](b"".join(TEXT)))
    recording = Recording(file)
    assert recording.kind == "segment"
    assert recording.header is not None
    assert (recording.header.session, recording.header.segment, recording.first_ns) == ("5f0c2b7a", 1, NS)
    assert partly(file) == ([(NS + place * 10**9, raw) for place, raw in enumerate(FRAMES)], None)


@pytest.mark.parametrize("packing", PACKINGS)
def test_older_recording_returns_the_received_frames(file: Path, packing: str) -> None:
    file.write_bytes(PACKINGS[packing]("".join(f"{json.dumps(line)}\n" for line in OLDER).encode()))
    assert Recording(file).kind == "older"
    assert Recording(file).first_ns == 1_500_000_000
    assert partly(file) == (OLDER_FRAMES, None)


@pytest.mark.parametrize("packing", PACKINGS)
def test_plain_lines_have_their_time_or_the_previous_one(file: Path, packing: str) -> None:
    level3 = b'["open","BTC-USD","7","id","buy","1.0","2.0","2026-01-02T12:01:00.500000Z"]'
    file.write_bytes(PACKINGS[packing](PLAIN + b"\n\n" + level3 + b'\n["open"]'))
    assert Recording(file).kind == "plain"
    times = [0, *(ns_of(NOON) + price * 10**9 for price in range(1, 8)), *[ns_of(NOON) + 60_500_000_000] * 2]
    raws = [*PLAIN.split(b"\n"), level3, b'["open"]']
    assert partly(file) == (list(zip(times, raws, strict=True)), None)


def test_other_lines_of_a_segment_are_no_frames(file: Path) -> None:
    bad = Malformed(b"\xff", "not JSON", NS + 5)
    other = [status_line(Connected(url="wss://host", at=NOON)), malformed_line(bad), b'{"ns":1,"news":{"a":1}}\n']
    file.write_bytes(packed(text_of([*other, *lines_of(FRAMES[:1])])))
    assert partly(file) == ([(NS + 5, b"\xff"), (NS, FRAMES[0])], None)
    numbers = [number for number, _ in Recording(file).lines()]
    assert numbers == [2, 3, 4, 5, 6]


def test_file_is_read_in_pieces(file: Path) -> None:
    """Of 60 MB of lines only a few times what waits for a checksum is in memory."""
    some = b"".join(lines_of(SOME))
    with file.open("wb") as out, zstandard.ZstdCompressor(write_checksum=True).stream_writer(out) as pack:
        pack.write(TEXT[0])
        for _ in range(60 * 10**6 // len(some)):
            pack.write(some)
    tracemalloc.start()
    with pytest.raises(RecordingDamaged, match="no end line"):
        for _ in Recording(file).chunks():
            pass
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * MOST_HELD


# ---- damaged files


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (gzip.compress(b"", mtime=0), "it is empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "it begins with b'.PNG"),
        (b"# Notes\n", "it begins with b'# Notes"),
        (b'{"ns":1', "it ends within a line"),
        (b'{"a":1}\n', "neither a header nor a frame"),
        (b'{"rxfeed":2,"ns":1,"session":"a","segment":1}\n', f"version 2, and this rxfeed reads {VERSION}"),
        (b'{"rxfeed":1,"ns":1}\n', "missing required field `session`"),
        (b'{"t":1,"dir":"recv"}\n', "missing required field `data`"),
        (b"\x28\xb5\x2f\xfdnothing", "line 1, byte 0: "),
        (b"\x1f\x8bnothing", "line 1, byte 0: "),
    ],
)
def test_file_that_is_no_recording_has_a_reason(file: Path, content: bytes, why: str) -> None:
    file.write_bytes(content)
    with pytest.raises(RecordingDamaged, match=r"recording .*/file, line 1, byte 0: ") as caught:
        list(Recording(file).chunks())
    assert why in str(caught.value).replace("\\x89", ".")
    assert (caught.value.path, caught.value.line, caught.value.offset) == (str(file), 1, 0)


def test_damage_is_no_invalid_argument() -> None:
    assert not issubclass(RecordingDamaged, ConfigError | ValueError)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingDamaged, match=r"none\.jsonl, line 1, byte 0: No such file"):
        Recording(tmp_path / "none.jsonl")


def test_missing_zstandard_error_names_the_extra(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_bytes(packed(TEXT))
    monkeypatch.setitem(sys.modules, "zstandard", None)
    with pytest.raises(ConfigError, match=r'pip install "rxfeed\[record\]" \(in a clone'):
        Recording(file)


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", '{"t":1,"dir":"recv"}', '{"t":"1","dir":"recv","data":""}', '{"t":1,"dir":"both","data":""}'],
)
def test_bad_line_of_an_older_recording_is_named_when_reached(file: Path, line: str) -> None:
    text = "".join(f"{json.dumps(line)}\n" for line in OLDER)
    file.write_text(f"{text}{line}\n")
    read, damage = partly(file)
    assert read == OLDER_FRAMES
    assert damage is not None
    assert (damage.line, damage.offset) == (4, len(text.encode()))


@pytest.mark.parametrize("line", [b"{\n", b"\n", b'{"ns":"1"}\n', b'{"ns":1,"base64":"***"}\n'])
def test_bad_line_of_a_segment_is_named_when_reached(file: Path, line: bytes) -> None:
    file.write_bytes(packed([*TEXT[:4], line, *TEXT[4:]]))
    read, damage = partly(file)
    assert read == [(NS + place * 10**9, raw) for place, raw in enumerate(FRAMES[:3])]
    assert damage is not None
    assert (damage.line, damage.offset) == (5, sum(map(len, TEXT[:4])))


def test_segment_without_its_end_is_read_to_the_last_whole_line(file: Path) -> None:
    file.write_bytes(b"".join(TEXT[:-1]))
    read, damage = partly(file)
    assert len(read) == len(FRAMES)
    assert damage is not None
    assert "no end line" in damage.reason
    assert (damage.line, damage.offset) == (len(TEXT), sum(map(len, TEXT[:-1])))


def test_lines_after_the_end_line_are_not_read(file: Path) -> None:
    file.write_bytes(packed(TEXT) + packed(TEXT))
    read, damage = partly(file)
    assert len(read) == len(FRAMES)
    assert damage is not None
    assert (damage.line, damage.reason) == (len(TEXT) + 1, "there is data after the end line")


# ---- cuts and flips

HELD_BACK = settings(
    max_examples=amount(60, thorough=500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def flushed(lines: list[bytes], at_once: int) -> tuple[bytes, list[tuple[int, int]]]:
    """One zstd frame, flushed so often; and behind how many bytes how many lines are safe."""
    pack = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    out, safe = b"", []
    for at in range(0, len(lines), at_once):
        out += pack.compress(b"".join(lines[at : at + at_once])) + pack.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        safe.append((len(out), min(at + at_once, len(lines))))
    return out + pack.flush(), safe


@HELD_BACK
@given(st.data(), st.integers(1, 4))
def test_segment_cut_anywhere_returns_every_flushed_line(tmp_path: Path, data: st.DataObject, at_once: int) -> None:
    whole, safe = flushed(TEXT, at_once)
    cut = data.draw(st.integers(0, len(whole) - 1))
    (tmp_path / "cut").write_bytes(whole[:cut])
    read, damage = partly(tmp_path / "cut")
    lines = max((count for size, count in safe if size <= cut), default=0)
    right = [(NS + place * 10**9, raw) for place, raw in enumerate(FRAMES)]
    assert read == right[: len(read)]
    assert len(read) >= min(lines - 1, len(right))
    assert damage is not None
    assert damage.line >= lines


@HELD_BACK
@given(st.integers(0, len(b"".join(TEXT)) - 2))
def test_uncompressed_segment_cut_anywhere_returns_whole_lines(tmp_path: Path, cut: int) -> None:
    text = b"".join(TEXT)[:cut]
    (tmp_path / "cut").write_bytes(text)
    read, damage = partly(tmp_path / "cut")
    assert [raw for _, raw in read] == FRAMES[: max(0, text.count(b"\n") - 1)]
    assert damage is not None
    assert (damage.line, damage.offset) == (text.count(b"\n") + 1, text.rfind(b"\n") + 1)


@HELD_BACK
@given(st.data(), st.integers(1, 255), st.integers(1, 9))
def test_flipped_byte_never_gives_a_wrong_frame(tmp_path: Path, data: st.DataObject, flip: int, together: int) -> None:
    """Each frame of zstd has a checksum, and is not given before it was seen."""
    whole = bytearray(packed(TEXT, together))
    at = data.draw(st.integers(0, len(whole) - 1))
    whole[at] ^= flip
    (tmp_path / "flipped").write_bytes(whole)
    read, damage = partly(tmp_path / "flipped")
    right = [(NS + place * 10**9, raw) for place, raw in enumerate(FRAMES)]
    assert read == right[: len(read)]
    # Some bits of a frame's header mean nothing.
    assert damage is not None or read == right


@HELD_BACK
@given(st.data(), st.sampled_from(["gzip", "zstd"]), st.booleans())
def test_older_recording_cut_anywhere_is_reported(
    tmp_path: Path, data: st.DataObject, packing: str, plain: bool
) -> None:
    text = PLAIN if plain else "".join(f"{json.dumps(line)}\n" for line in OLDER).encode()
    whole = PACKINGS[packing](text)
    (tmp_path / "cut").write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    read, damage = partly(tmp_path / "cut")
    assert damage is not None
    assert [raw for _, raw in read] == (PLAIN.split(b"\n") if plain else [raw for _, raw in OLDER_FRAMES])[: len(read)]


def test_no_frame_is_returned_before_its_checksum(file: Path) -> None:
    lines = text_of(lines_of(SOME))
    whole = bytearray(packed(lines[:5_000], 5_000) + packed(lines[5_000:], 10_000))
    whole[-1] ^= 1
    file.write_bytes(whole)
    read, damage = partly(file)
    assert damage is not None
    assert (len(read), damage.line) == (4_999, 5_001)


def test_bytes_before_a_distant_wrong_checksum_are_doubtful(file: Path) -> None:
    lines = lines_of(SOME)
    times = MOST_HELD // sum(map(len, lines)) + 1
    whole = bytearray(packed(text_of(lines * times), together=len(lines) * times + 2))
    whole[-1] ^= 1
    file.write_bytes(whole)
    _, damage = partly(file)
    assert damage is not None
    assert "bytes before may be wrong" in damage.reason
