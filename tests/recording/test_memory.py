"""Memory is bounded for any content of a recording and any compression."""

from __future__ import annotations

import gzip
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tests.recording.test_catalogue import trade
from tests.support.amounts import THOROUGH
from tests.support.segments import NS, lines_of, packed, text_of

pytestmark = pytest.mark.timeout(180)  # most read a bomb of 60 or 120 MB in another process

OVER, WITHIN = 120, 60  # megabytes: longer than a line may be, and not
MOST = 320  # megabytes, of which the interpreter and what it imports take some 60
HEADER = text_of([])[0]

# Prints the peak of its memory in megabytes, and the number of frames.
PEAK = r"""
import logging, pathlib, re, sys
from rxfeed import Replay, catalogue
from rxfeed.errors import RecordingDamaged
logging.disable()
how, path = sys.argv[1:]
count = 0
def one(message):
    global count
    count += 1
try:
    if how == "catalogue":
        count = catalogue(path).total.messages
    else:
        replay = Replay(path, merge=how == "merged")
        replay.subscribe(one, lambda error: None)
        replay.serve()
except RecordingDamaged:
    pass
print(int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024, count)
"""


def bomb(before: bytes, unit: bytes, after: bytes = b"") -> Callable[[int], bytes]:
    return lambda megabytes: before + unit * (megabytes * 10**6 // len(unit)) + after


FRAME = b'{"ns":%d,"frame":' % NS
TEXTS: dict[str, Callable[[int], bytes]] = {
    "one line": bomb(b"[", b"[],"),
    "a plain array": bomb(b'["open",', b"[],"),
    "a frame": bomb(HEADER + FRAME + b'{"type":"news","x":[', b"[],", b"1]}}\n"),
    "a frame of level3": bomb(HEADER + FRAME + b'["open",', b"[],", b"1]}\n"),
    "a status": bomb(HEADER + b'{"ns":1,"status":{"type":"Gap","x":[', b"[],", b"1]}}\n"),
    "a line's unknown key": bomb(HEADER + b'{"ns":1,"x":[', b"[],", b"1]}\n"),
    "about": bomb(HEADER[:-2] + b',"about":{"x":[', b"[],", b"1]}}\n"),
    "the first line": bomb(b'{"type":"news","x":[', b"[],", b"1]}\n"),
    "an older line": bomb(b'{"t":1,"dir":"recv","x":[', b"[],", b'1],"data":"{}"}\n'),
    "an array's item": bomb(b'[{"type":"news","x":[', b"[],", b"1]}]\n"),
    "nothing but space": bomb(b"", b" "),
}
PACKINGS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdCompressor(level=19).compress,
    "gzip": lambda text: gzip.compress(text, 1),
    "none": lambda text: text,
}


def peak(how: str, path: Path) -> tuple[int, int]:
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, how, str(path)], capture_output=True, text=True, check=True, timeout=150
    )
    most, count = ran.stdout.split()
    return int(most), int(count)


# Every text is over the bound in a replay; one within it is read merged or by the catalogue, or by both if thorough.
WAYS = ["merged", "catalogue"]
BOMBS = [
    *((text, "replay", OVER) for text in TEXTS),
    *((text, how, WITHIN) for place, text in enumerate(TEXTS) for how in (WAYS if THOROUGH else [WAYS[place % 2]])),
]


@pytest.mark.parametrize(("text", "how", "megabytes"), BOMBS)
def test_memory_is_bounded_for_a_compression_bomb(tmp_path: Path, text: str, how: str, megabytes: int) -> None:
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(zstandard.ZstdCompressor(level=3).compress(TEXTS[text](megabytes)))
    assert path.stat().st_size < 40_000
    most, _ = peak(how, path)
    assert most < MOST


@pytest.mark.parametrize("packing", PACKINGS)
def test_memory_is_bounded_for_any_compression(tmp_path: Path, packing: str) -> None:
    path = tmp_path / "bomb.jsonl"
    path.write_bytes(PACKINGS[packing](TEXTS["a frame"](OVER)))
    most, _ = peak("replay", path)
    assert most < MOST


def test_blocks_of_one_byte_are_decompressed_in_small_batches(tmp_path: Path) -> None:
    """Four bytes of zstd can stand for 128 kB: a megabyte of them for 32 GB, of which the first line is too long."""
    size = 1 << 17
    header = b"\x28\xb5\x2f\xfd\x00\x58"  # no checksum, a window of 2 MB
    runs = ((size << 3) | 0b010).to_bytes(3, "little") + b" "
    path = tmp_path / "bomb.zst"
    path.write_bytes(header + ((1 << 3) | 0b000).to_bytes(3, "little") + b"{" + runs * 250_000)
    for how in ("replay", "catalogue"):
        most, count = peak(how, path)
        assert (count, most < MOST) == (0, True)


def test_segments_around_a_bomb_are_played(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(zstandard.ZstdCompressor().compress(TEXTS["one line"](OVER)))
    (tmp_path / "b.jsonl").write_bytes(packed(text_of(lines_of([trade(1), trade(2)]))))
    for how in ("replay", "merged", "catalogue"):
        most, count = peak(how, tmp_path)
        assert (count, most < MOST) == (2, True)


def test_catalogue_of_unlimited_names_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "names.jsonl"
    with path.open("wb") as out:
        out.write(HEADER)
        for number in range(400_000):
            out.write(FRAME + b'{"type":"t%d","product_id":"%d"}}\n' % (number, number))
    most, count = peak("catalogue", path)
    assert (count, most < 130) == (400_000, True)
