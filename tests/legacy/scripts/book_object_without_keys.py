"""The console of GitHub's master without keys: two books, and one client without channels."""

import sys
import time

import rxfeed.compat as cbpro


class Console(cbpro.WebsocketClient):
    def on_open(self):
        self.url = sys.argv[1]
        self.products = ["BTC-USD", "ETH-USD"]
        self.books = [cbpro.OrderBook(product_id=product) for product in self.products]
        for book in self.books:
            book._client.url = sys.argv[2]

    def on_message(self, msg):
        for book in self.books:
            book.process_message(msg)


client = Console(should_print=False)
client.start()
until = time.monotonic() + 15
while not all(book.ready and book.get_current_ticker() for book in client.books) and time.monotonic() < until:
    time.sleep(0.02)
client.close()
print([book.ready and book.get_bid() < book.get_ask() for book in client.books], client.error)
