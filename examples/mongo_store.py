"""Store every message in MongoDB, as a pipeline.

Run: python examples/mongo_store.py --seconds 10
"""

import argparse
from typing import Any

from pymongo import MongoClient

from rxfeed import Feed, to_mongo
from rxfeed.sinks import MongoWrite
from rxfeed.venues import VENUES


def show(write: MongoWrite) -> None:
    print(f"stored {write.count} in {write.seconds * 1000:.0f} ms, {write.total} in all")


def main() -> None:
    parser = argparse.ArgumentParser(description="Store every message in MongoDB.")
    parser.add_argument("--mongo", default="mongodb://127.0.0.1:27017", help="the server, optionally with /database")
    parser.add_argument("--product", default="BTC-USD")
    parser.add_argument("--venue", choices=tuple(VENUES), help="(default: that of --url, or coinbase_exchange)")
    parser.add_argument("--url", help="of the feed (default: the venue's own)")
    parser.add_argument("--seconds", type=float, help="end after so many seconds (default: at Ctrl-C)")
    options = parser.parse_args()

    with MongoClient[dict[str, Any]](options.mongo, serverSelectionTimeoutMS=5000) as mongo:
        collection = mongo.get_default_database("rxfeed")["messages"]
        feed = Feed(options.product, ["ticker", "trades"], venue=options.venue, url=options.url)

        failures: list[Exception] = []

        def failed(error: Exception) -> None:
            failures.append(error)
            feed.close()

        # The sink retries while the database is unreachable, and fails if the database refuses the user.
        feed.pipe(to_mongo(collection)).subscribe(show, failed)
        feed.run(seconds=options.seconds)  # returns when every message is stored
        if failures:
            raise SystemExit(f"not stored: {failures[0]}")


if __name__ == "__main__":
    main()
