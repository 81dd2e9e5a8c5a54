"""`python -m benchmarks.recording`: the cost of recording a feed, compared with the feed alone."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from reactivex.subject import Subject

from benchmarks.frames import load
from benchmarks.load_server import LoadServer, load_server
from rxfeed import Feed, Message, record
from rxfeed.market import Origin, stamp
from rxfeed.recording import Recorder
from rxfeed.venues.coinbase_exchange import ExchangeDecoder

RATE = 5000
MOST = 5.0
"""Percent of a core that recording may take at `RATE` messages a second."""


class Run(msgspec.Struct, frozen=True):
    """The cost of a run: CPU seconds of all threads of this process, and elapsed seconds."""

    cpu: float
    wall: float


def measured(act: Callable[[], None]) -> Run:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return Run(time.process_time() - cpu, time.perf_counter() - wall)


# ---- recording


def feed_run(url: str, count: int, folder: Path | None) -> Run:
    """A feed with one empty subscriber, and a recorder to *folder* beside it, from the connection to the last byte."""

    def run() -> None:
        feed = Feed("BTC-USD", ["level2_batch", "ticker", "matches"], url=url, drop_duplicates=False)
        left = count

        def subscriber(message: Message) -> None:
            nonlocal left
            left -= 1
            if not left:
                feed.close()

        feed.subscribe(subscriber)
        recorder = None if folder is None else record(folder)
        if recorder is not None:
            feed.pipe(recorder).subscribe()
        feed.serve()
        if recorder is not None:
            check(recorder, count)

    return measured(run)


def recorder_run(messages: Sequence[Message], folder: Path) -> Run:
    """A recorder alone, at full speed."""

    def run() -> None:
        source: Subject[Message] = Subject()
        recorder = record(folder)
        source.pipe(recorder).subscribe()
        for message in messages:
            source.on_next(message)
        check(recorder, len(messages))

    return measured(run)


def check(recorder: Recorder, count: int) -> None:
    if recorder.close() or recorder.stats.frames != count:
        raise SystemExit(f"{recorder.stats.frames:,} frames of {count:,} are recorded")


def stamped(payloads: Sequence[bytes]) -> list[Message]:
    decode, now = ExchangeDecoder().decode, time.time_ns()
    decoded = ((payload, decode(payload)) for payload in payloads)
    return [stamp(each, Origin(payload, now, 1)) for payload, each in decoded if isinstance(each, Message)]


def recording(server: LoadServer, payloads: Sequence[bytes], seconds: float, runs: int) -> bool:
    """Print the cost of recording; returns whether it is within the goal."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ok = True
        count = round(RATE * seconds)
        print(f"recording at {RATE:,} messages a second, percent of a core, medians of {runs} alternating runs:")
        for told, burst in (("in bursts of 50 every 10 ms", 50), ("one message a packet", 1)):
            alone: list[float] = []
            both: list[float] = []
            for _ in range(runs):
                for into, shares in ((None, alone), (folder, both)):
                    run = feed_run(server.url(count, RATE, burst), count, into)
                    server.sent()  # the other process waits for this read
                    shares.append(100 * run.cpu / seconds)
            less, more = statistics.median(alone), statistics.median(both)
            verdict = "met" if more - less <= MOST else "NOT MET"
            ok = ok and more - less <= MOST
            print(
                f"  {told:<28} feed {less:5.1f}, with record {more:5.1f}: recording {more - less:4.1f} "
                f"(at most {MOST:g}: {verdict})"
            )
        messages = stamped(payloads)
        tight = statistics.median(recorder_run(messages, folder).cpu for _ in range(runs)) / len(messages)
        print(f"  recorder alone, as fast as it goes: {1e6 * tight:.2f} µs of CPU a message, {1 / tight:,.0f}/s a core")
    return ok


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each paced run (default %(default)s)")
    parser.add_argument("--messages", type=int, default=200_000, help="of each tight run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=5, help="of each (default %(default)s)")
    arguments = parser.parse_args()
    origin, payloads = load(arguments.messages)
    print(f"frames of {origin}")
    with load_server(payloads, round(RATE * arguments.seconds)) as server:
        ok = recording(server, payloads, arguments.seconds, arguments.runs)
    raise SystemExit(0 if ok else 1)


if __name__ == "__main__":
    main()
