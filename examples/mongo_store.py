"""Store every message in MongoDB, as a pipeline.

Run: python examples/mongo_store.py --seconds 10
"""

import argparse
from concurrent.futures import Future
from typing import Any

from pymongo import MongoClient

from rxfeed import DEFAULT_URL, Feed, MongoWrite, to_mongo


def show(write: MongoWrite) -> None:
    print(f"stored {write.count} in {write.seconds * 1000:.0f} ms, {write.total} in all")


def main() -> None:
    parser = argparse.ArgumentParser(description="Store every message in MongoDB.")
    parser.add_argument("--mongo", default="mongodb://127.0.0.1:27017", help="the server, and perhaps /database")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--url", default=DEFAULT_URL)
    parser.add_argument("--seconds", type=float, help="end after so many (default: on Ctrl-C)")
    options = parser.parse_args()

    with MongoClient[dict[str, Any]](options.mongo, serverSelectionTimeoutMS=5000) as mongo:
        collection = mongo.get_default_database("rxfeed")["messages"]
        feed = Feed(options.product, ["ticker", "matches"], url=options.url)

        # Writes go on for a moment after the feed has ended. A database that is away is waited for; one that does not
        # let us in ends the feed.
        stored: Future[None] = Future()
        stored.add_done_callback(lambda _: feed.close())
        feed.pipe(to_mongo(collection)).subscribe(show, stored.set_exception, lambda: stored.set_result(None))

        try:
            feed.run(seconds=options.seconds)
        finally:
            stored.result()


if __name__ == "__main__":
    main()
