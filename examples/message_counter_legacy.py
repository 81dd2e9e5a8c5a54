"""Count messages and print their prices, with the classic callback client: cbpro's own example.

Run: python examples/message_counter_legacy.py --count 50
"""

import argparse
import contextlib
import math
import sys
import time

from rxfeed.compat import WebsocketClient
from rxfeed.venues.coinbase_exchange import DEFAULT_URL


class MessageCounter(WebsocketClient):
    def __init__(self, options: argparse.Namespace):
        super().__init__(channels=["ticker"])
        self.options = options

    def on_open(self):
        self.url = self.options.url
        self.products = [self.options.product]
        self.message_count = 0
        print("Lets count the messages!")

    def on_message(self, msg):
        self.message_count += 1
        if "price" in msg:
            print("Message type:", msg["type"], "\t@ {:.3f}".format(float(msg["price"])))

    def on_close(self):
        print("-- Goodbye! --")


def main() -> int:
    parser = argparse.ArgumentParser(description="Count messages and print their prices.")
    parser.add_argument("--count", type=int, default=500, help="end after so many messages (default: 500)")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--seconds", type=float, default=math.inf, help="end after so many seconds, if that is earlier")
    options = parser.parse_args()

    counter = MessageCounter(options)
    deadline = time.monotonic() + options.seconds
    with contextlib.suppress(KeyboardInterrupt):
        counter.start()
        print(counter.url, counter.products, counter.channels)
        while counter.message_count < options.count and not counter.stop and time.monotonic() < deadline:
            print("\nmessage_count =", f"{counter.message_count} \n")
            time.sleep(min(1.0, options.seconds))
    counter.close()
    return 1 if counter.error else 0


if __name__ == "__main__":
    sys.exit(main())
