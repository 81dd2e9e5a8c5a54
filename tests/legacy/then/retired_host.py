"""The host of 2018, written into the script twice."""

import threading

import rxfeed.compat as cbpro

got = threading.Event()


class Old(cbpro.WebsocketClient):
    def on_message(self, msg):
        if msg["type"] == "heartbeat":
            got.set()


first = Old(url="wss://ws-feed.gdax.com", products=["BTC-USD"], channels=["heartbeat"])
first.start()
print("heartbeat", got.wait(20))
first.close()
client = cbpro.PublicClient("https://api.gdax.com")
print(sorted(client.get_product_ticker("BTC-USD")))
print("error", first.error, "threads", threading.active_count())
