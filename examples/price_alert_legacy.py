"""Print an alert when a price goes above or below a level, with the classic callback client.

Run: python examples/price_alert_legacy.py --level 60000

`price_alert.py` does the same as a pipeline.
"""

import argparse
import contextlib
import math
import sys
import time
from decimal import Decimal

from rxfeed.compat import WebsocketClient
from rxfeed.venues.coinbase_exchange import DEFAULT_URL


class PriceMonitor(WebsocketClient):
    def __init__(self, options: argparse.Namespace):
        super().__init__()
        self.options = options

    def on_open(self):
        self.url = self.options.url
        self.products = [self.options.product]
        self.channels = ["ticker"]
        self.level = Decimal(self.options.level)
        self.side = ""
        print(f"-- Watching {self.options.product} at {self.level} --")

    def on_message(self, msg):
        if msg["type"] != "ticker":
            return
        price = Decimal(msg["price"])
        if price == self.level:  # touching the level is not crossing it
            return
        side = "above" if price > self.level else "below"
        if self.side and side != self.side:
            print(f"{msg['product_id']} is {side} {self.level}: {price} at {msg['time']}")
        self.side = side

    def on_close(self):
        print("-- Goodbye! --")


def main() -> int:
    parser = argparse.ArgumentParser(description="Print when a price goes above or below a level.")
    parser.add_argument("--level", required=True, help="the price to watch for")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="end after so many seconds (default: at Ctrl-C)"
    )
    options = parser.parse_args()

    monitor = PriceMonitor(options)
    deadline = time.monotonic() + options.seconds
    with contextlib.suppress(KeyboardInterrupt):
        monitor.start()
        while not monitor.stop and time.monotonic() < deadline:
            time.sleep(0.1)
    monitor.close()
    return 1 if monitor.error else 0


if __name__ == "__main__":
    sys.exit(main())
