"""The repaired trades of a segment, at their places between its lines.

Rules:
- The lines are in the order of their places, each with trades of ids that no line before has. What comes after a line
  that is not so is not used: a repair writes it again.
- What belongs behind the last line of the segment, or behind its damage, is played at its end.
- The trades after the inserted ones of a product have a higher epoch, unless the line at that place is of the next id.
  So nothing counts as complete because of trades that are not there.
- A gap counts as repaired as far as its trades are here. What the header lists only shows which files to read for it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from rxfeed.core import EPOCH_KINDS, TRADES
from rxfeed.errors import RecordingDamaged
from rxfeed.market import Heartbeat, Message, PriorTrade, Trade
from rxfeed.recording.files import Repairs
from rxfeed.recording.format import Line
from rxfeed.recording.reading import Recording
from rxfeed.venues import Decoded

log = logging.getLogger("rxfeed.recording")

REPAIRED_IDS = "repaired"
"""The key in a header's description under which it lists the ids of its trades, as ranges by product."""
_LAST = 1 << 62


class Insertions:
    """The lines of *recording*, which are in the order of their places; `None`: there is none."""

    def __init__(self, recording: Recording | None) -> None:
        self._lines = iter(()) if recording is None else inserted(recording)
        self._next: Line | None = None
        self.place = _LAST
        """The number of the line before which the next one belongs."""
        self._advance()

    def take(self, number: int) -> list[Line]:
        """The lines that belong before the line with this *number*, and were not taken yet."""
        taken: list[Line] = []
        while self.place <= number and self._next is not None:
            taken.append(self._next)
            self._advance()
        return taken

    def rest(self) -> list[Line]:
        """The lines that were not taken yet, after the last one of the segment."""
        return self.take(_LAST - 1)

    def _advance(self) -> None:
        try:
            found = next(self._lines, None)
            self._next = None if found is None else found[0]
        except RecordingDamaged as damage:
            log.warning("%s; its repaired trades from there on are not used: run rxfeed repair again", damage)
            self._next = None
        self.place = _LAST if self._next is None else min(self._next.before or 0, _LAST - 1)


class _InsertedTrade(msgspec.Struct, gc=False):
    """What is needed of the frame of a repaired trade."""

    product_id: str
    trade_id: int


_trade = msgspec.json.Decoder(_InsertedTrade).decode


def inserted(recording: Recording) -> Iterator[tuple[Line, str, int, int]]:
    """The repaired trades and the lost ids of *recording*: each line, with its product, and its first and last id.

    Raises `RecordingDamaged` at the first line that is not valid.
    """
    place, known = (2, "", -1), set[tuple[str, int]]()
    for chunk in recording.chunks():
        for index in range(len(chunk.lines)):
            line = recording.line(chunk, index)
            if line.end is not None:
                continue
            try:
                product, first, last = _ids_of(line)
                own = line.before or 0, product, first
                if own < place:
                    raise ValueError(f"trade {first} of {product}, before line {line.before}, is not in order")
                if (product, first) in known:
                    raise ValueError(f"trade {first} of {product} is there twice")
            except (ValueError, RecursionError) as error:
                raise recording.damaged(*chunk.place(index), str(error)) from None
            place = own
            known.add((product, first))
            yield line, product, first, last


def _ids_of(line: Line) -> tuple[str, int, int]:
    """The product of *line*, and its ids; raises `ValueError` if it is no line of a repair."""
    if line.before is None:
        raise ValueError("it has no place (before)")
    if line.lost is not None:
        if line.lost.first > line.lost.last:
            raise ValueError(f"lost: {line.lost.first} is higher than {line.lost.last}")
        return line.lost.product_id, line.lost.first, line.lost.last
    if line.repaired != [0]:
        raise ValueError("it has neither a repaired trade nor lost ids")
    trade = _trade(line.raw())
    return trade.product_id, trade.trade_id, trade.trade_id


def epoch_before(following: Line | None, highest: int) -> int:
    """The epoch of repaired trades before the *following* line; *highest*: that of the lines so far.

    It is that of the following line, or the highest if there is none, or it is an event, which has none.
    """
    if following is None or not following.has_frame:
        return max(highest, 0)
    return max((epoch for epoch in following.epochs or () if epoch is not None), default=following.epoch)


_Ranges = dict[str, list[tuple[int, int]]]
"""By product: ranges of ids."""


def unproven(last: Mapping[str, int], following: Line | None, decode: Callable[[bytes], Decoded]) -> list[str]:
    """The products of which trades may be missing between the inserted ones and the *following* line.

    *last*: by product, the id of the last inserted trade.
    """
    decoded = decode(following.raw()) if last and following is not None and following.has_frame else ()
    messages = decoded if isinstance(decoded, tuple) else (decoded,)
    return [
        product
        for product, number in last.items()
        if not any(_follows(each, number) for each in messages if getattr(each, "product_id", None) == product)
    ]


def _follows(message: object, number: int) -> bool:
    match message:
        case Trade():
            return message.trade_id == number + 1
        case PriorTrade():
            return message.trade_id in (number, number + 1)
        case Heartbeat():
            return message.last_trade_id == number
        case _:
            return False


def is_of_trades(message: Message) -> bool:
    """True if the epoch of *message* rises where trades are lost."""
    return EPOCH_KINDS[type(message)] == TRADES


class RepairedIds:
    """The ids of all repaired trades in *repairs*, by product.

    A file is read when a gap is in what its header lists.
    """

    def __init__(self, repairs: Repairs) -> None:
        self._unread = [(part.found, listed_ids(part.found)) for part in repairs.values()]
        self._ranges: _Ranges = {}

    def split(self, product: str | None, first: int, last: int) -> Iterator[tuple[int, int, bool]]:
        """The parts of *first* to *last*, in order: whether they are repaired."""
        self._read(product or "", first, last)
        for begin, end in self._ranges.get(product or "", ()):
            if end < first or begin > last:
                continue
            if begin > first:
                yield first, begin - 1, False
            yield max(first, begin), min(last, end), True
            first = end + 1
        if first <= last:
            yield first, last, False

    def _read(self, product: str, first: int, last: int) -> None:
        """Read the files that list ids from *first* to *last*."""
        rest: list[tuple[Recording | RecordingDamaged, _Ranges]] = []
        changed: set[str] = set()
        for found, listed in self._unread:
            if not any(begin <= last and end >= first for begin, end in listed.get(product, ())):
                rest.append((found, listed))
            elif isinstance(found, Recording):
                changed |= self._add(found)
        self._unread = rest
        for each in changed:
            self._ranges[each] = joined(self._ranges[each])

    def _add(self, recording: Recording) -> set[str]:
        """Add the trades of *recording*, up to its damage; returns their products."""
        changed: set[str] = set()
        with contextlib.suppress(RecordingDamaged):  # it is logged where the trades are played
            for line, product, first, last in inserted(recording):
                if line.lost is None:
                    self._ranges.setdefault(product, []).append((first, last))
                    changed.add(product)
        return changed


def listed_ids(found: Recording | RecordingDamaged) -> _Ranges:
    """The ids that the header of *found*, the file of a repair, lists; none if it is not valid."""
    header = found.header if isinstance(found, Recording) else None
    with contextlib.suppress(msgspec.ValidationError):
        return msgspec.convert({} if header is None else header.about.get(REPAIRED_IDS) or {}, _Ranges)
    return {}


def joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """*ranges* of ids, in order, those that meet or overlap as one.

    >>> from rxfeed.recording.insertions import joined
    >>> joined([(5, 6), (1, 2), (3, 3)])
    [(1, 3), (5, 6)]
    """
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(found[-1][1], last)
        else:
            found.append((first, last))
    return found
