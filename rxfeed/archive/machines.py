"""The computed tables: candles, and the best levels of books. Their state can be stored between two exports."""

from __future__ import annotations

import functools
import io
import pickle
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from rxfeed.archive.text_candles import ConsecutiveTrade, NamedTrade, TextCandles, TradeNumbers
from rxfeed.archive.tops import BookTop, BookTops
from rxfeed.core import Candle, Late
from rxfeed.market import Message, Trade
from rxfeed.recording import TextLine
from rxfeed.venues import Venue

# Only classes are loaded: the state is in a folder that other users may be able to write.
_MODULES = ("rxfeed.core.", "rxfeed.market.", "rxfeed.venues.", "rxfeed.archive.tops", "rxfeed.archive.text_candles")
_NAMES = {
    ("datetime", "datetime"),
    ("datetime", "timedelta"),
    ("datetime", "timezone"),
    ("decimal", "Decimal"),
    ("functools", "partial"),
    ("msgspec._utils", "rebuild"),
    ("copyreg", "__newobj__"),
    # The levels of a side of a book, and their order.
    ("rxfeed.core.live_side", "_changed"),
    ("rxfeed.core.live_side", "_sizes"),
    ("rxfeed.core.sorted_map", "SortedMap.of"),
}


class Machines:
    """The candles and books of one venue: each is `None` if its table is not exported."""

    def __init__(self, candles: float | None, tops: tuple[int, float] | None) -> None:
        self.candles = None if candles is None else TextCandles(candles)
        self.tops = None if tops is None else BookTops(tops[0], round(tops[1] * 1e9))
        self.late = 0
        """Trades that were late for their candle."""

    @property
    def compute(self) -> bool:
        """True if there is a table to compute."""
        return self.candles is not None or self.tops is not None

    @property
    def kinds(self) -> tuple[type[Message], ...]:
        """The messages that the machines accept."""
        accepted = [each.accepts for each in (self.candles, self.tops) if each is not None]
        return tuple(frozenset[type[Message]]().union(*accepted))

    def step(self, messages: Iterable[Message]) -> tuple[list[Candle], list[BookTop]]:
        candles: list[Candle] = []
        if self.candles is not None:
            step = self.candles.step
            for message in messages:
                candles += self._in_time(step(message))
        return candles, self._step_tops(messages)

    def step_texts(
        self, lines: Sequence[TextLine], messages: Sequence[Message], base: int, numbers: TradeNumbers, venue: Venue
    ) -> tuple[list[Candle], list[BookTop]]:
        """The same for *lines*, with *messages* among them, which have their origins.

        The epochs of lines are *base* too low. *numbers*: those of the trades.
        """
        candles: list[Candle] = []
        if self.candles is not None:
            candles += self._in_time(self.candles.step_texts(lines, base, numbers, _trade_of(venue)))
        return candles, self._step_tops(messages)

    def _in_time(self, outputs: Iterable[Candle | Late]) -> Iterator[Candle]:
        for output in outputs:
            if isinstance(output, Late):
                self.late += 1
            else:
                yield output

    def _step_tops(self, messages: Iterable[Message]) -> list[BookTop]:
        tops: list[BookTop] = []
        if self.tops is not None:
            accepts = tuple(self.tops.accepts)
            for message in messages:
                if isinstance(message, accepts):
                    tops += self.tops.step(message)
        return tops

    def unfinished(self) -> tuple[list[Candle], list[BookTop]]:
        """The results as if the stream had ended here; the machines stay as they are."""
        copied = unpacked(packed(self))
        candles = [] if copied.candles is None else list(copied.candles.finish())
        return candles, [] if copied.tops is None else list(copied.tops.finish())


@functools.cache
def _trade_of(venue: Venue) -> type[NamedTrade]:
    """The class of the trades of *venue* that are read as texts."""
    kinds = [kind for kind in venue.quick_types if issubclass(kind, Trade)]
    return ConsecutiveTrade if all(kind.ids_are_consecutive for kind in kinds) else NamedTrade


def packed(machines: object) -> bytes:
    return pickle.dumps(machines)


def unpacked(content: bytes) -> Any:
    """What `packed` returned; raises `pickle.UnpicklingError` for anything else."""
    return _Unpickler(io.BytesIO(content)).load()


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        found = super().find_class(module, name) if _is_allowed(module, name) else None
        if found is None or not (isinstance(found, type) or (module, name) in _NAMES):
            raise pickle.UnpicklingError(f"{module}.{name} is no part of a state")
        return found


def _is_allowed(module: str, name: str) -> bool:
    return (module, name) in _NAMES or module.startswith(_MODULES) or (module, name) == (__name__, "Machines")
