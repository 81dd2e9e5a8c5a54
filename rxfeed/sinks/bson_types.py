"""The types of MongoDB's documents and collections."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, TypeVar

from pymongo.collection import Collection

Document = dict[str, Any]
"""A document, as pymongo decodes it by default."""
MongoCollection = Collection[Any]
"""A collection of the user's, with documents of any type of pymongo's."""
DocumentT = TypeVar("DocumentT", bound=MutableMapping[str, Any])
