"""Plays messages of a chunk in runs, each of which the machine of their only observer takes in one call."""

from __future__ import annotations

from operator import attrgetter

from msgspec.structs import force_setattr

from rxfeed.feed import Route, Run
from rxfeed.market import Message, Origin, of_connection
from rxfeed.operators import TakesMany
from rxfeed.recording.bulk import Typed, frame_in
from rxfeed.recording.item_player import ItemPlayer

_raw_of, _ns_of = attrgetter("_origin.raw"), attrgetter("_origin.received_ns")


class RunPlayer:
    """The runs of one chunk, of which *newest* is the latest time. No action is due before it."""

    __slots__ = ("_items", "_messages", "_newest", "_observer", "_places", "_router", "_routes", "_types", "done")

    def __init__(self, items: ItemPlayer, newest: int) -> None:
        self._items, self._newest = items, newest
        self._router = items.streams.router
        self._types = self._router.types
        self._messages: list[Message] = []
        self._routes: list[Route] = []
        self._places: list[int] = []
        self._observer: TakesMany | None = None
        self.done = 0
        """How many lines have been played."""

    @property
    def is_interrupted(self) -> bool:
        """True if an observer has closed the replay, subscribed to more, or scheduled an action."""
        items, router = self._items, self._router
        return (
            items.dispatcher.stopping
            or router.types is not self._types
            or self._newest >= items.pacer.scheduler.next_ns
        )

    def add(self, entry: Typed, message: Message, line: bytes, index: int) -> bool:
        """Add the *message* of *entry*, at line *index*, to the run; False if it does not belong to it."""
        route = self._router.routes[type(message)].get(message.product_id)
        if route is None:
            return False
        alone = route.alone
        if alone is None or (self._messages and alone is not self._observer):
            return False
        kind = of_connection(Origin, entry.connection) if entry.connection else Origin
        force_setattr(message, "_origin", kind(frame_in(line), entry.ns, self._items.base + entry.epoch))
        self._observer = alone
        self._messages.append(message)
        self._routes.append(route)
        self._places.append(index)
        return True

    def play(self) -> bool:
        """Play the messages so far; False if the replay was interrupted: then later ones are to be played anew."""
        messages, observer, router = self._messages, self._observer, self._router
        if not messages or observer is None:
            return True
        run, table, before = Run(router, observer, messages, self._routes), router.routes, 0
        more = True
        while more:
            more = run.advance()
            if run.place > before:
                self._taken(messages[before : run.place], self._places[run.place - 1])
                before = run.place
            if more:
                run.emit()
                if self.is_interrupted or router.routes is not table:
                    break
        self._messages, self._routes, self._places = [], [], []
        return not more

    def _taken(self, messages: list[Message], last: int) -> None:
        """The *messages*, up to line *last*, have been taken by the machine."""
        items, scheduler, stats = self._items, self._items.pacer.scheduler, self._items.streams.stats
        items.index, self.done = last, last + 1
        scheduler.ns = max(scheduler.ns, max(map(_ns_of, messages)))
        stats.frames += len(messages)
        stats.bytes += sum(map(len, map(_raw_of, messages)))
