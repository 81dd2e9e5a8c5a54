"""Collects the numbers and times of a file's messages in its `FileRecord`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rxfeed.audit.records import FileRecord, GapRecord, Named, NumberRun, Pair, PairRecord, SpanCount
from rxfeed.venues import FrameLine, NumberGroup

_MOST_PAIRS = 100_000


class NumberCollector:
    """Fills *record*."""

    def __init__(self, record: FileRecord) -> None:
        self.record = record
        self._pairs: dict[Pair, PairRecord] = {}
        self._counts: dict[tuple[str, str | None, int], SpanCount] = {}
        self._gaps: dict[Pair, Named] = {}  # the last number of the last gap

    def seen(self, first_ns: int, last_ns: int) -> None:
        """Lines of these times were read."""
        record = self.record
        record.first_ns = min(record.first_ns or first_ns, first_ns)
        record.last_ns = max(record.last_ns, last_ns)

    def group(self, group: NumberGroup, product: str | None, lines: Sequence[FrameLine], line: int) -> None:
        """Add *group*, which is of *product*; it is among *lines*, of which the first has the number *line*."""
        pair = self._pair(group.channel, product)
        numbers = group.numbers
        if not numbers:
            self._count(pair, group.lines)
            return
        if not group.counted:
            self._named(pair, group, lines, line)
            return
        self._count(pair, group.lines)
        begin = 0
        for end in _ends(numbers):
            first = group.lines[begin]
            run = pair.runs[-1] if pair.runs else None
            if run is not None and run.last + 1 == numbers[begin]:
                run.last, run.last_ns = numbers[end - 1], group.lines[end - 1].ns
            else:
                at = line + next(place for place, each in enumerate(lines) if each is first)
                pair.runs.append(NumberRun(numbers[begin], numbers[end - 1], first.ns, group.lines[end - 1].ns, at))
            begin = end

    def number(self, channel: str, product: str | None, number: int, ns: int, line: int, *, repaired: bool) -> None:
        """Add one message with a *number*."""
        pair = self._pair(channel, product)
        runs = pair.repairs if repaired else pair.runs
        if runs and runs[-1].last + 1 == number:
            runs[-1].last, runs[-1].last_ns = number, ns
        else:
            runs.append(NumberRun(number, number, ns, ns, line))
        count = self._count_at(pair, ns)
        count.messages += 1
        count.repaired += repaired

    def message(self, channel: str, product: str | None, ns: int) -> None:
        """Add a message without a number."""
        self._count_at(self._pair(channel, product), ns).messages += 1

    def name(self, channel: str, product: str | None, number: int, ns: int, line: int, *, before: bool = False) -> None:
        """A message names *number* as the last one; *before*: that before the subscription."""
        pair = self._pair(channel, product)
        named = pair.newest = Named(number, ns, line)
        if before and not pair.runs:
            _began(pair, named)
        if number > _highest(pair):
            pair.named.append(named)

    def reset(self, channel: str, product: str | None, line: int) -> None:
        self._pair(channel, product).resets.append(line)

    def gap(self, gap: GapRecord, line: int) -> None:
        """Add *gap*, which was reported on *line*: the feed has received the number before it, if no file has."""
        self.record.gaps.append(gap)
        self._gaps[gap.channel, gap.product] = Named(gap.last, gap.ns, line)
        if gap.product is not None and not (pair := self._pair(gap.channel, gap.product)).runs:
            pair.before = pair.before or Named(gap.first - 1, gap.ns, line)

    def finish(self) -> FileRecord:
        for key, gap in self._gaps.items():
            self._end(key, gap)
        for pair in self._pairs.values():
            _forget(pair)
            pair.counts.sort(key=lambda count: count.ns)
        self.record.pairs = list(self._pairs.values())
        return self.record

    # ---- inside

    def _pair(self, channel: str, product: str | None) -> PairRecord:
        key = channel, product
        pair = self._pairs.get(key)
        if pair is None:
            if len(self._pairs) >= _MOST_PAIRS:
                key = channel, None
                if key in self._pairs:
                    return self._pairs[key]
            pair = self._pairs[key] = PairRecord(*key)
        return pair

    def _end(self, key: Pair, gap: Named) -> None:
        """Add the end of the last *gap* if nothing after it came: a feed may be closed before the message behind it."""
        pair = self._pairs.get(key)
        if pair is None or not pair.runs or any(line >= gap.line for line in pair.resets):
            return
        if gap.number > max(pair.runs[-1].last, _highest(pair)):
            pair.named.append(gap)

    def _named(self, pair: PairRecord, group: NumberGroup, lines: Sequence[FrameLine], line: int) -> None:
        if group.before and not pair.runs:
            each = group.lines[0]
            at = line + next(place for place, other in enumerate(lines) if other is each)
            _began(pair, Named(group.numbers[0], each.ns, at))
        pair.newest = Named(group.numbers[-1], group.lines[-1].ns, line)
        highest = _highest(pair)
        if max(group.numbers) <= highest:
            return
        for number, each in zip(group.numbers, group.lines, strict=True):
            if number > highest:
                highest = number
                at = line + next(place for place, other in enumerate(lines) if other is each)
                pair.named.append(Named(number, each.ns, at))
        if len(pair.named) > 1000:
            _forget(pair)

    def _count(self, pair: PairRecord, lines: Sequence[FrameLine]) -> None:
        every = self.record.every
        if lines[0].ns // every == lines[-1].ns // every:
            self._count_at(pair, lines[0].ns).messages += len(lines)
        else:
            for each in lines:
                self._count_at(pair, each.ns).messages += 1

    def _count_at(self, pair: PairRecord, ns: int) -> SpanCount:
        span = ns // self.record.every * self.record.every
        key = pair.channel, pair.product, span
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = SpanCount(span)
            pair.counts.append(count)
        return count


def _ends(numbers: Sequence[int]) -> Iterable[int]:
    """Where runs of consecutive *numbers* end."""
    first, many = numbers[0], len(numbers)
    if numbers[-1] - first + 1 == many and list(numbers) == list(range(first, first + many)):
        return (many,)
    breaks = [at for at in range(1, many) if numbers[at] != numbers[at - 1] + 1]
    return (*breaks, many)


def _began(pair: PairRecord, named: Named) -> None:
    """*named* is from before a subscription: that counts if it is the first one, or of the same frame."""
    known = pair.before
    if known is None or (named.ns == known.ns and named.number > known.number):
        pair.before = named


def _highest(pair: PairRecord) -> int:
    """The highest number that was named since the numbers began anew; -1 if there is none."""
    last = pair.named[-1] if pair.named else None
    return -1 if last is None or (pair.resets and pair.resets[-1] >= last.line) else last.number


def _forget(pair: PairRecord) -> None:
    """Forget which numbers were named, except those that have not come, and the highest one."""
    restart = pair.resets[-1] if pair.resets else 0
    if not pair.runs:
        pair.named = pair.named[-1:]
        return
    highest = pair.runs[-1].last
    came = [run for run in pair.runs[-100:] if run.line >= restart]
    pair.named = [
        each
        for each in pair.named
        if each.line < restart or each.number > highest or not any(r.first <= each.number <= r.last for r in came)
    ]
