"""The console of the wheel as most had it, without keys: the book is read after every message."""

import sys

import rxfeed.compat as cbpro


class Console(cbpro.OrderBook):
    changes = 0
    spread = None

    def on_message(self, message):
        super().on_message(message)
        spread = self.get_bid(), self.get_ask()
        depths = [
            sum(order["size"] for order in side or []) for side in (self.get_bids(spread[0]), self.get_asks(spread[1]))
        ]
        assert all(depth > 0 for depth in depths)
        if spread != self.spread:
            self.spread = spread
            self.changes += 1
        if self.changes == 5:
            self.close()


console = Console("BTC-USD")
console.url = sys.argv[1]
console.start()
console.thread.join()
(order,) = console.get_bids(console.get_bid()) or []
print("error", console.error, order["id"] == f"aggregated-buy-{order['price']}", sorted(order))
