"""A subclass that sets its own attributes first, and calls the parent's constructor at the end."""

import sys

import rxfeed.compat as cbpro


class Tracker(cbpro.WebsocketClient):
    def __init__(self, url, limit):
        self.limit = limit
        self.prices = []
        self.stop = False
        super().__init__(url=url, products="BTC-USD", channels=["ticker"], should_print=False)

    def on_message(self, msg):
        if "price" in msg:
            self.prices.append(float(msg["price"]))
        if len(self.prices) == self.limit:
            self.stop = True


tracker = Tracker(sys.argv[1], 5)
tracker.start()
tracker.thread.join()
print(len(tracker.prices), "prices", tracker.products)
