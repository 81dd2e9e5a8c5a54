"""Rows of a file with fixed columns, until a signal ends the bot."""

import csv
import io
import os
import signal
import sys
import threading
import time

import rxfeed.compat as cbpro

COLUMNS = [
    "time",
    "product_id",
    "price",
    "last_size",
    "side",
    "trade_id",
    "sequence",
    "best_bid",
    "best_ask",
    "volume_24h",
    "open_24h",
    "high_24h",
    "low_24h",
    "volume_30d",
]
text = io.StringIO()
writer = csv.DictWriter(text, fieldnames=COLUMNS, extrasaction="ignore")


class Logger(cbpro.WebsocketClient):
    count = 0

    def on_message(self, msg):
        if msg["type"] == "ticker":
            writer.writerow(msg)
            self.count += 1
            if self.count == 5:
                os.kill(os.getpid(), signal.SIGTERM)


def end(number, frame):
    logger.close()
    rows = list(csv.DictReader(io.StringIO(text.getvalue()), fieldnames=COLUMNS))
    print(len(rows) >= 5, all(float(row["open_24h"]) > 0 and float(row["price"]) > 0 for row in rows))
    print("threads", threading.active_count(), logger.error)
    sys.exit(0)


signal.signal(signal.SIGTERM, end)
logger = Logger(url=sys.argv[1], products=["BTC-USD"], channels=["ticker"], should_print=False)
logger.start()
while True:
    time.sleep(0.2)
