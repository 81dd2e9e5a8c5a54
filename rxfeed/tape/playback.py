"""Emits the items of a tape on the streams of a feed."""

from __future__ import annotations

import logging
from typing import Any

import msgspec

from rxfeed.recording import Line, Player, content_of, decode_line
from rxfeed.tape.envelope import ItemKind, TapeItem
from rxfeed.tape.inbox import TapeBreak
from rxfeed.tape.session_order import SessionOrder
from rxfeed.venues import DeliveredIds

log = logging.getLogger("rxfeed.tape")


class _About(msgspec.Struct, frozen=True):
    """What a publisher reports of itself."""

    publisher: str = ""
    renamed: dict[str, str] = {}


_about = msgspec.json.Decoder(_About).decode


class TapePlayback:
    """Plays the items of a tape with *player*."""

    def __init__(self, player: Player) -> None:
        self._player = player
        self._session: str | None = None
        self._orders: dict[str, SessionOrder] = {}
        self.sequence = 0
        """The item that is being played, or was last."""

    def play(self, item: TapeItem | TapeBreak) -> None:
        if isinstance(item, TapeBreak):
            self._player.interrupted()
            return
        self.sequence = item.sequence
        session = item.session
        order = self._orders.get(session)
        if order is None:
            order = self._orders[session] = SessionOrder()
        if item.sequence == 0:  # from before the first message: the description of a publisher
            self._describe(item)
            return
        if session != self._session:
            self._begin(session)
        for each in order.step(item):
            self._one(each)

    def finish(self) -> None:
        """Play what is held: no more items will come."""
        for order in self._orders.values():
            for each in order.finish():
                self._one(each)

    def _begin(self, session: str) -> None:
        before, self._session = self._session, session
        if before is not None:
            for each in self._orders.pop(before, SessionOrder()).finish():
                self._one(each)
            self._player.interrupted()

    def _one(self, item: TapeItem) -> None:
        if item.kind is ItemKind.FRAME:
            line = Line(ns=item.received_ns, epoch=item.epoch, epochs=item.epochs, repaired=item.repaired)
            self._player.frame(line, item.payload)
        elif item.kind is ItemKind.LINE:
            self._line(item)
        elif item.kind is ItemKind.SESSION:
            self._describe(item)
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
            about: Any = _about(item.payload)
        except ValueError as error:
            log.warning("a publisher's description at %d cannot be read: %s", item.sequence, error)
            return
        self._player.begin_with(DeliveredIds(about.renamed), item.received_ns)
