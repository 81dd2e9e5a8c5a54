"""Whether an item of a `Merge` is final before its patience is over, for merging without a delay.

An item is final if no other one can be due before it, and if it shows no loss that another collector may make good:
- A numbered message is, if all lower numbers are output or waiting. So is a heartbeat that names such a number. The
  first number of a product is, when all other connected collectors have received a later item.
- A message with a higher epoch than the collector's last one of its product (also if it was output before a later
  number), the end of a connection, and a malformed frame are, when all other connected collectors have received a later
  item.
- Anything else is final at once.
"""

from __future__ import annotations

from rxfeed.core.coverage import CollectorCoverage
from rxfeed.core.gaps import GapDetector
from rxfeed.core.merge_items import ConnectionChange
from rxfeed.core.merge_order import Entry, Numbered
from rxfeed.core.merge_rules import MergeRules, Stream
from rxfeed.market import Heartbeat, Malformed, Message, PriorTrade


class Finality:
    """Decides about the oldest waiting entry; its parts are those of the `Merge`."""

    def __init__(
        self, rules: MergeRules, coverage: CollectorCoverage, continuity: GapDetector, numbers: Numbered
    ) -> None:
        self._rules = rules
        self._coverage = coverage
        self._continuity = continuity
        self._numbers = numbers

    def holds(self, entry: Entry) -> bool:
        """True if *entry* is final."""
        item = entry.item
        if isinstance(item, ConnectionChange | Malformed):
            return (isinstance(item, ConnectionChange) and item.up) or self._heard(entry)
        if not isinstance(item, Message):
            return True
        known = entry.collector.epochs.get(item.product_id)
        if known is not None and item.epoch > known and not self._heard(entry):
            return False
        if entry.done:  # it was output before a later number
            return True
        if entry.stream is not None:
            return self._continues(entry, entry.stream, entry.number)
        product = item.product_id
        if isinstance(item, PriorTrade) and product is not None:
            return self._continues(entry, (self._rules.trades(item), product), item.trade_id)
        if isinstance(item, Heartbeat) and product is not None:
            return all(self._follows((channel, product), number + 1) for channel, number in self._rules.named(item))
        return True

    def _continues(self, entry: Entry, stream: Stream, number: int) -> bool:
        return self._follows(stream, number) and (self._continuity.last(*stream) >= 0 or self._heard(entry))

    def _follows(self, stream: Stream, number: int) -> bool:
        last = self._continuity.last(*stream)
        return last < 0 or number <= last + 1 or self._numbers.has_all(stream, last + 1, number)

    def _heard(self, entry: Entry) -> bool:
        return all(each.last_ns > entry.ns for each in self._coverage.others(entry.collector) if each.up)
