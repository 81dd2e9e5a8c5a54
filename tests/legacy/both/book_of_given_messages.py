"""A book that a bot fills itself, with a counter in each of the methods that change it."""

import io
import pickle
import sys
from collections import Counter
from decimal import Decimal

import rxfeed.compat as cbpro

calls = Counter()


class Snapshots:
    def get_product_order_book(self, product_id, level=1):
        calls["snapshot", product_id, level] += 1
        return {
            "sequence": 10,
            "bids": [["99.00", "1", "b1"], ["98.50", "2", "b2"], ["99.00", "3", "b3"]],
            "asks": [["101.00", "1", "a1"], ["102.00", "5", "a2"]],
        }


class Counted(cbpro.OrderBook):
    def add(self, order):
        calls["add", order["side"]] += 1
        super().add(order)

    def remove(self, order):
        calls["remove", order["reason"]] += 1
        super().remove(order)

    def match(self, order):
        calls["match"] += 1
        super().match(order)

    def change(self, order):
        calls["change"] += 1
        super().change(order)


def message(kind, sequence, **fields):
    return {"type": kind, "sequence": sequence, "product_id": "BTC-USD", **fields}


book = Counted(product_id="BTC-USD", log_to="")
book.products = ["BTC-USD"]
book._client = Snapshots()
book.on_message({"type": "subscriptions", "channels": []})  # of no product, and it loads the book
print(book._sequence, book.get_bid(), book.get_ask(), [order["id"] for order in book.get_bids(Decimal("99")) or []])
log = book._log_to = io.BytesIO()
for given in (
    message("received", 9, order_id="old"),
    message("received", 11, order_id="b4"),
    message("open", 12, order_id="b4", side="buy", price="99.50", remaining_size="2"),
    message("match", 13, maker_order_id="b4", taker_order_id="t", side="buy", price="99.50", size="0.5", trade_id=1),
    message("change", 14, order_id="a2", side="sell", price="102.00", new_size="4", old_size="5"),
    message("done", 15, order_id="b2", side="buy", price="98.50", remaining_size="2", reason="canceled"),
    message("done", 16, order_id="market", side="buy", reason="filled"),
    message("done", 17, order_id="a1", side="sell", price="101.00", remaining_size="1", reason="canceled"),
):
    book.on_message(given)
print(sorted(calls.items(), key=str))
print(book._sequence, book.get_current_ticker() is book._current_ticker, book._current_ticker["sequence"])
print(book.get_current_book())
print(list(book._bids), list(book._asks), book._bids.peekitem(-1)[0], book._asks.peekitem(0)[0], len(book._bids))
book.set_asks(Decimal("100"), [{"id": "mine", "side": "sell", "price": Decimal("100"), "size": Decimal("7")}])
book.remove_asks(Decimal("102"))
print(book.get_ask(), book.get_asks(Decimal("100")), book.get_asks(Decimal("102")), book.get_bids(Decimal("1")))
book._log_to = 0
book.on_message(message("open", 18, order_id="b9", side="buy", price="99.75", remaining_size="1"))
log.seek(0)
logged = []
while log.tell() < len(log.getvalue()):
    logged.append(pickle.load(log)["sequence"])
print(logged, book.get_bid(), next(iter(book._bids)), list(book._bids.items())[-1][0])
book._sequence = -1
book.on_message(message("heartbeat", 30))
print(book._sequence, book.get_bid(), file=sys.stdout)
