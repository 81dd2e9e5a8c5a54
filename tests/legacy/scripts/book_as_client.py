"""The console of cbpro's wheel: an OrderBook that is a client, and prints the spread when it changes."""

import sys

import rxfeed.compat as cbpro


class OrderBookConsole(cbpro.OrderBook):
    def __init__(self, product_id=None):
        super().__init__(product_id=product_id)
        self._client = cbpro.PublicClient(sys.argv[2])
        self._bid = None
        self._ask = None
        self._changes = 0

    def on_message(self, message):
        super().on_message(message)
        if message["type"] == "subscriptions":
            return
        bid, ask = self.get_bid(), self.get_ask()
        depth = sum(b["size"] for b in self.get_bids(bid) or [])
        assert bid < ask
        assert depth > 0
        if (bid, ask) != (self._bid, self._ask):
            self._bid, self._ask = bid, ask
            self._changes += 1
        if self._changes == 5:
            self.close()


book = OrderBookConsole()
book.url = sys.argv[1]
book.auth, book.api_key, book.api_secret, book.api_passphrase = True, "key", "c2VjcmV0", "phrase"
book.start()
book.thread.join()
print("ready", book.ready, "error", book.error, book.product_id)
