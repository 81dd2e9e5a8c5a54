"""The client only fills a queue; main takes from it with a time-out."""

import queue
import sys

import rxfeed.compat as cbpro


class Producer(cbpro.WebsocketClient):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.websocket_queue = queue.Queue()

    def on_message(self, msg):
        self.websocket_queue.put(msg)


client = Producer(url=sys.argv[1], products=["BTC-USD", "ETH-USD"], channels=["ticker"], should_print=False)
client.start()
sequences = {}
for _ in range(30):
    msg = client.websocket_queue.get(timeout=15)
    if msg["type"] == "ticker":
        assert msg["sequence"] > sequences.get(msg["product_id"], 0)
        sequences[msg["product_id"]] = msg["sequence"]
client.close()
print("in order", sorted(sequences))
