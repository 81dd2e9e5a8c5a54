"""More channels, requested on the socket itself while it runs."""

import json
import sys

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    asked = False

    def on_message(self, msg):
        if not self.asked:
            self.asked = True
            self.ws.send(json.dumps({"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["heartbeat"]}))
        if msg["type"] == "heartbeat":
            print("heartbeat of", msg["product_id"])
            self.close()


Client(url=sys.argv[1], channels=["ticker"], should_print=False).start()
