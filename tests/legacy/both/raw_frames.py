"""No listener at all: connect, read raw frames, and send requests on the socket."""

import json
import sys
import threading

import rxfeed.compat as cbpro

bot = cbpro.WebsocketClient(url=sys.argv[1], products=["BTC-USD"], channels=["heartbeat"], should_print=False)
bot._connect()
first = bot.ws.recv()
print(type(first).__name__, json.loads(first)["type"], bot.ws.connected)
bot.ws.ping("mine")
bot.ws.send(json.dumps({"type": "subscribe", "product_ids": ["ETH-USD"], "channels": ["ticker"]}))
types = set()
while "ticker" not in types:
    types.add(json.loads(bot.ws.recv())["type"])
bot.ws.settimeout(0.01)
try:
    while True:
        bot.ws.recv()
except Exception as error:
    print("timed out", "timed out" in str(error))
bot._disconnect()
print(bot.ws.connected, "threads", threading.active_count())
