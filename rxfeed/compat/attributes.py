"""Attributes that a subclass may replace by its own."""

from __future__ import annotations

from collections.abc import Callable

from rxfeed.compat.types import Attribute


class Replaceable:
    """Reads an attribute with the method *name*; it has no `__set__`, so that a subclass may keep its own value there.

    *name* is private, as the class mangles it: all other names are free for the subclass.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Attribute:
        return self if instance is None else getattr(instance, self._name)()


class PerInstance:
    """An attribute with a value of each instance's own, which *make* makes at the first need."""

    def __init__(self, make: Callable[[], object]) -> None:
        self._make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Attribute:
        return self if instance is None else instance.__dict__.setdefault(self._name, self._make())
