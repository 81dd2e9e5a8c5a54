"""cbpro's `FixClient`, which is out of scope: importing a name of it raises `ImportError` with what to use."""

from __future__ import annotations

_REASON = "FIX is out of scope of rxfeed: for orders use a trading library, such as coinbase-advanced-py or ccxt"


def __getattr__(name: str) -> object:
    if not name[:1].isupper():  # all names of cbpro's module begin so
        raise AttributeError(name)
    raise ImportError(f"cbpro.FixClient has no {name}: {_REASON}")
