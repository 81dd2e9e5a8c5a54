"""Emits the items of a tape on the streams of a feed."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec

from rxfeed.core import MergedItem
from rxfeed.recording import Line, Player, content_of, decode_line
from rxfeed.tape.envelope import ItemKind, TapeItem
from rxfeed.tape.inbox import TapeBreak
from rxfeed.tape.merging import TapeMerge
from rxfeed.tape.session_order import SessionOrder
from rxfeed.venues import DeliveredIds, Venue

log = logging.getLogger("rxfeed.tape")


class _About(msgspec.Struct, frozen=True):
    """What a publisher reports of itself."""

    publisher: str = ""
    shared: bool = False
    renamed: dict[str, str] = {}


_about = msgspec.json.Decoder(_About).decode


class TapePlayback:
    """Plays the items of a tape with *player*.

    The epochs of one publisher are those that it recorded. If a publisher shares the tape with others, all sessions are
    merged from there on, with *patience* seconds for a message that one publisher missed, and epochs are counted anew.
    """

    def __init__(self, player: Player, venue: Venue, patience: float) -> None:
        self._player = player
        self._venue = venue
        self._patience = patience
        self._merge: TapeMerge | None = None
        self._session: str | None = None
        self._overlap = False
        self._orders: dict[str, SessionOrder] = {}
        self._over: set[str] = set()
        self.sequence = 0
        """The item that is being played, or was last."""
        self.received_ns = 0
        """Its receipt."""

    def play(self, item: TapeItem | TapeBreak) -> None:
        if isinstance(item, TapeBreak):
            self._player.interrupted()
            return
        self.sequence, self.received_ns = item.sequence, item.received_ns
        session = item.session
        order = self._orders.get(session)
        if order is None:
            order = self._orders[session] = SessionOrder()
        if item.sequence == 0:  # from before the first message: the description of a publisher
            self._describe(item)
            return
        # What several publish has holes where the server refused copies: only a book has one publisher.
        held = self._merge is None or item.lease or item.kind is not ItemKind.FRAME
        for each in order.step(item) if held else order.whole(item):
            self._in_order(each)

    def _in_order(self, item: TapeItem) -> None:
        if item.kind is ItemKind.SESSION:
            self._describe(item)
        if self._merge is not None:
            self._merged(self._merge.step(item))
            return
        if item.session != self._session:
            self._begin(item.session)
        self._one(item)

    def _merged(self, items: Iterator[MergedItem]) -> None:
        try:
            self._player.merged(items)
        except ValueError as error:
            log.warning("an item near %d of the tape cannot be read, and is skipped: %s", self.sequence, error)

    def finish(self) -> None:
        """Play what is held: no more items will come."""
        for order in self._orders.values():
            for each in order.finish():
                self._in_order(each)
        if self._merge is not None:
            self._merged(self._merge.finish())

    def _begin(self, session: str) -> None:
        before, self._session = self._session, session
        if before is None:
            return
        for each in self._orders.pop(before, SessionOrder()).finish():
            self._one(each)
        if session in self._over and not self._overlap:
            self._overlap = True
            log.warning("two publishers are on the tape at once: publish with shared=True, which merges their messages")
        self._over.add(before)
        self._player.interrupted()

    def _one(self, item: TapeItem) -> None:
        if item.kind is ItemKind.FRAME:
            line = Line(ns=item.received_ns, epoch=item.epoch, epochs=item.epochs, repaired=item.repaired)
            self._player.frame(line, item.payload)
        elif item.kind is ItemKind.LINE:
            self._line(item)
        elif item.kind is ItemKind.ALIVE:
            self._player.passed(item.received_ns)

    def _line(self, item: TapeItem) -> None:
        try:
            line = decode_line(item.payload)
            raw, status = content_of(line)
        except (ValueError, TypeError) as error:
            log.warning("the event at %d of the tape cannot be read, and is skipped: %s", item.sequence, error)
            return
        self._player.line(line, raw, status)

    def _describe(self, item: TapeItem) -> None:
        try:
            about = _about(item.payload)
        except ValueError as error:
            log.warning("a publisher's description at %d cannot be read: %s", item.sequence, error)
            return
        if about.shared and self._merge is None:
            self._merge = TapeMerge(self._venue, self._patience)
        if self._merge is not None:
            self._merged(self._merge.describe(item, about.publisher, about.renamed))
        else:
            self._player.begin_with(DeliveredIds(about.renamed), item.received_ns)
