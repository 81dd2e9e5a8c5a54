"""Messages of whole levels, as changes of a classic book: each price has one order, with the whole size."""

from __future__ import annotations

from decimal import Decimal

from rxfeed.compat.book_orders import BookOrders, aggregated_id, check, orders_of
from rxfeed.compat.levels import SortedLevels
from rxfeed.compat.types import Content, Json

NO_RESET = (
    "reset_book: there is nothing to reset: the book stands on level2_batch, "
    "which sends a snapshot at each subscription"
)


def apply(book: BookOrders, message: Content) -> bool:
    """Change *book* by *message*, of any type; True if it was a snapshot. Raises one of `BROKEN` for a wrong shape."""
    kind = message.get("type")
    if kind == "snapshot":
        sides = {side: [(price, size, 0) for price, size in message[side]] for side in ("bids", "asks")}
        orders = [order for order in orders_of(sides) if order["size"] > 0]
        book._asks, book._bids = SortedLevels(), SortedLevels()
        for order in orders:
            book.add(order)
        return True
    if kind == "l2update":
        for side, price, size in [(side, price, _size(size)) for side, price, size in message["changes"]]:
            _set_level(book, side, price, size)
    elif kind == "match":
        check(message)
        book.match(message)  # for a script that overrides it: no order of a level has the id of a maker
        book._current_ticker = message
    return False


def sequence_after(message: Content, sequence: int) -> int:
    """The newest sequence number that is known; levels have none, but matches have."""
    number = message.get("sequence")
    known = number if message.get("type") in ("match", "last_match") and isinstance(number, int) else 0
    return max(sequence, known)


def _set_level(book: BookOrders, side: str, price: str, size: Decimal) -> None:
    orders = (book.get_bids if side == "buy" else book.get_asks)(Decimal(price)) or []
    order_id = aggregated_id(side, price)
    named = {"side": side, "price": price, "order_id": order_id}
    known = [order["size"] for order in orders if order["id"] == order_id]
    for order in orders:
        if order["id"] != order_id:  # of a snapshot by order
            book.remove({**named, "type": "done", "order_id": order["id"]})
    if not size:
        if known:
            book.remove({**named, "type": "done"})
    elif known and size <= known[0]:
        book.change({**named, "type": "change", "new_size": str(size)})
    else:
        book.add({**named, "type": "open", "remaining_size": str(size)})


def _size(text: Json) -> Decimal:
    size = Decimal(text)
    if not size.is_finite() or size < 0:
        raise ValueError("not a size")
    return size
