"""A handler that expects a price in every message, as many did."""

import sys

import rxfeed.compat as cbpro


class Prices(cbpro.WebsocketClient):
    def on_message(self, msg):
        self.price = float(msg["price"])


client = Prices(url=sys.argv[1], products="BTC-USD", channels=["heartbeat"], should_print=False)
client.start()
client.thread.join()
