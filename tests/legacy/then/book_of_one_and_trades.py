"""A market maker's loop: a book on a thread of its own, read from the main thread."""

import time

import rxfeed.compat as cbpro

book = cbpro.OrderBook(product_id="ETH-USD")
book.start()
samples = []
while len(samples) < 5 or book.get_current_ticker() is None:
    time.sleep(0.1)
    try:
        samples.append(book.get_ask() - book.get_bid())
    except Exception:
        continue
print("spreads", all(spread > 0 for spread in samples))
print("ticker", sorted(book.get_current_ticker() or ()))
book.close()
print("stop", book.stop, "error", book.error, book.thread.is_alive())
