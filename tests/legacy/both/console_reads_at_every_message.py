"""The console of the wheel: the book is read after every message, the first one included."""

import sys
import threading

import rxfeed.compat as cbpro


class Console(cbpro.OrderBook):
    def __init__(self, product_id=None):
        super().__init__(product_id=product_id)
        self._client.url = sys.argv[2]
        self.types = []
        self.changes = 0
        self._bid = self._ask = None

    def on_message(self, message):
        super().on_message(message)
        bid, ask = self.get_bid(), self.get_ask()
        assert bid < ask
        self.types.append(message["type"])
        if (bid, ask) != (self._bid, self._ask):
            self._bid, self._ask = bid, ask
            self.changes += 1
        if self.changes == 4:
            self.stop = True


console = Console()
console.url, console.channels = sys.argv[1], ["full"]
console.auth, console.api_key, console.api_secret, console.api_passphrase = True, "key", "c2VjcmV0", "phrase"
console.start()
console.thread.join()
print("first", console.types[0], "error", console.error, console.products, console.product_id)
print("threads", threading.active_count(), "stop", console.stop)
