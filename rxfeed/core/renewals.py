"""Decides when a product's book is requested again after a gap.

Rules:
- After the first gap of a product its book is requested at once, after the next ones with waits of 5, 10, 20 ... 320
  seconds: the reason of the last gap may cause another, and snapshots are large.
- If a product has no gap for twice its last wait, and for a minute at least, its waits begin again.
- `None` means all products. It also replaces products with a gap while very many others have one.
"""

from __future__ import annotations

from rxfeed.core.backoff import Backoff, Reconnect, longest

_WAITS = Reconnect(initial=5.0, maximum=320.0)
_CALM = 60.0
_MOST = 2000  # products; a malformed frame may name any


class _RenewalState:
    __slots__ = ("at", "backoff", "due", "lost_at", "wait")

    def __init__(self) -> None:
        self.backoff = Backoff(_WAITS, longest, apart=0.0)
        self.wait = 0.0  # seconds between the last request and the next one
        self.at = 0.0  # no request before this time
        self.lost_at = 0.0
        self.due = False


class Renewals:
    """`lost` and `step` take times of one clock. Memory grows with the products that had gaps, up to a limit."""

    __slots__ = ("_products",)

    def __init__(self) -> None:
        self._products: dict[str | None, _RenewalState] = {}

    def lost(self, product_id: str | None, now: float) -> None:
        """The product's book had a gap at *now*."""
        if len(self._products) >= _MOST and product_id not in self._products:
            product_id = None
        product = self._products.get(product_id)
        if product is None or self._calm(product, now):
            product = self._products[product_id] = _RenewalState()
            product.at = now
        product.lost_at = now
        product.due = True

    def step(self, now: float) -> list[str | None]:
        """The products of the books to request at *now*."""
        due = [product_id for product_id, product in self._products.items() if product.due and product.at <= now]
        for product_id in due:
            product = self._products[product_id]
            product.due = False
            product.wait = product.backoff.failed() or 0.0
            product.at = now + product.wait
        for product_id in [each for each, product in self._products.items() if self._calm(product, now)]:
            del self._products[product_id]
        return due

    def remaining(self, now: float) -> float | None:
        """Seconds until `step` returns a product; `None` if none is due."""
        due = [product.at for product in self._products.values() if product.due]
        return max(0.0, min(due) - now) if due else None

    def _calm(self, product: _RenewalState, now: float) -> bool:
        return not product.due and now - product.lost_at > max(_CALM, 2 * product.wait)
