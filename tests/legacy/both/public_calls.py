"""The public REST calls that bots make beside the stream."""

import sys
from itertools import islice

import rxfeed.compat as cbpro
from rxfeed.compat.public_client import PublicClient

client = cbpro.PublicClient(sys.argv[2] + "/")
print(client.url == sys.argv[2], client.auth, isinstance(client, PublicClient))
for level in (1, 2, 3):
    book = client.get_product_order_book("BTC-USD", level=level)
    print(
        sorted(book), len(book["bids"]) > level - 1, type(book["bids"][0][2]).__name__, type(book["sequence"]).__name__
    )
print(sorted(client.get_product_ticker(product_id="BTC-USD")))
print(sorted(client.get_product_24hr_stats("BTC-USD")))
trades = client.get_product_trades("BTC-USD")
some = list(islice(trades, 150))
print(iter(trades) is trades, [each["trade_id"] - some[-1]["trade_id"] for each in some] == list(range(149, -1, -1)))
print(sorted(some[0]))
candles = client.get_product_historic_rates("BTC-USD", granularity=60)
print(type(candles).__name__, {len(candle) for candle in candles})
try:
    client.get_product_historic_rates("BTC-USD", granularity=3000)
except ValueError:
    print("granularity")
print([product["id"] for product in client.get_products()], [each["id"] for each in client.get_currencies()])
print(sorted(client.get_time()))
print(client.get_product_ticker("NOPE-USD"))
