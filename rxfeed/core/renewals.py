"""When a product's book is requested anew after something of it was lost.

Rules:
- The first loss of a product is followed by a request at once, the next ones by one after 5, 10, 20 ... 320 seconds:
  what made the last snapshot useless may make the next one useless, and snapshots are large.
- A product without a loss for twice as long as its last wait, and for a minute at least, begins anew.
- `None` stands for all products, and for those that are lost while very many others are.
"""

from __future__ import annotations

_FIRST = 5.0
_LONGEST = 320.0
_CALM = 60.0
_MOST = 2000  # products; a malformed frame may name any


class _Product:
    __slots__ = ("at", "due", "lost_at", "wait")

    def __init__(self) -> None:
        self.wait = 0.0  # seconds between the last request and the one that is due, or would be
        self.at = 0.0  # no request before this time
        self.lost_at = 0.0
        self.due = False


class Renewals:
    """`lost` and `step` take times of one clock; memory grows with the products lost lately, up to a bound."""

    __slots__ = ("_products",)

    def __init__(self) -> None:
        self._products: dict[str | None, _Product] = {}

    def lost(self, product_id: str | None, now: float) -> None:
        """Something of the product's book was lost at *now*."""
        if len(self._products) >= _MOST and product_id not in self._products:
            product_id = None
        product = self._products.get(product_id)
        if product is None or self._calm(product, now):
            product = self._products[product_id] = _Product()
            product.at = now
        product.lost_at = now
        product.due = True

    def step(self, now: float) -> list[str | None]:
        """The products of which the book is to be requested now."""
        due = [product_id for product_id, product in self._products.items() if product.due and product.at <= now]
        for product_id in due:
            product = self._products[product_id]
            product.due = False
            product.wait = min(_LONGEST, product.wait * 2) if product.wait else _FIRST
            product.at = now + product.wait
        for product_id in [each for each, product in self._products.items() if self._calm(product, now)]:
            del self._products[product_id]
        return due

    def remaining(self, now: float) -> float | None:
        """Seconds until `step` has something to return; `None` where nothing is due."""
        due = [product.at for product in self._products.values() if product.due]
        return max(0.0, min(due) - now) if due else None

    def _calm(self, product: _Product, now: float) -> bool:
        return not product.due and now - product.lost_at > max(_CALM, 2 * product.wait)
