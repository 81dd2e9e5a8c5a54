"""Sum the traded volume of each minute, with the classic callback client.

Run: python examples/volume_per_minute_legacy.py

`volume_per_minute.py` does the same as a pipeline, and marks the minutes that are complete.
"""

import argparse
import contextlib
import math
import sys
import time
from decimal import Decimal

from rxfeed.compat import WebsocketClient
from rxfeed.venues.coinbase_exchange import DEFAULT_URL


class VolumeTracker(WebsocketClient):
    def on_open(self):
        self.minute = ""
        self.volume = Decimal(0)

    def on_message(self, msg):
        if msg["type"] != "match":  # a last_match is a trade from before the subscription
            return
        minute = msg["time"][:16]  # 2026-01-02T03:04
        if minute != self.minute:
            self.print_minute()
            self.minute, self.volume = minute, Decimal(0)
        self.volume += Decimal(msg["size"])

    def print_minute(self):
        if self.minute:
            print(self.minute, "volume", self.volume)

    def on_close(self):
        self.print_minute()  # the last minute, which is incomplete
        print("-- Goodbye! --")


def main() -> int:
    parser = argparse.ArgumentParser(description="Sum the traded volume of each minute.")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="end after so many seconds (default: at Ctrl-C)"
    )
    options = parser.parse_args()

    tracker = VolumeTracker(url=options.url, products=[options.product], channels=["matches"])
    deadline = time.monotonic() + options.seconds
    with contextlib.suppress(KeyboardInterrupt):
        tracker.start()
        while not tracker.stop and time.monotonic() < deadline:
            time.sleep(0.1)
    tracker.close()
    return 1 if tracker.error else 0


if __name__ == "__main__":
    sys.exit(main())
