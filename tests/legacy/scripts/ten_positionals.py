"""All ten arguments of the wheel's constructor, by position."""

import sys

import rxfeed.compat as cbpro


class Client(cbpro.WebsocketClient):
    def on_message(self, msg):
        if msg["type"] == "subscriptions":
            print([c["name"] for c in msg["channels"]], [sorted(c["product_ids"]) for c in msg["channels"]])
            self.close()


Client(sys.argv[1], ["ETH-USD"], "subscribe", None, False, False, "", "", "", ["heartbeat"]).start()
