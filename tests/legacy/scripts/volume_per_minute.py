"""Sum the volume of each minute, by the times of the trades, until two minutes are full."""

import sys
from collections import defaultdict
from decimal import Decimal

import rxfeed.compat as cbpro


class VolumeTracker(cbpro.WebsocketClient):
    def on_open(self):
        self.volumes = defaultdict(Decimal)

    def on_message(self, msg):
        if msg["type"] != "match":
            return
        self.volumes[msg["time"][:16]] += Decimal(msg["size"])
        if len(self.volumes) == 3:
            self.close()

    def on_close(self):
        for minute, volume in sorted(self.volumes.items())[:2]:
            print(minute[-5:], volume > 0)


VolumeTracker(url=sys.argv[1], products=["BTC-USD"], channels=["matches"]).start()
