"""The messages of several connections to one venue, which have the same subscriptions, as one stream without delay.

Rules:
- A numbered message (`MergeRules.place`) is output when the first connection brings it. A lower number that is not
  newer than the last message is a copy.
- If a number is skipped, the messages after it are held until a connection brings the missing ones. They are missing,
  and the gap is output, *patience* seconds after the first message behind it came, or as soon as every connection is
  past it. Heartbeats wait meanwhile, since they end windows.
- A trade from before a subscription that is newer than all trades so far was missed by all connections: it is a new
  one.
- Messages without a number are copies if their fields are equal, and two connections brought them within *patience*
  seconds (at least 60). So are tickers within *patience* seconds (at least five), and any ticker that is so much older
  than the newest one of its product.
- A book by price is that of one connection. If that connection is lost, or may have missed something, the book moves
  to another one at its next snapshot, and only the epochs of books rise. A snapshot of a connection that replaces a
  leaving one moves the book at once. A connection may have missed something, too, if it brings nothing for five seconds
  in which another one brings updates of its book.
- Epochs rise if no other connection covers what a lost connection had, and if numbers are missing. A connection covers
  what its last acknowledgement lists. If it received nothing between the loss of another one and its own, what both had
  may be missing. Numbers that rise by one show by themselves what is missing: while a connection is open, the loss of
  another one raises no epoch of messages with such numbers.
- The detector of the merged stream decides about everything else: restarts, heartbeats, the ends of runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

import msgspec

from rxfeed.core.arbitration_lines import BookMoved, LineState, NumberedStream, SnapshotNeeded
from rxfeed.core.by_type import ByType
from rxfeed.core.epochs import LEVELS, kinds_of
from rxfeed.core.findings import Awaited, Missed, RepairedNumbers, Restarted
from rxfeed.core.gaps import GapDetector, Pair, Resubscribed
from rxfeed.core.merge_order import Copies, Entry
from rxfeed.core.merge_rules import MergeRules, Stream, shows_losses
from rxfeed.market import (
    Auction,
    BookSnapshot,
    BookUpdate,
    Heartbeat,
    Message,
    PriorTrade,
    Subscriptions,
    Ticker,
    Unknown,
)

_COPIES_WITHIN = 60.0  # seconds
_TICKERS_WITHIN = 5.0
_SILENT_AFTER = 5.0


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """A *message* to deliver, with its *epoch*; *prior*: what it was, if it is a new trade that came as an old one."""

    message: Message
    epoch: int
    prior: PriorTrade | None = None


ArbitrationOutput = (
    Delivered | Missed | Awaited | RepairedNumbers | Restarted | Resubscribed | BookMoved | SnapshotNeeded
)


class Arbitration:
    """Outputs each message of several connections once. Times are seconds of any clock that only moves forward.

    *gaps*: the detector of the merged stream, which has the epochs; `None`: a new one. O(1) a message, unless numbers
    are skipped. *copies* counts what was dropped, *interruptions* when a connection may have missed what no other one
    brings, and when a book by price was not whole any more.
    """

    def __init__(self, rules: MergeRules, patience: float, gaps: GapDetector | None = None) -> None:
        self.gaps = rules.gaps() if gaps is None else gaps
        self.copies = 0
        self.interruptions = 0
        self._venue = rules
        self._patience = patience
        self._lines: dict[int, LineState] = {}
        self._streams: dict[Stream, NumberedStream] = {}
        self._open: dict[Stream, NumberedStream] = {}  # with messages that are held
        self._subscribed: set[Stream] = set()
        self._held_beats: list[tuple[LineState, Heartbeat]] = []
        self._beats: dict[str, Heartbeat] = {}  # the last ones
        self._books: dict[str, tuple[LineState, bool]] = {}  # by product: the connection, and whether its book is whole
        self._now = 0.0
        self._silent_after = max(patience, _SILENT_AFTER)
        self._copies = Copies(int(max(patience, _COPIES_WITHIN) * 1e9), rules)
        self._tickers_within = timedelta(seconds=max(patience, _TICKERS_WITHIN))
        self._copies_of_tickers = Copies(int(max(patience, _TICKERS_WITHIN) * 1e9), rules)
        self._newest_tickers: dict[str, datetime] = {}
        self._out: list[ArbitrationOutput] = []
        self._of_type: ByType[Callable[[LineState, Message], None]] = ByType(
            {
                Message: self._unnumbered,
                **dict.fromkeys((Unknown, Auction), self._counted),
                PriorTrade: self._prior_trade,
                Heartbeat: self._heartbeat,
                Ticker: self._ticker,
                BookSnapshot: self._snapshot,
                BookUpdate: self._update,
                Subscriptions: self._acknowledged,
            }
        )

    # ---- connections

    def join(self, number: int, *, leaving: Iterable[int] = ()) -> None:
        """Connection *number* takes part from now on, and replaces those that are *leaving*."""
        self._lines[number] = LineState(number)
        for each in leaving:
            self._lines[each].leaving = True

    def stays(self, number: int) -> None:
        """Connection *number* is not leaving."""
        if number in self._lines:
            self._lines[number].leaving = False

    def seed(self, number: int, pairs: Iterable[Pair], books: Iterable[str]) -> None:
        """Connection *number* is open already: it covers *pairs*, and the books of these products are its own."""
        line = self._lines[number]
        line.up, line.pairs = True, set(map(self.gaps.by_subscribed_name, pairs))
        self._books |= dict.fromkeys(books, (line, True))

    def leave(self, number: int) -> list[ArbitrationOutput]:
        """Connection *number* takes part no longer."""
        out = self.closed(number)
        del self._lines[number]
        return out + self._settle_all()

    def watch(self, pairs: Iterable[Pair]) -> None:
        """Set the subscriptions."""
        pairs = list(pairs)
        self._subscribed = {(channel, product) for channel, product in pairs if product is not None}
        self.gaps.watch(pairs)

    def opened(self, number: int) -> None:
        """Connection *number* is open."""
        self._lines[number].opened()

    def closed(self, number: int) -> list[ArbitrationOutput]:
        """Connection *number* is lost."""
        line = self._lines[number]
        if not line.up:
            return []
        pairs, doubted = line.pairs, line.doubted
        line.closed()
        for stream in self._streams.values():
            if stream.first == number:
                stream.first = 0
        others = [each for each in self._lines.values() if each.up]
        if not others:
            self._books = dict.fromkeys(self._books, (line, False))
            self.gaps.reconnected()
        else:
            lost = {pair for pair in pairs if not any(each.covers(pair, self._venue) for each in others)} | doubted
            self._lose(lost, numbered=True)
            for each in others:
                each.doubted |= pairs
            self._interrupt_books(line, others)
        return self._taken()

    def lost(self, number: int, product: str | None, books: bool = True) -> list[ArbitrationOutput]:
        """Connection *number* may have missed messages of *product* (`None`: any); *books*: also of its book."""
        line = self._lines[number]
        others = [each for each in self._lines.values() if each.up and each is not line]
        pairs = {pair for pair in line.pairs if product in (None, pair[1])}
        if not others and product is None:
            self.gaps.interrupted()
        else:
            self._lose({pair for pair in pairs if not any(each.covers(pair, self._venue) for each in others)})
        for each in others:
            each.doubted |= pairs
        if books:
            self._interrupt_books(line, (), product)
        return self._taken()

    @property
    def holding(self) -> bool:
        """True if messages are held."""
        return bool(self._open)

    def follows(self, number: int) -> bool:
        """True if a book is that of connection *number*."""
        return any(line.number == number for line, _ in self._books.values())

    def covered(self, number: int) -> bool:
        """True if another connection is open."""
        return any(each.up for each in self._lines.values() if each.number != number)

    def _lose(self, pairs: set[Pair], *, numbered: bool = False) -> None:
        """Raise the epochs of what comes by *pairs*; a book by price is not of them, since it is followed.

        *numbered*: the numbers of what was missed are missing, too, so that the next ones show it.
        """
        pairs = {pair for pair in pairs if pair[0] not in self._venue.not_missed}
        self.interruptions += bool(pairs)
        for channel, product in pairs:
            if numbered and shows_losses((channel, product), self._venue, self.gaps):
                continue
            if product is None:
                self.gaps.lost(None)
            else:
                self.gaps.lost_of(product, kinds_of(self._venue.types_of(channel)))

    def _need_snapshots(self, product: str) -> None:
        """All epochs of *product* have risen, so its book begins anew."""
        found = self._books.get(product)
        if found is not None:
            line = found[0] if found[0].up else next((each for each in self._lines.values() if each.up), found[0])
            self._books[product] = (line, False)
            self._out.append(SnapshotNeeded(product, line.number))

    def _interrupt_books(self, line: LineState, others: Iterable[LineState], product: str | None = None) -> None:
        for each, (followed, whole) in self._books.items():
            if followed is line and whole and product in (None, each):
                self._books[each] = (line, False)
                self.interruptions += 1
                self.gaps.lost_of(each, (LEVELS,))
                other = next((other for other in others if other.covers_book(each, self.gaps.books)), None)
                if other is not None:
                    self._out.append(SnapshotNeeded(each, other.number))

    # ---- messages

    def step(self, number: int, message: Message, now: float) -> list[ArbitrationOutput]:
        """The outputs that *message* of connection *number* causes."""
        line, self._now = self._lines[number], now
        line.doubted.clear()
        line.behind_since = None
        place = self._venue.place(message, self._subscribed)
        if place is None:
            self._of_type[type(message)](line, message)
        else:
            self._numbered(line, message, place)
        out, self._out = self._out, []
        return out

    def due(self, now: float) -> list[ArbitrationOutput]:
        """What is output by now, since the missing messages before it did not come in time."""
        for stream in [each for each in self._open.values() if each.due <= now]:
            while stream.held and stream.due <= now:
                self._skip(stream)
        self._pass_beats()
        return self._taken()

    def remaining(self, now: float) -> float | None:
        """Seconds until `due` has outputs; `None` if nothing is held."""
        return max(0.0, min(each.due for each in self._open.values()) - now) if self._open else None

    def _settle_all(self) -> list[ArbitrationOutput]:
        for stream in [*self._open.values()]:
            self._settle(stream)
        self._pass_beats()
        return self._taken()

    def finish(self) -> list[ArbitrationOutput]:
        """What is held, with the gaps before it."""
        for stream in [*self._open.values()]:
            while stream.held:
                self._skip(stream)
        self._pass_beats()
        return self._taken()

    def _taken(self) -> list[ArbitrationOutput]:
        out, self._out = self._out, []
        return out

    # ---- numbered messages

    def _stream(self, key: Stream) -> NumberedStream:
        stream = self._streams.get(key)
        if stream is None:
            last = self.gaps.last(*key)
            stream = self._streams[key] = NumberedStream(key, last, self.gaps.last_time(*key))
        return stream

    def _numbered(
        self, line: LineState, message: Message, place: tuple[Stream, int], prior: PriorTrade | None = None
    ) -> None:
        key, number = place
        stream = self._streams.get(key)
        if stream is None:
            stream = self._stream(key)
        line.positions[key] = number
        stream.first = 0
        last = stream.last
        if number == last + 1 or last < 0 or (number > last and key[0] in self._venue.rising):
            self._accept(stream, message, number, prior)
            if stream.held:
                self._follow(stream)
        elif number <= last:
            newest, time = stream.time, message.time
            if newest is not None and time is not None and time <= newest:
                self.copies += 1
            else:  # a restart, or a copy of which the time proves nothing
                self._accept(stream, message, number, prior)
        elif stream.is_old(message) or number in stream.held:
            self.copies += 1
        else:
            if not stream.held:
                stream.due = self._now + self._patience
                self._open[key] = stream
            stream.held[number] = (message, self._now, prior)
        if stream.held:
            self._settle(stream)

    def _accept(self, stream: NumberedStream, message: Message, number: int, prior: PriorTrade | None = None) -> None:
        """Output *message*, unless the merged stream's detector holds or drops it."""
        gaps = self.gaps
        fresh = gaps.step(message)
        if gaps.new is not None and isinstance(message, PriorTrade):
            message, prior, gaps.new, fresh = gaps.new, message, None, True
            gaps.missed = [each for each in gaps.missed if not isinstance(each, RepairedNumbers)]  # see `prior`
        if gaps.missed:
            self._report(stream, message)
        if gaps.released:
            released, gaps.released = gaps.released, []
            self._out += [Delivered(each, gaps.epoch_of(each)) for each in released]
        if fresh:
            self._out.append(Delivered(message, gaps.epoch_of(message), prior))
            stream.last, stream.time = number, message.time
        elif gaps.held is message:
            gaps.held = None
        else:
            self.copies += 1

    def _report(self, stream: NumberedStream | None, message: Message) -> None:
        missed, self.gaps.missed = self.gaps.missed, []
        for each in missed:
            if isinstance(each, Restarted) and stream is not None:
                stream.since = message.time
            self._out.append(each)
            if not isinstance(each, Awaited | RepairedNumbers) and each.product_id is not None:
                self._need_snapshots(each.product_id)

    def _follow(self, stream: NumberedStream) -> None:
        """Output the held messages that continue the stream."""
        while (found := stream.held.pop(stream.last + 1, None)) is not None:
            before = stream.last
            self._accept(stream, found[0], before + 1, found[2])
            if stream.last == before:  # the detector did not take it
                break
        self._limit(stream)

    def _skip(self, stream: NumberedStream) -> None:
        """The numbers before the lowest held one are missing."""
        number = min(stream.held)
        message, _, prior = stream.held.pop(number)
        self._accept(stream, message, number, prior)
        self._follow(stream)

    def _settle(self, stream: NumberedStream) -> None:
        """If every connection is past the missing numbers, they do not come any more."""
        key = stream.key
        while stream.held and all(
            each.up and each.positions.get(key, -1) > stream.last for each in self._lines.values()
        ):
            self._skip(stream)
        if not stream.held:
            self._pass_beats()

    def _limit(self, stream: NumberedStream) -> None:
        if stream.held:
            stream.held = {
                number: each
                for number, each in stream.held.items()
                if number > stream.last and not stream.is_old(each[0])
            }
        if stream.held:
            stream.due = min(at for _, at, _ in stream.held.values()) + self._patience
        else:
            self._open.pop(stream.key, None)
            self._pass_beats()

    def _prior_trade(self, line: LineState, message: Message) -> None:
        assert isinstance(message, PriorTrade)
        key = (self._venue.trades(message), message.product_id)
        stream = self._stream(key)
        if stream.last < 0:
            stream.first = line.number
        if stream.first == line.number and message.trade_id > stream.last:
            self._accept(stream, message, message.trade_id)
        elif message.trade_id <= stream.last or key not in self._subscribed:
            self.copies += 1
        else:
            trade = self._venue.as_new(message)
            place = self._venue.place(trade, self._subscribed)
            if place is None or place[0] != key:  # its numbers are those of another channel, which will show it
                self.copies += 1
            else:
                self._numbered(line, trade, place, message)

    # ---- messages without a number

    def _unnumbered(self, line: LineState, message: Message) -> None:
        self._compared(line, message, self._copies)

    def _ticker(self, line: LineState, message: Message) -> None:
        time, product = message.time, message.product_id or ""
        if time is not None:
            newest = self._newest_tickers.get(product)
            if newest is None or time > newest:
                self._newest_tickers[product] = time
            elif newest - time > self._tickers_within:  # of a slow connection, and perhaps forgotten
                self.copies += 1
                return
        self._compared(line, message, self._copies_of_tickers)

    def _compared(self, line: LineState, message: Message, copies: Copies) -> None:
        if copies.first(Entry(line, message.received_ns, message)):  # pyright: ignore[reportArgumentType]  # of one
            self._emit(message)
        else:
            self.copies += 1

    def _counted(self, line: LineState, message: Message) -> None:
        """A message that the rules for numbers do not cover may have one, which is not missing then."""
        self._unnumbered(line, message)
        number: int | None = getattr(message, "sequence", None)
        if number is None:
            return
        for stream in self._streams.values():
            if stream.key[1] == message.product_id and stream.last + 1 == number:
                stream.last = number
                self._follow(stream)

    def _acknowledged(self, line: LineState, message: Message) -> None:
        assert isinstance(message, Subscriptions)
        by_name = self.gaps.by_subscribed_name
        line.pairs = {
            by_name((channel.name, product))
            for channel in message.channels
            for product in channel.product_ids or (None,)
        }
        self._unnumbered(line, message)

    def _emit(self, message: Message) -> None:
        """Output *message*, which has no copy."""
        self.gaps.step(message)
        if self.gaps.missed:
            self._report(None, message)
        self._out.append(Delivered(message, self.gaps.epoch_of(message)))

    def _heartbeat(self, line: LineState, message: Message) -> None:
        assert isinstance(message, Heartbeat)
        if self._open:
            self._held_beats.append((line, message))
            return
        last = self._beats.get(message.product_id)
        if last is not None and message.time <= last.time:
            self.copies += 1
            return
        self._beats[message.product_id] = message
        self._emit(message)

    def _pass_beats(self) -> None:
        if self._held_beats and not self._open:
            held, self._held_beats = self._held_beats, []
            for line, beat in held:
                self._heartbeat(line, beat)

    # ---- books by price

    def skipped_snapshot(self, number: int, product: str) -> list[ArbitrationOutput]:
        """Connection *number* brought the snapshot of a book, which no subscriber gets."""
        self._move_book(self._lines[number], product)
        return self._taken()

    def _snapshot(self, line: LineState, message: Message) -> None:
        if self._move_book(line, message.product_id or ""):
            self._out.append(Delivered(message, self.gaps.epoch_of(message)))
        else:
            self.copies += 1

    def _move_book(self, line: LineState, product: str) -> bool:
        """*line* brought a snapshot of a book: True if the book is that of *line* now."""
        followed, whole = self._books.get(product, (line, False))
        if followed is not line and whole and (line.leaving or not followed.leaving):
            return False
        self._books[product] = (line, True)
        if followed is not line:
            self._out.append(BookMoved(product, line.number))
        return True

    def _update(self, line: LineState, message: Message) -> None:
        followed, _ = self._books.setdefault(message.product_id or "", (line, False))
        if followed is line:
            self._out.append(Delivered(message, self.gaps.epoch_of(message)))
            return
        self.copies += 1
        if followed.behind_since is None:
            followed.behind_since = self._now
        elif self._now - followed.behind_since > self._silent_after:
            self._interrupt_books(followed, (line,), message.product_id)
