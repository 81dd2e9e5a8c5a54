"""A client for each product, and one consumer of a queue."""

import json
import queue
import sys
import threading

import rxfeed.compat as cbpro

messages = queue.Queue()


class Feed(cbpro.WebsocketClient):
    def __init__(self, product):
        super().__init__(
            url=sys.argv[1], products=[product], channels=["ticker", "heartbeat", "matches"], should_print=False
        )

    def on_message(self, msg):
        messages.put(json.dumps(msg))

    def on_error(self, e, data=None):
        print("ERR", e)
        self.stop = True


feeds = [Feed(product) for product in ("BTC-USD", "ETH-USD", "BTC-USD")]
for feed in feeds:
    feed.start()
fields = {}
while len(fields) < 8:
    message = json.loads(messages.get(timeout=20))
    if "product_id" in message:
        kinds = sorted((name, type(value).__name__) for name, value in message.items())
        fields[message["type"], message["product_id"]] = kinds
for feed in feeds:
    feed.close()
for key in sorted(fields):
    print(*key, fields[key])
print([feed.error for feed in feeds], [feed.stop for feed in feeds], "threads", threading.active_count())
