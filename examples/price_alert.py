"""Print an alert when a price goes above or below a level, as a pipeline.

Run: python examples/price_alert.py --level 60000
Run: python examples/price_alert.py --level 60000 --venue coinbase_advanced
"""

import argparse

from rxfeed import Feed, PriceCross, price_crossing
from rxfeed.venues import VENUES


def alert(cross: PriceCross) -> None:
    side = "above" if cross.direction == "up" else "below"
    doubt = " (messages were missed before it)" if cross.spans_gap else ""
    print(f"{cross.product_id} is {side} {cross.level}: {cross.price} at {cross.time}{doubt}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Print when a price goes above or below a level.")
    parser.add_argument("--level", required=True, help="the price to watch for")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--venue", choices=tuple(VENUES), help="(default: that of --url, or coinbase_exchange)")
    parser.add_argument("--url", help="of the feed (default: the venue's own)")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: at Ctrl-C)")
    options = parser.parse_args()

    feed = Feed(options.product, "ticker", venue=options.venue, url=options.url)
    feed.pipe(price_crossing(options.product, options.level)).subscribe(alert)
    feed.run(seconds=options.seconds)


if __name__ == "__main__":
    main()
