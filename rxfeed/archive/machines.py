"""The computed tables: candles, and the best levels of books. Their state can be stored between two exports."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from typing import Any

from rxfeed.archive.tops import BookTop, BookTops
from rxfeed.core import Candle, Candles, Late
from rxfeed.market import Message

# Only classes are loaded: the state is in a folder that other users may be able to write.
_MODULES = ("rxfeed.core.", "rxfeed.market.", "rxfeed.venues.", "rxfeed.archive.tops")
_NAMES = {
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("functools", "partial"),
    ("msgspec._utils", "rebuild"),
    ("copyreg", "__newobj__"),
}


class Machines:
    """The candles and books of one venue: each is `None` if its table is not exported."""

    def __init__(self, candles: float | None, tops: tuple[int, float] | None) -> None:
        self.candles = None if candles is None else Candles(candles)
        self.tops = None if tops is None else BookTops(tops[0], round(tops[1] * 1e9))
        self.late = 0
        """Trades that were late for their candle."""

    @property
    def kinds(self) -> tuple[type[Message], ...]:
        """The messages that the machines accept."""
        accepted = [each.accepts for each in (self.candles, self.tops) if each is not None]
        return tuple(frozenset[type[Message]]().union(*accepted))

    def step(self, messages: Iterable[Message]) -> tuple[list[Candle], list[BookTop]]:
        candles: list[Candle] = []
        tops: list[BookTop] = []
        if self.candles is not None:
            step = self.candles.step
            for message in messages:
                for output in step(message):
                    if isinstance(output, Late):
                        self.late += 1
                    else:
                        candles.append(output)
        if self.tops is not None:
            accepts = tuple(self.tops.accepts)
            for message in messages:
                if isinstance(message, accepts):
                    tops += self.tops.step(message)
        return candles, tops

    def unfinished(self) -> tuple[list[Candle], list[BookTop]]:
        """The results as if the stream had ended here; the machines stay as they are."""
        copied = unpacked(packed(self))
        candles = [] if copied.candles is None else list(copied.candles.finish())
        return candles, [] if copied.tops is None else list(copied.tops.finish())


def packed(machines: Any) -> bytes:
    return pickle.dumps(machines)


def unpacked(content: bytes) -> Any:
    """What `packed` returned; raises `pickle.UnpicklingError` for anything else."""
    return _Unpickler(io.BytesIO(content)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if _is_allowed(module, name) else None
        if found is None or not (isinstance(found, type) or (module, name) in _NAMES):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return found


def _is_allowed(module: str, name: str) -> bool:
    return (module, name) in _NAMES or module.startswith(_MODULES) or (module, name) == (__name__, "Machines")
