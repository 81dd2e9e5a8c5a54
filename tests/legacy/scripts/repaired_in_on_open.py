"""Invalid constructor arguments, corrected in on_open: nothing is validated before it connects."""

import sys

import rxfeed.compat as cbpro


class Repaired(cbpro.WebsocketClient):
    def on_open(self):
        self.url = sys.argv[1]
        self.products = "ETH-USD"
        self.channels = ["ticker"]
        self.auth = False

    def on_message(self, msg):
        if msg["type"] == "ticker":
            print("ticker of", msg["product_id"])
            self.close()


Repaired(url=None, products=7, channels="?", auth="yes", api_secret="not base64!").start()
