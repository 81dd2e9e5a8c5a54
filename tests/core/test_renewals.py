"""Renewals: when a lost book is requested again."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core.renewals import Renewals


def requests(losses: list[float], until: float) -> list[float]:
    """When one product's book is requested, looked at every second, where it is lost at *losses*."""
    renewals, times, waiting = Renewals(), list[float](), sorted(losses)
    for now in range(int(until)):
        while waiting and waiting[0] <= now:
            renewals.lost("A-B", waiting.pop(0))
        times += [float(now)] * len(renewals.step(now))
    return times


def test_first_loss_is_requested_at_once() -> None:
    assert requests([3], 1000) == [3]


def test_waits_grow_with_repeated_losses() -> None:
    found = requests([float(second) for second in range(2000)], 2000)
    waits = [after - before for before, after in pairwise(found)]
    assert waits[:9] == [5, 10, 20, 40, 80, 160, 320, 320, 320]


def test_stable_product_resets_its_wait() -> None:
    assert requests([0, 1, 2, 100, 101], 1000) == [0, 5, 100, 105]


def test_products_wait_independently() -> None:
    renewals = Renewals()
    renewals.lost("A-B", 0)
    assert renewals.step(0) == ["A-B"]
    renewals.lost("A-B", 1)
    renewals.lost("C-D", 1)
    renewals.lost(None, 1)
    assert renewals.remaining(1) == 0
    assert renewals.step(1) == ["C-D", None]
    assert renewals.remaining(1) == 4
    assert renewals.step(5) == ["A-B"]
    assert renewals.remaining(5) is None


@given(st.lists(st.floats(0, 2000), max_size=60))
def test_every_loss_leads_to_a_request(losses: list[float]) -> None:
    found = requests(losses, 2400)
    assert all(any(loss <= request <= loss + 321 for request in found) for loss in losses)


def test_beyond_a_bound_lost_products_count_as_all() -> None:
    renewals = Renewals()
    for number in range(3000):
        renewals.lost(str(number), 0)
    due = renewals.step(0)
    assert len(due) == 2001
    assert None in due


def test_recovered_products_take_no_memory() -> None:
    renewals = Renewals()
    for number in range(1000):
        renewals.lost(str(number), 0)
    renewals.step(0)
    renewals.step(61)
    assert not renewals._products
