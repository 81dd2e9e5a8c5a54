"""The epochs of products: numbers that rise where messages may have been missed.

Rules:
- If messages of a product may have been missed, the epochs of all its messages rise to one number. So do those of all
  products if the connection was interrupted, or if a frame names no product.
- If only messages of known types may have been missed (a malformed frame names its type), only the epochs of their
  kinds rise. The kinds are tickers, trades, books by price, order events, and what no other message depends on. A match
  is a trade and an order event; heartbeats, auctions and unknown messages have the epoch of the product.
- Every rise is to a number above all epochs of the product. So a number above the highest one that was seen shows that
  something was missed, and a lower one of another kind does not. Within a kind, epochs never fall.
- Product ids come from the server, so the number of products with epochs of their own is limited.
"""

from __future__ import annotations

from collections.abc import Iterable

from rxfeed.core.by_type import ByType
from rxfeed.market import (
    Auction,
    BookSnapshot,
    BookUpdate,
    ErrorMessage,
    Heartbeat,
    Message,
    OrderEvent,
    PriorTrade,
    Subscriptions,
    Ticker,
    Trade,
    Unknown,
)

PRODUCT, TICKERS, TRADES, LEVELS, ORDERS, OTHER = "product", "tickers", "trades", "levels", "orders", "other"
_KINDS: dict[type[Message], str] = {
    **dict.fromkeys((Heartbeat, Auction, Unknown, Subscriptions, ErrorMessage), PRODUCT),
    Ticker: TICKERS,
    **dict.fromkeys((Trade, PriorTrade), TRADES),
    **dict.fromkeys((BookSnapshot, BookUpdate), LEVELS),
    OrderEvent: ORDERS,
}
EPOCH_KINDS: ByType[str] = ByType({Message: OTHER, **_KINDS})
"""The kind of each type of message: messages of one kind share their product's epoch. A match is a trade."""
MOST_PRODUCTS = 10_000
"""So many products without a subscription are followed."""


def kinds_of(types: Iterable[type[Message]]) -> frozenset[str]:
    """The kinds of which something is missing if messages of *types* are."""
    kinds: set[str] = set()
    for each in types:
        kinds |= {kind for base, kind in _KINDS.items() if issubclass(each, base)} or {OTHER}
    return frozenset(kinds)


class ProductEpochs:
    """The present epoch of each product and kind. O(1) a message."""

    def __init__(self) -> None:
        self._products: frozenset[str | None] = frozenset()  # subscribed to
        self._epoch = 0
        self._epochs: dict[str | None, int] = {}
        self.of_kinds: dict[tuple[str | None, str], int] = {}
        """By product and kind: the epochs of kinds that rose alone; always the same `dict`."""

    def epoch(self, product_id: str | None) -> int:
        """The epoch of the next message of the product, unless that of its kind is higher: see `of_kinds`."""
        return self._epochs.get(product_id, self._epoch)

    def epoch_of(self, message: Message) -> int:
        """The epoch of *message*, which is the next one of its product and kind."""
        product = message.product_id
        epoch = self.epoch(product)
        return self.of_kinds.get((product, EPOCH_KINDS[type(message)]), epoch) if self.of_kinds else epoch

    @property
    def highest(self) -> int:
        """The highest epoch of all products."""
        return max(self._epoch, *self._epochs.values(), *self.of_kinds.values(), 0)

    def lost(self, product_id: str | None) -> None:
        """Messages of this product may have been missed: its epochs rise."""
        epoch = self._above(product_id)
        self._forget_kinds(product_id)
        if product_id not in self._epochs and len(self._epochs) >= MOST_PRODUCTS + len(self._products):
            self.interrupted(self.highest + 1)  # beyond the limit all products share an epoch
            self._epochs.clear()
        else:
            self._epochs[product_id] = epoch

    def lost_of(self, product_id: str, kinds: Iterable[str]) -> None:
        """Only messages of these kinds of the product may have been missed: their epochs rise."""
        kinds = frozenset(kinds)
        if PRODUCT in kinds or not kinds:
            self.lost(product_id)
        elif len(self.of_kinds) >= MOST_PRODUCTS:
            self.interrupted()
        else:
            self.of_kinds |= dict.fromkeys(((product_id, kind) for kind in kinds), self._above(product_id))

    def at_least(self, product_id: str | None, least: int) -> None:
        """The epoch of the product is *least*, if it is not higher."""
        if self.epoch(product_id) < least:
            self._forget_kinds(product_id)
            self._epochs[product_id] = least

    def interrupted(self, least: int = 0) -> None:
        """Messages of any product may have been missed (a new connection, an undecodable frame): all epochs rise.

        Each epoch is at least *least* then.
        """
        for (product, _), epoch in self.of_kinds.items():
            self._epochs[product] = max(self.epoch(product), epoch)
        self.of_kinds.clear()
        self._epoch = max(self._epoch + 1, least)
        for product, epoch in self._epochs.items():
            self._epochs[product] = max(epoch + 1, least)

    def _above(self, product_id: str | None) -> int:
        """The number above all epochs of the product."""
        epoch = self.epoch(product_id)
        if self.of_kinds:
            epoch = max(epoch, *(self.of_kinds.get((product_id, kind), 0) for kind in _ALONE))
        return epoch + 1

    def _forget_kinds(self, product_id: str | None) -> None:
        if self.of_kinds:
            for kind in _ALONE:
                self.of_kinds.pop((product_id, kind), None)


_ALONE = (TICKERS, TRADES, LEVELS, ORDERS, OTHER)
