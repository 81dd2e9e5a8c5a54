"""What several collectors received of one exchange, merged into one stream: each message once.

Rules:
- The order is that of receipt. A message that only a later number showed to be missing, and that another collector
  brings within `patience` seconds of receipt, goes before that number: nothing else is moved.
- What is numbered (`matches` by trade id; `full`, `level3` and `ticker` by sequence; heartbeats by time) is one copy's
  by its number. Anything else is a copy where another collector brought the same bytes within `patience` seconds.
- Once a numbered stream began anew in what one collector brings, what others bring of it from before goes.
- A `last_match` tells of a trade before its connection: where another collector covers the trades and has brought that
  one, it tells nothing, and goes.
- Level2 has no number, and a book is right only if its snapshot and all its updates come from one connection: it is one
  collector's at a time. Once that one may have missed something (its epoch rises) or is gone, the next snapshot of
  the product decides whose it is then.
- The epochs are made anew. One rises where numbers are missing that nobody brought; where a collector may have missed
  something of a channel that no other one was receiving then; and where the level2 book that is followed is torn.
- Collectors' clocks may differ, and a message may take longer to one of them than to another: *patience* has to be more
  than that. What is later than it is dropped, and said to be missing if it was numbered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime

from rxfeed.core.by_type import ByType
from rxfeed.core.coverage import Collector, Coverage, covers, uncovered
from rxfeed.core.event_time import MAX_AHEAD
from rxfeed.core.gaps import Resubscribed
from rxfeed.core.merge_items import Heard, Link, Merged, Remark
from rxfeed.core.merge_order import Copies, Entry, Numbered
from rxfeed.core.merge_rules import MergeRules, Stream
from rxfeed.core.sequence import Restarted
from rxfeed.core.watched import FIRST, moment, positive_microseconds
from rxfeed.market import BookSnapshot, BookUpdate, Heartbeat, Malformed, Message, PriorTrade, Subscriptions

_MAX_AHEAD = int(MAX_AHEAD * 1_000_000)


class Merge:
    """Steps what collectors received, in the order of receipt, and gives what they received together, each once.

    It looks *patience* seconds ahead, and holds the messages of so many seconds. O(log n) a message for n of those.
    """

    def __init__(self, rules: MergeRules, patience: float = 5.0) -> None:
        self._venue = rules
        self._patience = positive_microseconds("patience", patience) * 1000
        self._coverage = Coverage()
        self._continuity = rules.gaps()
        self._numbers = Numbered(rules)
        self._copies = Copies(self._patience)
        self._queue: deque[Entry] = deque()
        self._newest = 0
        self._torn: dict[str | None, int] = {}  # the epochs that are to rise, as they are
        self._cut = False  # nobody is connected
        self._named: dict[
            str, tuple[tuple[tuple[str, int], ...], datetime | None]
        ] = {}  # by the last heartbeat: numbers, time
        self._followed: dict[str, tuple[Collector, bool]] = {}  # whose level2, and whether it is whole
        self._out: list[Merged] = []
        self._rules: ByType[Callable[[Entry], None] | None] = ByType(
            {
                object: None,
                Link: self._link,
                Remark: self._remark,
                Malformed: self._malformed,
                Subscriptions: self._subscriptions,
                PriorTrade: self._last_match,
                Heartbeat: self._heartbeat,
                BookSnapshot: self._snapshot,
                BookUpdate: self._update,
            }
        )

    def step(self, heard: Heard) -> list[Merged]:
        """What is certain now that *heard* has been read."""
        collector = self._coverage.collector(heard.collector)
        collector.heard_ns = max(collector.heard_ns, heard.ns)
        entry = Entry(collector, heard.ns, heard.item)
        if isinstance(heard.item, Message):
            self._numbers.add(entry)
        self._queue.append(entry)
        self._newest = max(self._newest, heard.ns)
        return self._release(self._newest - self._patience)

    def finish(self) -> list[Merged]:
        return self._release(self._newest)

    def _release(self, until: int) -> list[Merged]:
        queue = self._queue
        while queue and queue[0].ns <= until:
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
                    self._nameless(entry)
                else:
                    self._numbered(entry.stream, entry)
            if entry.stream is not None:
                self._numbers.sweep(entry.stream)
        out, self._out = self._out, []
        return out

    def _emit(self, entry: Entry) -> None:
        item, product = entry.item, entry.item.product_id
        if self._torn:
            epoch = self._torn.pop(product, None)
            if epoch == self._continuity.epoch(product):
                self._continuity.lost(product)
        self._out.append(Merged(entry.ns, self._continuity.epoch(product), item))

    def _miss(self, entry: Entry) -> None:
        found, self._continuity.missed = self._continuity.missed, []
        for each in found:
            if isinstance(each, Resubscribed):
                continue
            self._out.append(Merged(entry.ns, 0, each))
            if isinstance(each, Restarted) and each.first < each.last and each.product_id is not None:
                self._named.pop(each.product_id, None)
                if entry.item.time is not None:
                    for other in self._coverage.others(entry.collector):
                        other.stale[each.channel, each.product_id] = entry.item.time

    # ---- who receives what

    def _link(self, entry: Entry) -> None:
        collector, link = entry.collector, entry.item
        before = self._coverage.connected()
        if collector.up:
            self._tear_all(collector, entry.ns, gone=True)
        collector.renewed()
        collector.up, collector.over = link.up, link.over
        if link.over and self._coverage.settled():
            self._continuity.watch(self._watched())
        if link.said is not None and before != self._coverage.connected():
            self._out.append(Merged(entry.ns, 0, link.said))

    def _remark(self, entry: Entry) -> None:
        remark, collector = entry.item, entry.collector
        pair = remark.pair
        if pair is not None:
            if remark.silent:
                collector.silent.add(pair)
            else:
                collector.silent.discard(pair)
            if any(covers(other, pair, self._venue) for other in self._coverage.at_work(collector, entry.ns)):
                return
        if remark.said is not None and not (remark.alone and self._coverage.connected()):
            self._out.append(Merged(entry.ns, 0, remark.said))

    def _malformed(self, entry: Entry) -> None:
        collector, product = entry.collector, entry.item.product_id
        if product is None:
            self._tear_all(collector, entry.ns, gone=False)
            collector.epochs.clear()
        else:
            self._tear_product(collector, product, entry.ns)
        if self._copies.first(entry):
            self._out.append(Merged(entry.ns, 0, entry.item))

    def _subscriptions(self, entry: Entry) -> None:
        entry.collector.subscribed(entry.item)
        self._continuity.watch(self._watched())
        self._nameless(entry)

    def _watched(self) -> list[tuple[str, str]]:
        return [(channel, product) for channel, product in self._coverage.pairs() if product is not None]

    def _observe(self, entry: Entry) -> None:
        """What a message tells of its collector, whether it is a copy or not."""
        collector, message = entry.collector, entry.item
        collector.up = True  # a recording may begin in the midst of a connection
        if self._cut:
            self._cut = False
            self._torn.clear()
            self._named.clear()
            self._continuity.reconnected()
        if collector.acked is None and collector.saw(message, self._venue):
            self._continuity.watch(self._watched())
        product, epoch = message.product_id, message.epoch
        before = collector.epochs.get(product)
        if before != epoch:
            collector.epochs[product] = epoch
            if before is not None:
                self._tear_product(collector, product, entry.ns)

    def _tear_all(self, collector: Collector, ns: int, *, gone: bool) -> None:
        """*collector* may have missed anything."""
        others = self._coverage.at_work(collector, ns)
        if others:
            self._tear(uncovered(collector.pairs, others, self._venue))
        elif gone:
            self._cut = True
        else:
            self._torn.clear()
            self._continuity.interrupted()
        for product in list(self._followed):
            self._tear_books(collector, product)

    def _tear_product(self, collector: Collector, product: str | None, ns: int) -> None:
        """*collector* may have missed something of *product*."""
        pairs = [pair for pair in collector.pairs if pair[1] == product]
        self._tear(uncovered(pairs, self._coverage.at_work(collector, ns), self._venue))
        self._tear_books(collector, product)

    def _tear(self, products: Iterable[str | None]) -> None:
        for product in products:
            self._torn.setdefault(product, self._continuity.epoch(product))

    def _tear_books(self, collector: Collector, product: str | None) -> None:
        if product is not None and self._followed.get(product) == (collector, True):
            self._followed[product] = (collector, False)
            self._tear([product])

    # ---- what is numbered

    def _numbered(self, stream: Stream, entry: Entry) -> None:
        self._pull(stream, entry.number, entry.item.time)
        self._step(entry)

    def _pull(self, stream: Stream, number: int, time: datetime | None) -> None:
        """Let what has a lower number go first."""
        for other in self._numbers.before(stream, number, time):
            self._step(other)

    def _step(self, entry: Entry) -> None:
        if entry.collector.stale and entry.stream is not None and self._stale(entry, entry.stream):
            return
        fresh = self._continuity.step(entry.item)
        if self._continuity.missed:
            self._miss(entry)
        if fresh:
            self._emit(entry)

    def _stale(self, entry: Entry, stream: Stream) -> bool:
        """Whether *entry* is from before another collector saw the stream begin anew."""
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
        others = self._coverage.at_work(collector, entry.ns)
        if self._continuity.last(*stream) < last.trade_id or not any(
            covers(each, stream, self._venue) for each in others
        ):
            self._step(entry)

    def _heartbeat(self, entry: Entry) -> None:
        beat, product = entry.item, entry.item.product_id
        if not self._copies.first(entry):
            return
        named = self._venue.named(beat)
        before, at = self._named.get(product, ((), None))
        if named and before and named[0][1] < before[0][1] and not (at is not None and beat.time > at):
            self._emit(entry)  # another collector's, and late: it must not go back to what it named
            return
        for channel, number in before:
            self._pull((channel, product), number + 1, beat.time)
        credible = beat.time <= moment(entry.ns // 1000 + _MAX_AHEAD)
        self._named[product] = (named, beat.time if credible else FIRST)
        self._step(entry)

    # ---- what is not

    def _nameless(self, entry: Entry) -> None:
        if self._copies.first(entry):
            self._emit(entry)

    def _snapshot(self, entry: Entry) -> None:
        product, collector = entry.item.product_id, entry.collector
        followed, whole = self._followed.get(product, (collector, False))
        if followed is collector or not whole:
            self._followed[product] = (collector, True)
            self._emit(entry)

    def _update(self, entry: Entry) -> None:
        collector = entry.collector
        if self._followed.setdefault(entry.item.product_id, (collector, False))[0] is collector:
            self._emit(entry)
