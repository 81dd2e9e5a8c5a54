"""The host of 2018, in the constructor; the script shows what it connects to."""

import sys

import rxfeed.compat as cbpro

client = cbpro.WebsocketClient(url="wss://ws-feed.gdax.com", products="BTC-USD", channels=["ticker"])
print(client.url)
client.url = sys.argv[1]  # the test has no other exchange
client.on_message = lambda msg: client.close()
client.start()
client.thread.join()
