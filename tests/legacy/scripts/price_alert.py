"""Print when the price has moved away from the first price; the start of many bots."""

import sys
from decimal import Decimal

import rxfeed.compat as cbpro


class PriceMonitor(cbpro.WebsocketClient):
    def on_open(self):
        self.products = ["BTC-USD"]
        self.channels = ["ticker"]
        self.start_price = None
        print("-- Watching --")

    def on_message(self, msg):
        if msg["type"] != "ticker":
            return
        price = Decimal(msg["price"])
        if self.start_price is None:
            self.start_price = price
        elif price != self.start_price:
            print("moved", "up" if price > self.start_price else "down")
            self.stop = True

    def on_close(self):
        print("-- Goodbye! --")


PriceMonitor(url=sys.argv[1]).start()
