"""Keep every message in MongoDB through the constructor's argument."""

import sys
import time

from pymongo import MongoClient

import rxfeed.compat as cbpro

mongo = MongoClient(sys.argv[2])
collection = mongo["ticks"]["BTC"]


class TickStore(cbpro.WebsocketClient):
    count = 0

    def on_message(self, msg):
        super().on_message(msg)
        assert "_id" not in msg
        self.count += 1


client = TickStore(
    url=sys.argv[1], products=["BTC-USD"], mongo_collection=collection, should_print=False, channels=["ticker"]
)
client.start()
while client.count < 20 and not client.error:
    time.sleep(0.02)
client.close()
print("all stored", collection.count_documents({}) == client.count, "error", client.error)
mongo.close()
