"""The price levels that a market's events change, one by one and collected from tick to tick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rxfeed.core.matching import ChangeEvent, DoneEvent, MatchEvent, OpenEvent, OrderEvent, ReceivedEvent, Side

Level = tuple[Side, str]  # (side, price)


class LevelChanges:
    """The levels that changed since the last tick, for each of *products*, with the time of the change."""

    def __init__(self, products: Iterable[str]) -> None:
        self._arriving: dict[str, str] = {}  # product id -> the order received last, if not open
        self._moved: dict[str, dict[Level, str]] = {name: {} for name in products}

    def listed(self, product: str) -> None:
        """*product* is one of the products from now on."""
        self._moved.setdefault(product, {})

    def add(self, event: OrderEvent) -> tuple[bool, tuple[Level, ...]]:
        """Whether the order of *event* was on the book, and the levels that the event changes."""
        product_id = event.product_id
        # An order that ends before it is open was never on the book.
        unseen = False
        if isinstance(event, ReceivedEvent):
            self._arriving[product_id] = event.order_id
        elif isinstance(event, OpenEvent):
            self._arriving.pop(product_id, None)
        elif isinstance(event, DoneEvent) and self._arriving.get(product_id) == event.order_id:
            unseen = True
            del self._arriving[product_id]
        levels = () if unseen else _levels(event)
        if levels:
            moved = self._moved[product_id]
            for level in levels:
                moved[level] = event.time
        return not unseen, levels

    def take(self) -> Iterator[tuple[str, dict[Level, str]]]:
        """The product ids with their changed levels, each with the time of its last change; they begin anew."""
        for product_id, moved in self._moved.items():
            if moved:
                self._moved[product_id] = {}
                yield product_id, moved


def _levels(event: OrderEvent) -> tuple[Level, ...]:
    """The levels of the book that change their size by *event*."""
    if isinstance(event, OpenEvent | MatchEvent):
        return ((event.side, event.price),)
    if isinstance(event, DoneEvent) and event.reason == "canceled":
        return ((event.side, str(event.price)),)
    if isinstance(event, ChangeEvent):
        prices = (event.price,) if event.price else (event.old_price, event.new_price)
        return tuple(dict.fromkeys((event.side, str(price)) for price in prices))
    return ()
