"""Candles that a bot makes of trades, with the time format of its day."""

import datetime
import sys
import threading
from collections import OrderedDict

import rxfeed.compat as cbpro


class Candles(cbpro.WebsocketClient):
    def on_open(self):
        self.url = sys.argv[1]
        self.products = ["BTC-USD"]
        self.channels = ["matches"]
        self.candles = OrderedDict()
        self.enough = threading.Event()

    def on_message(self, msg):
        if msg["type"] not in ("match", "last_match"):
            return
        second = datetime.datetime.strptime(msg["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(microsecond=0)
        candle = self.candles.setdefault(second, {"low": float("inf"), "high": 0.0, "volume": 0.0, "ids": []})
        candle["low"] = min(candle["low"], float(msg["price"]))
        candle["high"] = max(candle["high"], float(msg["price"]))
        candle["volume"] += float(msg["size"])
        candle["ids"].append(msg["trade_id"])
        if len(self.candles) == 3:
            self.enough.set()

    def on_error(self, e, data=None):
        print("error", e, data)
        self.stop = True

    def on_close(self):
        print("closed")


candles = Candles()
candles.start()
assert candles.enough.wait(20)
candles.close()
ids = [each for candle in candles.candles.values() for each in candle["ids"]]
print("in order", ids == list(range(ids[0], ids[0] + len(ids))), list(candles.candles) == sorted(candles.candles))
print("prices", all(0 < candle["low"] <= candle["high"] for candle in candles.candles.values()), candles.error)
