"""A client for each product and channel, all in one process."""

import sys
import threading

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def __init__(self, product, channel):
        super().__init__(url=sys.argv[1], products=[product], channels=[channel], should_print=False)
        self.first = threading.Event()

    def on_message(self, msg):
        self.first.set()


clients = [Client(p, c) for p in ("BTC-USD", "ETH-USD") for c in ("ticker", "matches", "heartbeat", "level2_batch")]
for client in clients:
    client.start()
for client in clients:
    assert client.first.wait(15)
for client in clients:
    client.close()
errors = [client.error for client in clients if client.error]
print(len(clients), "clients, threads left:", threading.active_count(), "errors:", errors)
