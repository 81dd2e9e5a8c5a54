"""A book of levels in two dicts, without keys, as many bots of 2018 and 2019 had it."""

import threading
from decimal import Decimal

import rxfeed.compat as cbpro


class Levels(cbpro.WebsocketClient):
    def __init__(self, product):
        super().__init__(products=[product], channels=["level2"], should_print=False)
        self.sides = {}
        self.updates = 0
        self.crossed = 0
        self.done = threading.Event()

    def on_message(self, msg):
        if msg["type"] == "snapshot":
            for name, side in (("bids", "buy"), ("asks", "sell")):
                self.sides[side] = {Decimal(price): Decimal(size) for price, size in msg[name]}
            print("snapshot", sorted(name for name in msg if name != "time"), msg["product_id"])
        elif msg["type"] == "l2update":
            for side, price, size in msg["changes"]:
                if Decimal(size):
                    self.sides[side][Decimal(price)] = Decimal(size)
                else:
                    self.sides[side].pop(Decimal(price), None)
            self.crossed += max(self.sides["buy"]) >= min(self.sides["sell"])
            self.updates += 1
            if self.updates == 20:
                self.done.set()

    def on_close(self):
        print("closed")


levels = Levels("ETH-USD")
levels.start()
assert levels.done.wait(20)
levels.close()
print("crossed", levels.crossed, "error", levels.error, "channels", levels.channels, "stop", levels.stop)
print("sizes", all(size > 0 for side in levels.sides.values() for size in side.values()))
print("threads", threading.active_count())
