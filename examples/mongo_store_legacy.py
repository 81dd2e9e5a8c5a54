"""Store every message in MongoDB, with the classic callback client.

Run: python examples/mongo_store_legacy.py --seconds 10

`mongo_store.py` does the same as a pipeline, with numbers stored as numbers and times as times.
"""

import argparse
import contextlib
import math
import sys
import time
from typing import Any

from pymongo import MongoClient

from rxfeed.compat import WebsocketClient
from rxfeed.venues.coinbase_exchange import DEFAULT_URL


def main() -> int:
    parser = argparse.ArgumentParser(description="Store every message in MongoDB.")
    parser.add_argument("--mongo", default="mongodb://127.0.0.1:27017", help="the server, optionally with /database")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument(
        "--seconds", type=float, default=math.inf, help="end after so many seconds (default: at Ctrl-C)"
    )
    options = parser.parse_args()

    with MongoClient[dict[str, Any]](options.mongo, serverSelectionTimeoutMS=5000) as mongo:
        collection = mongo.get_default_database("rxfeed")["messages"]
        client = WebsocketClient(
            url=options.url,
            products=[options.product],
            channels=["ticker", "matches"],
            mongo_collection=collection,
            should_print=False,
        )
        deadline = time.monotonic() + options.seconds
        with contextlib.suppress(KeyboardInterrupt):
            client.start()
            while not client.stop and time.monotonic() < deadline:
                time.sleep(0.1)
        client.close()  # returns when everything is written
        if client.error is None:
            print(collection.count_documents({}), "documents in", collection.full_name)
    return 1 if client.error else 0


if __name__ == "__main__":
    sys.exit(main())
