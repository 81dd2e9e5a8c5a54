"""Imports the modules of a package when one of their names is first used, since a program needs few of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def imports_later(package: str, module_of: Mapping[str, str]) -> Callable[[str], object]:
    """The `__getattr__` of *package*; *module_of*: the module in it that has the name.

    Raises `AttributeError` for other names. No name may be that of its module: the import of a module puts the module
    itself into the package, under its name.
    """

    def find(name: str) -> object:
        module = module_of.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f"{package}.{module}"), name)
        setattr(sys.modules[package], name, found)  # from now on without this function
        return found

    return find
