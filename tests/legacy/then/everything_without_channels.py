"""No channels: all types came, and the script picks those that it needs. (The README of 2018.)"""

import threading

import rxfeed.compat as cbpro


class MyWebsocketClient(cbpro.WebsocketClient):
    def on_open(self):
        self.url = "wss://ws-feed.pro.coinbase.com/"
        self.products = ["LTC-USD"]
        self.message_count = 0
        self.prices = {}
        self.fields = {}
        self.complete = threading.Event()
        print("Lets count the messages!")

    def on_message(self, msg):
        self.message_count += 1
        if "price" in msg and "type" in msg and msg["type"] in ("match", "ticker"):
            self.prices[msg["type"]] = float(msg["price"])
        if msg["type"] in ("match", "ticker", "heartbeat"):
            self.fields[msg["type"]] = sorted(msg)
        if len(self.fields) == 3:
            self.complete.set()

    def on_close(self):
        print("-- Goodbye! --")


ws_client = MyWebsocketClient()
ws_client.start()
assert ws_client.complete.wait(20)
ws_client.close()
count = ws_client.message_count
threading.Event().wait(0.5)
print("prices", sorted(ws_client.prices), min(ws_client.prices.values()) > 0)
for kind, names in sorted(ws_client.fields.items()):
    print(kind, names)
print("products", ws_client.products, "channels", ws_client.channels, "type", ws_client.type)
print("after close", ws_client.message_count - count, "stop", ws_client.stop, "error", ws_client.error)
print("alive", ws_client.thread.is_alive(), "threads", threading.active_count())
