"""Record trades over two connections, so that the loss of one of them, or its replacement, misses none.

Run: python examples/redundant_recorder.py --to recordings
Run: python examples/redundant_recorder.py --to recordings --product '*-EUR' --renew 3600
"""

import argparse
import contextlib
import math
import time

from rxfeed import Feed, record
from rxfeed.feed import BookSwitched, Disconnected, FeedStatus, Gap, ProductListed, Renewed
from rxfeed.venues import VENUES


def report(event: FeedStatus) -> None:
    if isinstance(event, Gap | Disconnected | Renewed | BookSwitched | ProductListed):
        print(event, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Record trades over several connections.")
    parser.add_argument("--to", required=True, help="the folder of the recording")
    parser.add_argument("--product", default="BTC-USD", help="an id, or a pattern such as '*-USD' (default: BTC-USD)")
    parser.add_argument("--redundancy", type=int, default=2, help="connections of each product (default: 2)")
    parser.add_argument("--renew", type=float, default=86_400, help="seconds until all are replaced (default: a day)")
    parser.add_argument("--venue", choices=tuple(VENUES), help="(default: that of --url, or coinbase_exchange)")
    parser.add_argument("--url", help="of the feed (default: the venue's own)")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: at Ctrl-C)")
    options = parser.parse_args()

    feed = Feed(
        options.product,
        ["trades", "heartbeat"],
        venue=options.venue,
        url=options.url,
        redundancy=options.redundancy,
    )
    feed.pipe(record(options.to)).subscribe()
    feed.status.subscribe(report)

    ends = math.inf if options.seconds is None else time.monotonic() + options.seconds
    with feed, contextlib.suppress(KeyboardInterrupt):
        while not feed.wait(max(0.0, min(options.renew, ends - time.monotonic()))) and time.monotonic() < ends:
            feed.renew()
    print(feed.stats)


if __name__ == "__main__":
    main()
