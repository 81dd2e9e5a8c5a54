"""Sum the traded volume of each minute, as a pipeline.

Run: python examples/volume_per_minute.py --window 10
"""

import argparse

from rxfeed import Feed, VolumeWindow, window_volume
from rxfeed.venues import VENUES


def show(window: VolumeWindow) -> None:
    doubt = "" if window.complete else " (incomplete)"
    facts = f"volume {window.volume} vwap {window.vwap:.8g} trades {window.count}"
    print(f"{window.start:%Y-%m-%dT%H:%M:%S} {facts}{doubt}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Sum the traded volume of each minute, or of another window.")
    parser.add_argument("--window", type=float, default=60, help="length of a window in seconds (default: 60)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--venue", choices=tuple(VENUES), help="(default: that of --url, or coinbase_exchange)")
    parser.add_argument("--url", help="of the feed (default: the venue's own)")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: at Ctrl-C)")
    options = parser.parse_args()

    # A heartbeat arrives every second, so a window is closed even if the next trade comes much later.
    feed = Feed(options.product, ["trades", "heartbeat"], venue=options.venue, url=options.url)
    feed.pipe(window_volume(options.window)).subscribe(show)
    feed.run(seconds=options.seconds)


if __name__ == "__main__":
    main()
