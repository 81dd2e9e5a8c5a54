"""Names for the values that may be of any type, since a script or the exchange decides on it.

Rules:
- `Any` is named here, and elsewhere only where no name fits.
- A value that is only passed on, compared or narrowed is an `object`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Json = Any
"""Decoded JSON of any shape."""

Content = dict[str, Any]
"""A decoded JSON object: a message, an order, a response."""

Hook = Callable[..., Any]
"""A method that a script may have replaced, with parameters of its own."""

Given = object
"""An argument that a script may pass in any type; its type is checked where it is used."""

Attribute = Any
"""An attribute that a script may set to a value of any type, and reads with that type."""


class SnapshotClient(Protocol):
    """The part of a `PublicClient` that a book requests its snapshots with."""

    def get_product_order_book(self, product_id: str, /, *, level: int) -> Json: ...
