"""Sequences of numbers against a slow model that keeps every line, and against streams that are known to be true."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import Missed, Restarted
from rxfeed.core.sequence import Sequence
from rxfeed.market import LAST
from tests.support.make import at

Numbered = tuple[int, float]


@dataclass
class Recorded:
    """What a sequence reports: ranges of missing numbers, restarts, and how often the epoch rose."""

    missed: list[tuple[int, int]] = field(default_factory=list)
    restarted: list[tuple[int, int]] = field(default_factory=list)
    epoch: int = 0
    limit: Any = LAST

    def report(self, found: Missed | Restarted) -> None:
        if isinstance(found, Missed):
            self.missed.append((found.first, found.last))
        else:
            self.restarted.append((found.last, found.first))

    def lost(self, product_id: str | None) -> None:
        self.epoch += 1


def taken(items: list[Numbered]) -> tuple[list[Numbered], Recorded]:
    found = Recorded()
    sequence = Sequence("BTC-USD", "matches", found)
    return [each for each in items if sequence.take(each[0], at(each[1]))], found


# ---- the rules, with all lines kept


@dataclass
class Slow:
    lines: list[list[Numbered]] = field(default_factory=list)
    before: list[Numbered] | None = None
    anew: float = -1.0
    found: Recorded = field(default_factory=Recorded)

    def take(self, number: int, time: float) -> bool:
        if not self.lines:
            self.lines.append([(number, time)])
            return True
        line = self.lines[-1]
        last, newest = line[-1]
        before = self.before[-1][0] if self.before is not None else -1
        doubted = before >= 0 and len(line) < 3
        if number == last + 1:
            line.append((number, time))
            return True
        if number <= last:
            if time <= newest:
                return False
            self.found.restarted.append((last, number))
            self.found.epoch += 1
            self.anew = time
            self.switch(number, time, returning=not doubted or before < number)
            return True
        if time < self.anew:
            return False
        if doubted and last < before < number:
            self.found.restarted.append((last, number))
            self.miss(before + 1, number - 1)
            self.found.epoch += 1
            self.anew = time
            self.switch(number, time, returning=True)
            return True
        if self.miss(last + 1, number - 1):
            self.found.epoch += 1
        self.switch(number, time, returning=not doubted)
        return True

    def switch(self, number: int, time: float, *, returning: bool) -> None:
        if returning:
            self.before = self.lines[-1]
        self.lines.append([(number, time)])

    def miss(self, first: int, last: int) -> bool:
        if first <= last:
            self.found.missed.append((first, last))
        return first <= last


NUMBERS = st.integers(0, 12) | st.sampled_from([100, 101, 102, 103, 10**15])


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 30)), max_size=40))
def test_sequence_equals_a_slow_model_for_any_numbers(items: list[Numbered]) -> None:
    slow = Slow()
    assert taken(items) == ([each for each in items if slow.take(*each)], slow.found)


@given(st.lists(st.tuples(st.sampled_from([1] * 8 + [2, 3, -1, -5, 500]), st.sampled_from([1, 1, 0, -2])), max_size=60))
def test_sequence_equals_a_slow_model_for_likely_numbers(steps: list[tuple[int, int]]) -> None:
    number, time, items = 100, 100.0, list[Numbered]()
    for on, later in steps:
        number, time = max(0, number + on), max(0.0, time + later)
        items.append((number, time))
    slow = Slow()
    assert taken(items) == ([each for each in items if slow.take(*each)], slow.found)


# ---- true streams: times rise with the numbers, and copies have the time of what they copy


@st.composite
def streams(draw: Any, wrong: bool = False) -> tuple[list[Numbered], list[Numbered], int | None]:
    """A true stream with losses and restarts; the same with copies, and with one wrong number: (true, sent, place).

    The numbers do not meet: a copy from before a restart that continues what came after it looks like the next one.
    """
    number, begun, true = 100_500, 100_000, list[Numbered]()
    for time, event in enumerate(draw(st.lists(st.sampled_from(["next"] * 6 + ["loss", "anew"]), max_size=40))):
        begun -= 1000 * (event == "anew")
        number = {"next": number + 1, "loss": number + 3, "anew": begun}[event]
        true.append((number, float(time)))
    sent, place = list(true), None
    if wrong and sent:
        place = draw(st.integers(0, len(sent) - 1))
        sent[place] = (draw(st.sampled_from([0, 10**6, 10**15])), sent[place][1])
    for at_, back in draw(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 20)), max_size=10)):
        if sent:
            at_ = min(at_, len(sent) - 1)
            sent.insert(at_ + 1, sent[max(0, at_ - back)])
    return true, sent, place


@given(streams())
def test_no_copy_is_delivered_twice_and_nothing_is_lost(made: tuple[list[Numbered], list[Numbered], Any]) -> None:
    true, sent, _ = made
    assert taken(sent)[0] == true


@given(streams(wrong=True))
def test_one_wrong_number_loses_nothing(made: tuple[list[Numbered], list[Numbered], Any]) -> None:
    _, sent, _ = made
    delivered, found = taken(sent)
    assert delivered == list(dict.fromkeys(sent))
    switched = sum(after[0] != before[0] + 1 for before, after in pairwise(delivered))
    assert found.epoch == switched
