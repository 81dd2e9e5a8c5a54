"""Sequences of numbers against a slow model that keeps every line, and against streams that are known to be true."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import Missed, Restarted, RisingSequence
from rxfeed.core.history import KEPT
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
    released: list[Any] = field(default_factory=list)
    limit: Any = LAST

    def report(self, found: Missed | Restarted) -> None:
        if isinstance(found, Missed):
            self.missed.append((found.first, found.last))
        else:
            self.restarted.append((found.last, found.first))

    def gap(self, missed: Items[Missed]) -> None:
        for each in missed:
            self.report(each)
        self.lost(None)

    def lost(self, product_id: str | None) -> None:
        self.epoch += 1

    def release(self, messages: Items[Any]) -> None:
        self.released += messages


def taken(items: list[Numbered], kind: Any = Sequence) -> tuple[list[Numbered], Recorded]:
    """What is delivered of *items*, in order, and what is reported."""
    found = Recorded()
    sequence = kind("BTC-USD", "matches", found)
    delivered: list[Numbered] = []
    for item in items:
        if sequence.take(item[0], at(item[1])):
            delivered += [*found.released, item]
            found.released.clear()
        else:
            sequence.hold(item)
            assert not found.released
    return delivered, found


# ---- the rules, with everything kept


@dataclass
class Slow:
    """Keeps all lines, and all that was delivered."""

    lines: list[list[Numbered]] = field(default_factory=list)
    before: int = -1
    anew: float = -1.0
    held: list[Numbered] = field(default_factory=list)
    delivered: list[Numbered] = field(default_factory=list)
    found: Recorded = field(default_factory=Recorded)

    def take(self, item: Numbered) -> None:
        number, time = item
        last, newest = self.lines[-1][-1] if self.lines else (-1, -1.0)
        if item in self.delivered and (number != last + 1 or not self.lines):
            return
        if self.lines and number <= last:
            if item not in self.held:
                self.hold(item, time > newest)
        elif self.lines and number > last + 1 and time < self.anew:
            if item not in self.held:
                self.hold(item, False)
        elif self.lines and len(self.lines[-1]) < 3 and self.held and number == self.held[-1][0] + 1:
            self.hold(item, False)
        else:
            self.held = []
            self.follow(item)

    def hold(self, item: Numbered, newer: bool) -> None:
        if self.held and item[0] <= self.held[-1][0]:
            self.held = []
        self.held.append(item)
        if not newer and len(self.held) < 3:
            return
        run, self.held = self.held, []
        if run[0][0] <= self.lines[-1][-1][0]:
            self.restart(run[0])
        else:
            self.anew = -1.0
            self.gap(run[0])
        for each in run[1:]:
            self.gap(each)

    @property
    def unproven(self) -> bool:
        return self.before >= 0 and len(self.lines[-1]) < 3

    def follow(self, item: Numbered) -> None:
        last = self.lines[-1][-1][0] if self.lines else -1
        below = self.lines and last < self.before and item[0] > last + 1
        if below and (item[0] == self.before + 1 or (self.unproven and self.before < item[0])):
            self.restart(item)
        else:
            self.gap(item)

    def gap(self, item: Numbered) -> None:
        """*item* follows the line, after a gap or not."""
        self.delivered.append(item)
        if not self.lines:
            self.lines.append([item])
        elif item[0] == self.lines[-1][-1][0] + 1:
            self.lines[-1].append(item)
        else:
            last = self.lines[-1][-1][0]
            self.found.missed.append((last + 1, item[0] - 1))
            self.found.epoch += 1
            if not self.unproven:
                self.before = last
            self.lines.append([item])

    def restart(self, item: Numbered) -> None:
        number, last = item[0], self.lines[-1][-1][0]
        self.delivered.append(item)
        self.found.restarted.append((last, number))
        doubted = self.unproven or number == self.before + 1
        if doubted and last < self.before < number - 1:
            self.found.missed.append((self.before + 1, number - 1))
        self.found.epoch += 1
        self.anew = item[1]
        if not doubted or self.before < number:
            self.before = last
        self.lines.append([item])


def modelled(items: list[Numbered]) -> tuple[list[Numbered], Recorded]:
    slow = Slow()
    for item in items:
        slow.take(item)
    return slow.delivered, slow.found


NUMBERS = st.integers(0, 12) | st.sampled_from([100, 101, 102, 103, 10**15])


@given(st.lists(st.tuples(NUMBERS, st.integers(0, 30)), max_size=40))
def test_sequence_equals_a_slow_model_for_any_numbers(items: list[Numbered]) -> None:
    assert taken(items) == modelled(items)


@given(st.lists(st.tuples(st.sampled_from([1] * 8 + [2, 3, -1, -5, 500]), st.sampled_from([1, 1, 0, -2])), max_size=60))
def test_sequence_equals_a_slow_model_for_likely_numbers(steps: list[tuple[int, int]]) -> None:
    number, time, items = 100, 100.0, list[Numbered]()
    for on, later in steps:
        number, time = max(0, number + on), max(0.0, time + later)
        items.append((number, time))
    assert taken(items) == modelled(items)


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


BOTH = pytest.mark.parametrize("kind", [Sequence, RisingSequence])


def rising(count: int, start: int = 1000) -> list[Numbered]:
    return [(start + n, float(1000 + n)) for n in range(count)]


@BOTH
@given(
    st.integers(0, 59), st.sampled_from([None, 0, 3, 10**6, 10**15]) | st.integers(900, 1100), st.integers(900, 2000)
)
def test_one_wrong_number_and_time_loses_nothing_else(kind: Any, place: int, number: int | None, time: int) -> None:
    """The time is credible, and may be higher than those of all messages that follow."""
    sent = rising(60)
    wrong = (sent[place][0] if number is None else number, time + 0.5)
    sent[place] = wrong
    delivered, found = taken(sent, kind)
    assert len(delivered) == len(set(delivered))
    lost = [each for each in sent if each not in delivered and each != wrong]
    assert len(lost) <= 2
    if kind is Sequence or wrong[0] > 1062:  # tickers up to it may be superseded by the next one
        ended = place >= 57 and lost == sent[place + 1 :]  # no three follow
        reported = bool(found.missed or found.restarted) and bool(found.epoch)
        assert reported or ended or not lost


@BOTH
@given(st.integers(3, 40), st.integers(41, 60) | st.integers(441, 3000), st.integers(-1000, 1000))
def test_numbers_and_clock_that_go_back_begin_anew(kind: Any, count: int, back: int, clock: int) -> None:
    """The times of the same numbers differ, so the numbers did not come before."""
    before = rising(400, 5000)
    after = [(5400 - back + n, float(1400 - back + n + clock) + 0.5) for n in range(count)]
    delivered, found = taken([*before, *after], kind)
    assert delivered == [*before, *after]
    assert len(found.restarted) == 1
    assert found.epoch == 1


@given(st.integers(61, 440), st.integers(-1000, 1000))
def test_restart_within_the_times_of_an_earlier_run_names_what_was_dropped(back: int, clock: int) -> None:
    """Numbers that go back beyond what is kept exactly, with times of then, look like repeats until they reach it."""
    before = rising(400, 5000)
    after = [(5400 - back + n, float(1400 - back + n + clock) + 0.5) for n in range(back)]
    delivered, found = taken([*before, *after])
    expected, slow = modelled([*before, *after])
    dropped = [each for each in expected if each not in delivered]
    assert [each for each in expected if each not in dropped] == delivered
    assert [each for each, _ in dropped] == [each for first, last in found.missed for each in range(first, last + 1)]
    assert found.restarted == slow.restarted
    assert len(dropped) <= max(0, back - KEPT)


@BOTH
@given(st.lists(st.tuples(st.integers(1, 900), st.integers(1, 900)), max_size=6), st.integers(0, 3))
def test_repeats_of_any_part_deliver_nothing_twice(kind: Any, parts: list[tuple[int, int]], loss: int) -> None:
    """Parts may lie before what is kept exactly, and have gaps in them."""
    stream = [each for each in rising(900) if not loss or each[0] % 100 >= loss]
    sent = list(stream)
    for first, count in parts:
        sent += stream[first : first + count]
        sent.append((sent[len(stream) - 1][0] + 1 + parts.index((first, count)), 5000.0 + parts.index((first, count))))
    delivered, found = taken(sent, kind)
    assert delivered == list(dict.fromkeys(sent))
    assert not found.restarted
    assert len(stream) > KEPT
