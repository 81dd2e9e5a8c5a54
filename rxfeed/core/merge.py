"""The messages that several collectors received from one exchange, merged into one stream: each message once.

Rules:
- The order is the order of receipt, with one exception. If a message reveals a gap, and another collector receives the
  missing message within `patience` seconds, the missing message is output before it.
- Numbered messages (`matches` by trade id; `full`, `level3` and `ticker` by sequence; heartbeats by time) are copies if
  their numbers are equal. Other messages are copies if their bytes are equal and two collectors received them within
  `patience` seconds.
- If a numbered stream restarted at one collector, messages from before the restart that others bring are dropped.
- A `last_match` is a trade from before its connection. It is dropped if another collector covers the trades and has
  received that trade.
- Level2 has no numbers, and a book is right only if its snapshot and all its updates come from one connection. So the
  book of a product is that of one collector at a time. If that collector may have missed something (its epoch rises) or
  is disconnected, the next snapshot of the product selects the collector.
- Epochs are counted anew. An epoch rises if numbers are missing at all collectors. If a collector may have missed
  something of a channel that no other collector was receiving, the epochs of that channel's kinds of message rise,
  unless the next numbers will show what is missing. If the level2 book that is followed is interrupted, the epoch of
  books rises. If no collector is connected, all epochs rise.
- A frame that a collector could not decode raises the epochs of the kinds of message that it names, as in a feed (see
  `epochs.py`). The collector's next message of such a kind has a higher epoch, which shows nothing more than that.
- The clocks of collectors may differ, and so may the latencies of a message. *patience* has to be longer than both
  together. A message that comes later is dropped; if it is numbered, it is reported as missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from rxfeed.core.arguments import positive_microseconds
from rxfeed.core.by_type import ByType
from rxfeed.core.coverage import Collector, CollectorCoverage, covers, pairs_of, uncovered
from rxfeed.core.epochs import EPOCH_KINDS, LEVELS, PRODUCT, kinds_of
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.findings import Restarted
from rxfeed.core.gaps import Pair, Resubscribed
from rxfeed.core.merge_eager import Finality
from rxfeed.core.merge_items import BookOwnerChanged, ConnectionChange, MergedItem, ReceivedItem, StatusEvent
from rxfeed.core.merge_order import Copies, Entry, Numbered
from rxfeed.core.merge_rules import MergeRules, Stream, shows_losses
from rxfeed.market import (
    FIRST,
    BookSnapshot,
    BookUpdate,
    Heartbeat,
    Malformed,
    Message,
    PriorTrade,
    RepairedOrigin,
    Subscriptions,
    moment,
    stamp,
)

_ALL = frozenset((PRODUCT,))
_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


Doubted = Callable[[Malformed], frozenset[type[Message]] | None]
"""Returns the types of messages that a frame may have had; empty: any, `None`: none that is data."""


def _everything(frame: Malformed) -> frozenset[type[Message]]:
    return frozenset()


class Merge:
    """Outputs each message of several collectors once; its inputs are their items, in the order of receipt.

    *doubted*: what is missing with a frame that could not be decoded. An item is output *patience* seconds after its
    receipt, and the items of these seconds are buffered. O(log n) a message for n buffered messages. *eager*: an item
    is output at once if no other item can be due before it (see `rxfeed.core.merge_eager`).
    """

    def __init__(
        self,
        rules: MergeRules,
        patience: float = 5.0,
        doubted: Doubted = _everything,
        *,
        eager: bool = False,
    ) -> None:
        self._venue = rules
        self._patience = positive_microseconds("patience", patience) * 1000
        self._coverage = CollectorCoverage()
        self._continuity = rules.gaps()
        self._numbers = Numbered(rules)
        self._copies = Copies(self._patience, rules)
        self._final = Finality(rules, self._coverage, self._continuity, self._numbers) if eager else None
        self._queue: deque[Entry] = deque()
        self._newest = 0
        self._doubted = doubted
        # The present epochs of products and kinds with a rise to come; `PRODUCT`: of all kinds.
        self._interrupted: dict[tuple[str | None, str], int] = {}
        self._disconnected = False  # no collector is connected
        # The last heartbeats: the numbers by channel, and the time.
        self._beats: dict[str, tuple[tuple[tuple[str, int], ...], datetime | None]] = {}
        # The collector of each book by price, and whether its book is complete.
        self._followed_books: dict[str, tuple[Collector, bool]] = {}
        # The books by price that are subscribed to, and those that were at any time.
        self._books: set[Pair] = set()
        self._known_books: set[Pair] = set()
        self._out: list[MergedItem] = []
        self._rules: ByType[Callable[[Entry], None] | None] = ByType(
            {
                object: None,
                ConnectionChange: self._connection_change,
                StatusEvent: self._status_event,
                BookOwnerChanged: self._book_moved,
                Malformed: self._malformed,
                Subscriptions: self._subscriptions,
                PriorTrade: self._last_match,
                Heartbeat: self._heartbeat,
                BookSnapshot: self._snapshot,
                BookUpdate: self._update,
            }
        )

    def step(self, received: ReceivedItem) -> list[MergedItem]:
        """The items that are final after *received*, in order."""
        collector = self._coverage.collector(received.collector)
        collector.last_ns = max(collector.last_ns, received.ns)
        entry = Entry(collector, received.ns, received.item)
        if isinstance(received.item, Message):
            self._numbers.add(entry)
        self._queue.append(entry)
        self._newest = max(self._newest, received.ns)
        return self._release(self._newest - self._patience)

    def received_until(self, collector: int, ns: int) -> None:
        """*collector* has received all items of its connection until *ns*, and no item shows that: it had copies."""
        found = self._coverage.collector(collector)
        found.last_ns = max(found.last_ns, ns)

    def passed(self, ns: int) -> list[MergedItem]:
        """The items that are final at *ns*, a time at which no collector need have received anything."""
        self._newest = max(self._newest, ns)
        return self._release(self._newest - self._patience)

    def finish(self) -> list[MergedItem]:
        return self._release(self._newest)

    def _release(self, until: int) -> list[MergedItem]:
        queue = self._queue
        final = self._final
        while queue and (queue[0].ns <= until or (final is not None and final.holds(queue[0]))):
            entry = queue.popleft()
            self._continuity.received(entry.ns)
            if isinstance(entry.item, Message):
                self._observe(entry)
            if not entry.done:
                entry.done = True
                rule = self._rules[type(entry.item)]
                if rule is not None:
                    rule(entry)
                elif entry.stream is None:
                    self._unnumbered(entry)
                else:
                    self._numbered(entry.stream, entry)
            if entry.stream is not None:
                self._numbers.sweep(entry.stream)
        out, self._out = self._out, []
        return out

    def _emit(self, entry: Entry) -> None:
        item, product = entry.item, entry.item.product_id
        if self._interrupted:
            for kind in (PRODUCT, EPOCH_KINDS[type(item)]):
                epoch = self._interrupted.pop((product, kind), None)
                if epoch is not None and epoch == self._epoch(product, kind):
                    self._continuity.lost_of(product, (kind,)) if product else self._continuity.lost(product)
        self._out.append(MergedItem(entry.ns, self._continuity.epoch_of(item), item))

    def _epoch(self, product: str | None, kind: str) -> int:
        return self._continuity.of_kinds.get((product, kind), self._continuity.epoch(product))

    def _miss(self, entry: Entry) -> None:
        found, self._continuity.missed = self._continuity.missed, []
        for each in found:
            if isinstance(each, Resubscribed):
                continue
            self._out.append(MergedItem(entry.ns, 0, each))
            if isinstance(each, Restarted) and each.product_id is not None and each.first < each.last:
                self._beats.pop(each.product_id, None)
                if entry.item.time is not None:
                    for other in self._coverage.others(entry.collector):
                        other.stale[each.channel, each.product_id] = entry.item.time

    # ---- the collectors' subscriptions

    def _connection_change(self, entry: Entry) -> None:
        collector, change = entry.collector, entry.item
        before = self._coverage.connected()
        if collector.up:
            self._interrupt_all(collector, entry.ns, gone=True)
        collector.renewed()
        collector.up, collector.over = change.up, change.over
        if change.over and self._coverage.settled():
            self._watch()
        if change.status is not None and before != self._coverage.connected():
            self._out.append(MergedItem(entry.ns, 0, change.status))

    def _status_event(self, entry: Entry) -> None:
        event, collector = entry.item, entry.collector
        pair = event.pair
        if event.connected is not None:
            collector.reconnected(event.connected)
        if event.removed is not None:
            collector.removed(event.removed)
        if event.acknowledged is not None:
            collector.subscribed(*event.acknowledged)
            self._watch()
        if pair is not None:
            if event.silent:
                collector.silent.add(pair)
            else:
                collector.silent.discard(pair)
            if any(covers(other, pair, self._venue) for other in self._coverage.receiving_at(collector, entry.ns)):
                return
        if event.status is not None and not (event.alone and self._coverage.connected()):
            self._out.append(MergedItem(entry.ns, 0, event.status))

    def _malformed(self, entry: Entry) -> None:
        collector, product = entry.collector, entry.item.product_id
        self._continuity.malformed(entry.item)
        types = self._doubted(entry.item)
        kinds = None if types is None else kinds_of(types)
        if kinds is not None and (not kinds or PRODUCT in kinds):
            if product is None:
                self._interrupt_all(collector, entry.ns, gone=False)
                collector.epochs.clear()
            else:
                self._interrupt_product(collector, product, entry.ns)
        elif kinds:
            for each in {each for _, each in collector.pairs if each is not None} if product is None else {product}:
                self._interrupt_product(collector, each, entry.ns, kinds)
                before, count = collector.doubted.get(each, (frozenset[str](), 0))
                collector.doubted[each] = before | kinds, count + 1
        if self._copies.first(entry):
            self._out.append(MergedItem(entry.ns, 0, entry.item))

    def _subscriptions(self, entry: Entry) -> None:
        entry.collector.subscribed(entry.item.connection, pairs_of(entry.item.channels))
        self._watch()
        self._unnumbered(entry)

    def _watch(self) -> None:
        """The subscriptions have changed.

        A book's snapshot may come before the acknowledgement. So its epoch rises where a book is left, and not where it
        is renewed: a book that was subscribed to once stays watched.
        """
        named = map(self._continuity.by_subscribed_name, self._coverage.pairs())
        pairs = {pair for pair in named if pair[1] is not None}
        books = {pair for pair in pairs if pair[0] in self._continuity.books}
        left, self._books = self._books - books, books
        self._known_books |= books
        for product in {product for _, product in left if product is not None}:
            self._continuity.lost_of(product, (LEVELS,))
        self._continuity.watch(pairs | self._known_books)

    def _observe(self, entry: Entry) -> None:
        """Update the state of the collector of a message, also if the message is a copy."""
        collector, message = entry.collector, entry.item
        collector.up = True  # a recording may begin during a connection
        if self._disconnected:
            self._disconnected = False
            self._interrupted.clear()
            self._beats.clear()
            self._continuity.reconnected()
        if not collector.acknowledged and collector.saw(message, self._venue):
            self._watch()
        product, epoch = message.product_id, message.epoch
        before = collector.epochs.get(product)
        if before is None or epoch > before:
            collector.epochs[product] = epoch
            kinds, count = collector.doubted.pop(product, (frozenset[str](), 0))
            if before is not None:
                alone = epoch == before + count and EPOCH_KINDS[type(message)] in kinds
                self._interrupt_product(collector, product, entry.ns, kinds if alone else _ALL, numbered=not alone)

    def _interrupt_all(self, collector: Collector, ns: int, *, gone: bool) -> None:
        """*collector* may have missed messages of any product."""
        for product in list(self._followed_books):  # before all epochs rise, so that a book's rises once
            self._interrupt_books(collector, product)
        others = self._coverage.receiving_at(collector, ns)
        if others or (gone and any(each.up for each in self._coverage.others(collector))):
            self._interrupt_pairs(uncovered(collector.pairs, others, self._venue), numbered=gone)
        elif gone:
            self._disconnected = True
        else:
            self._interrupted.clear()
            self._continuity.interrupted()

    def _interrupt_product(
        self,
        collector: Collector,
        product: str | None,
        ns: int,
        kinds: frozenset[str] = _ALL,
        *,
        numbered: bool = False,
    ) -> None:
        """*collector* may have missed messages of *product*, of these *kinds*; *numbered*: see `_interrupt_pairs`."""
        pairs = [pair for pair in collector.pairs if pair[1] == product]
        others = self._coverage.receiving_at(collector, ns)
        self._interrupt_pairs(uncovered(pairs, others, self._venue), kinds, numbered=numbered)
        if kinds & {PRODUCT, LEVELS}:
            self._interrupt_books(collector, product)

    def _interrupt_pairs(self, pairs: Iterable[Pair], kinds: frozenset[str] = _ALL, *, numbered: bool) -> None:
        """Messages of *pairs*, and of these *kinds*, may be missing; *numbered*: their numbers are missing, too.

        The number of a frame that could not be decoded counts as received.
        """
        for channel, product in pairs:
            if numbered and shows_losses((channel, product), self._venue, self._continuity):
                continue
            of_pair = kinds_of(self._venue.types_of(channel)) or _ALL
            if PRODUCT in of_pair:
                of_pair = kinds
            elif PRODUCT not in kinds:
                of_pair &= kinds
            self._interrupt(product, of_pair)

    def _interrupt(self, product: str | None, kinds: Iterable[str]) -> None:
        for kind in kinds:
            self._interrupted.setdefault((product, kind), self._epoch(product, kind))

    def _interrupt_books(self, collector: Collector, product: str | None) -> None:
        if product is not None and self._followed_books.get(product) == (collector, True):
            self._followed_books[product] = (collector, False)
            self._interrupt(product, (LEVELS,))

    # ---- numbered messages

    def _numbered(self, stream: Stream, entry: Entry) -> None:
        self._pull(stream, entry.number, entry.item.time)
        self._step(entry)

    def _pull(self, stream: Stream, number: int, time: datetime | None) -> None:
        """Output the messages with lower numbers first."""
        for other in self._numbers.before(stream, number, time):
            self._step(other)

    def _step(self, entry: Entry) -> None:
        if entry.collector.stale and entry.stream is not None and self._stale(entry, entry.stream):
            return
        fresh = self._continuity.step(entry.item)
        if self._continuity.missed:
            self._miss(entry)
        if self._continuity.released:
            self._emit_released(entry)
        new, self._continuity.new = self._continuity.new, None
        if new is not None:
            raw = self._continuity.new_frame(entry.item.raw)
            entry.item = stamp(new, RepairedOrigin(raw, entry.item.received_ns, entry.item.epoch))
        if fresh or new is not None:
            self._emit(entry)

    def _emit_released(self, entry: Entry) -> None:
        """Output the messages that were held until *entry*."""
        released, self._continuity.released = self._continuity.released, []
        for message in released:
            ns = message.received_ns or entry.ns
            self._out.append(MergedItem(ns, self._continuity.epoch_of(message), message))

    def _stale(self, entry: Entry, stream: Stream) -> bool:
        """True if *entry* is from before a restart of the stream at another collector."""
        began, time = entry.collector.stale.get(stream), entry.item.time
        if began is None or time is None:
            return False
        if time < began:
            return True
        del entry.collector.stale[stream]
        return False

    def _last_match(self, entry: Entry) -> None:
        last, collector = entry.item, entry.collector
        stream = (self._venue.trades(last), last.product_id)
        self._pull(stream, last.trade_id + 1, last.time)
        if last.backfilled:
            self._step(entry)
            return
        others = self._coverage.receiving_at(collector, entry.ns)
        if self._continuity.last(*stream) < last.trade_id or not any(
            covers(each, stream, self._venue) for each in others
        ):
            self._step(entry)

    def _heartbeat(self, entry: Entry) -> None:
        beat, product = entry.item, entry.item.product_id
        if not self._copies.first(entry):
            return
        named = self._venue.named(beat)
        before, at = self._beats.get(product, ((), None))
        if named and before and named[0][1] < before[0][1] and not (at is not None and beat.time > at):
            self._emit(entry)  # a late one of another collector: the last ids must not go back
            return
        for channel, number in before:
            self._pull((channel, product), number + 1, beat.time)
        credible = beat.time <= moment(entry.ns // 1000 + _MAX_AHEAD)
        self._beats[product] = (named, beat.time if credible else FIRST)
        self._step(entry)

    # ---- messages without numbers

    def _unnumbered(self, entry: Entry) -> None:
        if self._copies.first(entry):
            self._emit(entry)

    def _snapshot(self, entry: Entry) -> None:
        product, collector = entry.item.product_id, entry.collector
        followed, whole = self._followed_books.get(product, (collector, False))
        if followed is collector or not whole:
            self._followed_books[product] = (collector, True)
            self._emit(entry)

    def _book_moved(self, entry: Entry) -> None:
        product = entry.item.product_id
        followed, _ = self._followed_books.get(product, (entry.collector, False))
        if followed is not entry.collector:
            self._interrupt_books(followed, product)

    def _update(self, entry: Entry) -> None:
        collector = entry.collector
        if self._followed_books.setdefault(entry.item.product_id, (collector, False))[0] is collector:
            self._emit(entry)
