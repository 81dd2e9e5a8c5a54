"""What is kept by type, for the subclasses of the types too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")


class ByType(dict[type[object], T]):
    """A table of types that finds the entry of a type, or of its nearest base; `KeyError` if there is none.

    What is found is stored, so that only the first look-up of a type searches.

    >>> from rxfeed.core import ByType
    >>> ByType({int: "a number"})[bool]
    'a number'
    """

    def __init__(self, entries: Mapping[type[object], T]) -> None:
        super().__init__(entries)

    def __missing__(self, kind: type[object]) -> T:
        for base in kind.__mro__:
            if base in self:
                found = self[kind] = self[base]
                return found
        raise KeyError(kind)
