"""The plain client, which prints every message."""

import sys
import time

import rxfeed.compat as cbpro

client = cbpro.WebsocketClient(url=sys.argv[1], products="BTC-USD")
client.start()
while client.ws is None or not client.ws.connected:
    time.sleep(0.02)
time.sleep(3)  # a busy machine may take a second to the first message
client.close()
