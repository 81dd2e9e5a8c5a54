"""The console of cbpro's master: plain books, updated from a client's queue with process_message."""

import queue
import sys

import rxfeed.compat as cbpro


class WebsocketConsole(cbpro.WebsocketClient):
    def on_open(self):
        self.products = ["BTC-USD", "ETH-USD"]
        self.websocket_queue = queue.Queue()

    def on_message(self, msg):
        self.websocket_queue.put(msg)


books = [cbpro.OrderBook(product, client=cbpro.PublicClient(sys.argv[2])) for product in ("BTC-USD", "ETH-USD")]
client = WebsocketConsole(sys.argv[1], None, "subscribe", None, False, True, "key", "c2VjcmV0", "phrase", ["full"])
client.start()
matched = set()
while len(matched) < 2:
    msg = client.websocket_queue.get(timeout=15)
    for book in books:
        book.process_message(msg)
        if book.ready and book.get_current_ticker():
            matched.add(book.product_id)
client.close()
for book in books:
    current = book.get_current_book()
    assert current["asks"][0][0] == book.get_ask()
    assert current["bids"][-1][0] == book.get_bid()
print("both ready", sorted(matched))
