"""The console of the wheel, without keys: it prints the spread when that has changed."""

import sys
import threading
import time

import rxfeed.compat as cbpro


class OrderBookConsole(cbpro.OrderBook):
    def __init__(self, product_id=None):
        super().__init__(product_id=product_id)
        self._bid = None
        self._ask = None
        self._bid_depth = None
        self._ask_depth = None
        self.changes = 0
        self.order = {}

    def on_message(self, message):
        super().on_message(message)
        bid = self.get_bid()
        bids = self.get_bids(bid) or []
        bid_depth = sum([b["size"] for b in bids])
        ask = self.get_ask()
        asks = self.get_asks(ask) or []
        ask_depth = sum([a["size"] for a in asks])
        if (self._bid, self._ask, self._bid_depth, self._ask_depth) != (bid, ask, bid_depth, ask_depth):
            self._bid, self._ask, self._bid_depth, self._ask_depth = bid, ask, bid_depth, ask_depth
            self.order = bids[0] if bids else self.order  # the wheel keeps a level that was traded off for a moment
            self.changes += 1
            if self.changes <= 3:
                print("bid and ask", bid < ask)


order_book = OrderBookConsole("BTC-USD")
order_book.start()
try:
    while order_book.changes < 10:
        time.sleep(0.01)
except KeyboardInterrupt:
    pass
order_book.close()
print("order", sorted(order_book.order), order_book.order["side"], type(order_book.order["price"]).__name__)
book = order_book.get_current_book()
print("book", sorted(book), type(book["sequence"]).__name__, {len(row) for row in book["bids"] + book["asks"]})
print(order_book.product_id, order_book.products, "threads", threading.active_count())
sys.exit(1 if order_book.error else 0)
