"""A side of a book that changes in place, and its states, against a dict."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import live_side, recorded_states
from rxfeed.core.live_side import LiveSide
from rxfeed.core.sorted_map import SortedMap

PRICES = st.integers(1, 12).map(Decimal)
SIZES = st.integers(0, 3).map(Decimal)
LEVELS = st.lists(st.tuples(PRICES, SIZES), max_size=20)


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    """Short lists of changes, and a heap that is made anew often."""
    patch = pytest.MonkeyPatch()
    patch.setattr(recorded_states, "_CHANGES", 3)
    patch.setattr(live_side, "_GONE", 2)
    yield
    patch.undo()


@given(LEVELS, st.lists(st.tuples(PRICES, SIZES, st.booleans()), max_size=60), st.booleans(), st.randoms())
def test_states_are_those_of_a_dict(begin: object, steps: object, highest: bool, order: object) -> None:
    levels: list[tuple[Decimal, Decimal]] = begin  # type: ignore[assignment]
    side, model = LiveSide(levels, highest=highest), {price: size for price, size in dict(levels).items() if size}
    kept = [(side.recorded.state, dict(model))]
    for price, size, is_read in steps:  # type: ignore[attr-defined]
        assert side.put(price, size) == (model.get(price, Decimal(0)) != size)
        if size:
            model[price] = size
        else:
            model.pop(price, None)
        best = (max if highest else min)(model, default=None)
        assert side.best == (None if best is None else (best, model[best]))
        assert side.get(price) == size
        state = side.recorded.state
        kept.append((state, dict(model)))
        if is_read:
            assert list(state.form) == sorted(model.items())
    order.shuffle(kept)  # type: ignore[attr-defined]
    for kept_state, then in kept:
        state = kept_state.form
        assert state == SortedMap.of(then.items())
        assert list(reversed(state)) == sorted(then.items(), reverse=True)
        assert (len(state), bool(state)) == (len(then), bool(then))
        assert all(state.get(Decimal(price)) == then.get(Decimal(price)) for price in range(14))
        assert pickle.loads(pickle.dumps(kept_state)) == kept_state


def test_price_is_shown_as_it_was_written_first() -> None:
    side = LiveSide([(Decimal("9.0"), Decimal(1)), (Decimal("9.00"), Decimal(2))], highest=True)
    assert str(side.best) == "(Decimal('9.0'), Decimal('2'))"
    side.put(Decimal("9.000"), Decimal(3))
    assert repr(side.recorded.state) == repr(SortedMap.of([(Decimal("9.0"), Decimal(3))]))


def test_states_are_read_by_any_thread_while_the_side_changes() -> None:
    side, kept = LiveSide(highest=False), []
    with ThreadPoolExecutor(4) as pool:
        for number in range(1, 400):
            side.put(Decimal(number % 37 + 1), Decimal(number % 5))
            kept.append((pool.submit(_items, side.recorded.state), side.recorded.state))
        for read, state in kept:
            assert read.result() == _items(state)


def _items(state: Any) -> list[Any]:
    return list(state.form)
