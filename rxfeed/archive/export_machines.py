"""The state of candles and books between two exports."""

from __future__ import annotations

import logging
from collections.abc import Callable

from rxfeed.archive.journal import Journal
from rxfeed.archive.machines import Machines, packed, unpacked
from rxfeed.archive.options import ExportOptions
from rxfeed.market import Message
from rxfeed.recording import Contents, Epochs, Part, Repairs, TextLine
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.archive")


class ExportMachines:
    """The machines of each venue, stored in *journal* with each batch."""

    def __init__(self, journal: Journal, options: ExportOptions) -> None:
        self._journal = journal
        self._options = options
        self._machines: dict[str, Machines] = {}

    @property
    def late(self) -> int:
        """The number of trades that came too late for their candle."""
        return sum(each.late for each in self._machines.values())

    def of(self, venue: Venue) -> Machines:
        machines = self._machines.get(venue.name)
        if machines is None:
            machines = self._machines[venue.name] = self._options.machines()
        return machines

    def packed(self) -> bytes:
        """The state, to be stored; empty if no table has a use for it."""
        return packed(self._machines) if self._options.computes else b""

    def load(self, parts: list[Part], repairs: Repairs, venue_of: Callable[[Part], Venue]) -> None:
        """Take the stored state. If it cannot be read, it is made anew from those of *parts* that were exported."""
        content, state = self._journal.machines(), self._journal.state
        if content is not None:
            try:
                self._machines = unpacked(content)
            except Exception as error:
                log.warning("export: the stored state of candles and books cannot be read: %r", error)
            else:
                return
        if state.batches and self._options.computes:
            self._renew([each for each in parts if state.has(each.session, each.number)], repairs, venue_of)

    def _renew(self, exported: list[Part], repairs: Repairs, venue_of: Callable[[Part], Venue]) -> None:
        """Make the state anew, from the exported files that are still there."""
        log.info("export: the state of candles and books is made anew from %s files", len(exported))
        epochs: dict[str, Epochs] = {}
        for part in exported:
            venue = venue_of(part)
            machines = self.of(venue)
            known = epochs.setdefault(venue.name, Epochs())
            contents = Contents(venue, _OnlyMachines(machines), machines.kinds, self._options.time_range, known)
            contents.read(part, repairs.get((part.session, part.number)))
            machines.late = 0


class _OnlyMachines:
    """A `Receiver` that brings *machines* to the state after the messages."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def take_messages(self, messages: list[Message]) -> None:
        self._machines.step(messages)

    def take_texts(self, lines: list[TextLine], base: int) -> bool:
        return False
