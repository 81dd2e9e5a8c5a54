"""Multicast: subscribers are isolated, the end is given to all, and the newest item to late subscribers."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from rxfeed.operators import Multicast
from tests.support.collect import Collected


def test_observers_get_items_until_they_leave() -> None:
    source: Multicast[int] = Multicast()
    first = Collected(source)
    source.emit(1)
    second = Collected(source)
    source.emit(2)
    first.subscription.dispose()
    source.emit(3)
    source.end()
    assert (first.items, second.items) == ([1, 2], [2, 3])
    assert (first.completed, second.completed) == (False, True)
    assert source.observers == ()


def test_subscriber_that_raises_leaves_alone(caplog: pytest.LogCaptureFixture) -> None:
    source: Multicast[int] = Multicast()
    errors: list[Exception] = []
    before = Collected(source)

    def inverse(item: int) -> None:
        _ = 1 // item

    source.subscribe(inverse, errors.append)
    source.subscribe(inverse)
    after = Collected(source)
    for item in (1, 0, 2):
        source.emit(item)
    assert before.items == after.items == [1, 0, 2]
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 1
    assert len(source.observers) == 2


@pytest.mark.parametrize("cause", [None, ValueError("x")])
def test_late_subscriber_ends_at_once(cause: Exception | None) -> None:
    source: Multicast[int] = Multicast()
    source.end(cause)
    source.end(KeyError())
    late = Collected(source)
    assert (late.completed, late.error) == (cause is None, cause)


def test_late_subscriber_waits_after_the_end_of_current_ones() -> None:
    source: Multicast[int] = Multicast()
    first = Collected(source)
    source.end_current()
    second = Collected(source)
    source.emit(1)
    assert (first.completed, first.items) == (True, [])
    assert (second.completed, second.items) == (False, [1])


@pytest.mark.parametrize(
    ("source", "items"), [(Multicast[int](0), [2, 3]), (Multicast[int](latest=True), [2, 3]), (Multicast[int](), [3])]
)
def test_newest_item_is_emitted_to_late_subscribers(source: Multicast[int], items: list[int]) -> None:
    source.emit(1)
    source.emit(2)
    late = Collected(source)
    source.emit(3)
    assert late.items == items


def test_exit_of_a_subscriber_is_raised_after_all_have_ended() -> None:
    source: Multicast[Any] = Multicast()

    def leave() -> None:
        raise SystemExit(3)

    source.subscribe(on_completed=leave)
    after = Collected(source)
    with pytest.raises(SystemExit):
        source.end()
    assert after.completed
