"""Record a day of the local exchange, replay it in seconds, and compare the results of the same pipelines.

Run: python examples/record_and_replay.py
Run: python examples/record_and_replay.py --folder recordings/ --hours 24

The recording can be used with plot_volume.py, plot_candles.py, plot_imbalance.py and backtest.py.
Needs zstandard and websockets: pip install ".[record,sim]"
"""

import argparse
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from reactivex import Observable
from shared.market import add_venue, record_market

from rxfeed import Message, PriceMove, Replay, VolumeWindow, WideSpread, moved, order_book, spread_wider, window_volume

MEGABYTE = 1e6


class Study:
    """The results of some pipelines, which work the same on a feed and on a recording."""

    def __init__(self, source: Observable[Message], product: str) -> None:
        self.messages = 0
        self.hours: list[VolumeWindow] = []
        self.moves: list[PriceMove] = []
        self.spreads: list[WideSpread] = []
        source.subscribe(self._count)
        source.pipe(window_volume(3600)).subscribe(self.hours.append)
        source.pipe(moved("0.1", within=60)).subscribe(self.moves.append)
        source.pipe(order_book(product), spread_wider("0.03", percent=True)).subscribe(self.spreads.append)

    def _count(self, message: Message) -> None:
        self.messages += 1


def main() -> None:
    parser = argparse.ArgumentParser(description="Record a day of the local exchange, and play it again.")
    parser.add_argument("--folder", help="where the recording is kept (default: it is deleted)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--hours", type=float, default=24, help="duration in the exchange's time (default: 24)")
    parser.add_argument("--rate", type=float, default=1, help="orders a second of that time (default: 1)")
    add_venue(parser)
    options = parser.parse_args()

    with ExitStack() as stack:
        folder = Path(options.folder or stack.enter_context(TemporaryDirectory()))
        if any(folder.glob("*")):
            raise SystemExit(f"{folder} is not empty: this would be mixed with what is there")

        studies: list[Study] = []
        begin = time.perf_counter()
        recorder = record_market(
            folder,
            options.product,
            options.hours,
            options.rate,
            compose=lambda feed: studies.append(Study(feed, options.product)),
            venue=options.venue,
        )
        took, stats = time.perf_counter() - begin, recorder.stats
        size = f"{stats.bytes / MEGABYTE:.1f} MB, {stats.uncompressed / stats.bytes:.1f} to 1"
        print(f"recorded {options.hours:g} hours in {took:.1f} s: {studies[0].messages:,} messages, {size}")

        begin = time.perf_counter()
        replay = Replay(folder)
        again = Study(replay, options.product)
        replay.run()
        took = time.perf_counter() - begin
        pace = f"{3600 * options.hours / took:,.0f} times as fast as it was"
        print(f"replayed them in {took:.1f} s: {again.messages / took:,.0f} messages/s, {pace}")

    (live,) = studies
    for w in again.hours:
        doubt = "" if w.complete else " (incomplete)"
        print(f"  {w.start:%H:%M} volume {w.volume} vwap {w.vwap:.8g} trades {w.count}{doubt}")
    print(f"  {len(again.moves)} moves of 0.1 % within a minute, {len(again.spreads)} spreads over 0.03 % of the mid")
    if vars(live) != vars(again):
        raise SystemExit("the results of live and replay differ")
    print("the results of live and replay are equal")


if __name__ == "__main__":
    main()
