"""The orders of a level 3 book, which change in place, and the states of its views, against a list of orders."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import recorded_states, sorted_map
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.core.resting_orders import RestingOrder
from rxfeed.market import Message
from tests.core.level3_steps import BTC, done, matched, modified, opened, received, taken

PRICES = st.sampled_from(["9", "9.0", "9.5", "10", "-1"])
SIZES = st.sampled_from(["1", "2", "2.50"])
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "open", "match", "done", "change"]),
        st.integers(0, 7),
        PRICES,
        SIZES,
        st.booleans(),
    ),
    max_size=60,
)


@pytest.fixture(autouse=True, scope="module")
def short() -> Iterator[None]:
    """Short lists of changes, and small nodes."""
    patch = pytest.MonkeyPatch()
    patch.setattr(recorded_states, "_CHANGES", 4)
    patch.setattr(sorted_map, "_MOST", 3)
    patch.setattr(sorted_map, "_FILL", 2)
    yield
    patch.undo()


class Model:
    """A list of orders, the oldest first; prices are shown as they are written in the first order at each."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, str, Decimal, Decimal]] = []

    def step(self, verb: str, name: str, side: str, price: Decimal, size: Decimal, sequence: int) -> Message | None:
        """The message that is applied to the orders; `None` if a book could not apply it."""
        place = next((place for place, each in enumerate(self.orders) if each[0] == name), None)
        if verb == "open":
            if place is not None:
                return None
            self.orders.append((name, side, price, size))
            return opened(name, price, size, sequence, "buy" if side == "buy" else "sell")
        if place is None:
            return None
        _, side, before, most = self.orders[place]
        if verb == "done":
            del self.orders[place]
            return done(name, sequence)
        if verb == "match":
            if size > most:
                return None
            self.orders[place] = (name, side, before, most - size)
            self.orders = [each for each in self.orders if each[3]]
            return matched(name, before, size, sequence)
        if price == before and size <= most:
            self.orders[place] = (name, side, before, size)
        else:
            del self.orders[place]
            self.orders.append((name, side, price, size))
        return modified(name, price, size, sequence)

    def side(self, side: str) -> list[tuple[str, str, Decimal, Decimal]]:
        return sorted(
            (each for each in self.orders if each[1] == side), key=lambda each: -each[2] if side == "buy" else each[2]
        )

    def levels(self, side: str) -> tuple[tuple[Decimal, Decimal], ...]:
        by_price = groupby(self.side(side), key=lambda each: each[2])
        return tuple((price, sum((each[3] for each in orders), Decimal(0))) for price, orders in by_price)


def check(view: FullBookView, then: dict[str, Any]) -> None:
    """*view* has what the model had *then*."""
    assert (view.best_bid, view.best_ask) == tuple((then[side][1] or (None,))[0] for side in ("buy", "sell"))
    assert (view.bids, view.asks) == (then["buy"][1], then["sell"][1])
    assert (view.aggregated().bids, view.aggregated().asks) == (view.bids, view.asks)
    for side in ("buy", "sell"):
        expected, levels = then[side]
        found = view.orders(side)  # type: ignore[arg-type]
        assert [each[:4] for each in found] == expected
        assert view.orders(side, 2) == found[:2]  # type: ignore[arg-type]
        assert all(view.size_at(side, price) == size for price, size in levels)  # type: ignore[arg-type]
        for name, _, price, _ in expected:
            position = view.queue_position(name)
            before = [each for each in expected if each[2] == price]
            ahead = before[: [each[0] for each in before].index(name)]
            assert position is not None
            assert (position.orders, position.size) == (len(ahead), sum(each[3] for each in ahead))
            assert position.order == view.order(name)
            assert isinstance(position.order, RestingOrder)
    assert view.order("nobody") is None


@given(STEPS, st.integers(0, 6), st.randoms())
def test_views_are_those_of_a_list_of_orders(steps: Any, begun: int, order: Any) -> None:
    """A part of the orders comes with the snapshot; views are read at once, later, or in another order."""
    model, book, kept = Model(), Level3Book(BTC), []
    sequence = 1
    for _, name, price, size, is_buy in steps[:begun]:
        model.step("open", str(name), "buy" if is_buy else "sell", Decimal(price), Decimal(size), 0)
    book.step(received(sequence))
    entries = [[(price, size, name) for name, _, price, size in model.side(side)] for side in ("buy", "sell")]
    views = book.step(taken(1, sequence, *entries))
    for verb, name, price, size, is_read in [(None, 0, "0", "0", False), *steps[begun:]]:
        if verb is not None:
            side = "buy" if is_read else "sell"
            before = list(model.orders)
            message = model.step(verb, str(name), side, Decimal(price), Decimal(size), sequence + 1)
            if message is None:
                continue
            sequence += 1
            views = book.step(message)
            assert bool(views) == (model.orders != before)
        for view in views:
            assert isinstance(view, FullBookView)
            then = {side: (model.side(side), model.levels(side)) for side in ("buy", "sell")}
            kept.append((view, then))
            if is_read:
                check(view, then)
    order.shuffle(kept)
    for view, then in kept:
        check(view, then)
        check(pickle.loads(pickle.dumps(view)), then)
        assert pickle.loads(pickle.dumps(view)) == view
