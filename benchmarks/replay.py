"""`python -m benchmarks.replay`: the speed of a replay, compared with decoding the same frames in a bare loop."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import zstandard

from benchmarks.frames import load
from rxfeed import Message, Replay, order_book, window_volume
from rxfeed.recording.format import VERSION, Header, end_line, frame_line, header_line
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

REQUIRED = 0.6
_BEGIN = 1_790_733_802_000_000_000
_EVERY = 200_000  # nanoseconds: 5,000 frames a second
_FLUSH = 5_000


class Case(NamedTuple):
    """The input of every run; *product* has the most messages."""

    frames: Sequence[bytes]
    path: Path
    product: str


def record(frames: Sequence[bytes], folder: Path) -> Path:
    """A segment of *frames*, packed a second at a time."""
    header = header_line(Header(rxfeed=VERSION, ns=_BEGIN, session="benchmark", segment=1))
    lines = [header, *(frame_line(raw, _BEGIN + place * _EVERY, 0) for place, raw in enumerate(frames))]
    lines.append(end_line(_BEGIN + len(frames) * _EVERY, len(frames)))
    pack = zstandard.ZstdCompressor(write_checksum=True).compress
    path = folder / "benchmark.jsonl.zst"
    path.write_bytes(b"".join(pack(b"".join(lines[at : at + _FLUSH])) for at in range(0, len(lines), _FLUSH)))
    return path


def bare(case: Case) -> None:
    """a bare loop that decodes each frame"""
    decode = ExchangeDecoder().decode
    for raw in case.frames:
        decode(raw)


def windows(case: Case) -> None:
    """window_volume(60): frames of other types are skipped"""
    replay = Replay(case.path)
    replay.pipe(window_volume(60)).subscribe()
    _serve(replay, case)


def windows_of_one(case: Case) -> None:
    """window_volume(60), of one product"""
    replay = Replay(case.path, products=case.product)
    replay.pipe(window_volume(60)).subscribe()
    replay.serve()


def books(case: Case) -> None:
    """order_book of one product, as most frames are of books"""
    replay = Replay(case.path)
    replay.pipe(order_book(case.product)).subscribe()
    _serve(replay, case)


def everything(case: Case) -> None:
    """window_volume(60), and a subscriber to every message"""
    replay = Replay(case.path)
    replay.pipe(window_volume(60)).subscribe()
    replay.subscribe(lambda message: None)
    _serve(replay, case)


def _serve(replay: Replay, case: Case) -> None:
    replay.serve()
    assert replay.stats.messages == len(case.frames)


RUNNERS = [bare, windows, windows_of_one, books, everything]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.replay", description=__doc__)
    parser.add_argument("--messages", type=int, default=200_000, help="per run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=7, help="of each, alternating (default %(default)s)")
    options = parser.parse_args()
    source, frames = load(options.messages)
    size = sum(map(len, frames))
    products = Counter(
        message.product_id for message in map(ExchangeDecoder().decode, frames) if isinstance(message, Message)
    )
    taken: dict[Callable[[Case], None], list[float]] = {runner: [] for runner in RUNNERS}
    with tempfile.TemporaryDirectory() as folder:
        case = Case(frames, record(frames, Path(folder)), str(products.most_common(1)[0][0]))
        packed = case.path.stat().st_size
        print(
            f"{len(frames):,} frames of {source}, {size / len(frames):.0f} bytes on average, "
            f"{packed / len(frames):.0f} in the recording; medians of {options.runs} alternating runs"
        )
        for _ in range(options.runs):
            for runner in RUNNERS:
                taken[runner].append(_seconds(partial(runner, case)))
    base = statistics.median(taken[bare])
    print(f"{'messages/s':>12}  {'ratio':>6}")
    for runner in RUNNERS:
        seconds = statistics.median(taken[runner])
        print(f"{len(frames) / seconds:>12,.0f}  {base / seconds:>6.2f}  {runner.__doc__}")
    ratio = base / statistics.median(taken[windows])
    good = ratio >= REQUIRED
    print(f"{'OK' if good else 'FAILED'}: window_volume over a replay runs at {ratio:.2f} of the bare loop's speed")
    sys.exit(not good)


def _seconds(run: Callable[[], None]) -> float:
    # All work is on this thread, so its CPU time excludes other processes.
    started = time.thread_time()
    run()
    return time.thread_time() - started


if __name__ == "__main__":
    main()
