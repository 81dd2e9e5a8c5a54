"""A book of price levels from level2, which needed no keys then."""

import sys
from decimal import Decimal

import rxfeed.compat as cbpro


class Levels(cbpro.WebsocketClient):
    updates = 0

    def on_message(self, msg):
        if msg["type"] == "snapshot":
            self.bids = {Decimal(price): Decimal(size) for price, size in msg["bids"]}
        elif msg["type"] == "l2update":
            for side, price, size in msg["changes"]:
                if side == "buy":
                    self.bids[Decimal(price)] = Decimal(size)
            self.updates += 1
            if self.updates == 5:
                self.close()


client = Levels(url=sys.argv[1], products=["BTC-USD"], channels=["level2"], should_print=False)
client.start()
client.thread.join()
print("updates", client.updates, max(client.bids) > 0, client.error)
