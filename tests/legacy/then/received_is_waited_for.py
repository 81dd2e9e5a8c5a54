"""No channels, and a counter of each type: one of trades comes in any case."""

import threading
from collections import Counter

import rxfeed.compat as cbpro

seen = Counter()
enough = threading.Event()


class Counting(cbpro.WebsocketClient):
    def on_message(self, msg):
        seen[msg["type"]] += 1
        if seen["match"] >= 5:
            enough.set()


client = Counting(products="BTC-USD", should_print=False)
client.start()
print("matches", enough.wait(20))
client.close()
print("no error message", seen["error"], "error", client.error, "products", client.products)
