"""The plan of a feed's connections: limits, balance, and what stays where it is."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import ConnectionPlan, Pair

CHANNELS = ("level2", "trades", "candles")
LIMITS = {"level2": 3, "candles": 5}
HEARTBEATS = ("heartbeats", None)

pairs = st.lists(
    st.tuples(st.sampled_from(CHANNELS), st.integers(0, 25).map(lambda number: f"P{number}-USD")) | st.just(HEARTBEATS),
    max_size=40,
)
changes = st.lists(st.tuples(st.sampled_from(("add", "remove")), pairs), max_size=8)


def of_products(count: int, channels: tuple[str, ...] = ("level2", "trades")) -> list[Pair]:
    return [(channel, f"P{number}-USD") for number in range(count) for channel in channels]


@given(changes, st.integers(1, 3))
def test_plan_invariants(changes: list[tuple[str, list[Pair]]], redundancy: int) -> None:
    """No connection is above a limit, each pair is on exactly so many, and no pair moves."""
    plan = ConnectionPlan(LIMITS, redundancy=redundancy, everywhere={"heartbeats"})
    wanted: dict[Pair, None] = {}
    for kind, changed in changes:
        before = {number: set(pairs) for number, pairs in plan.connections.items()}
        if kind == "add":
            plan.add(changed)
            wanted |= dict.fromkeys(changed)
        else:
            plan.remove(changed)
            wanted = {pair: None for pair in wanted if pair not in changed}
        now = {number: set(pairs) for number, pairs in plan.connections.items()}
        places = Counter(pair for pairs in now.values() for pair in pairs)
        assert places == {pair: len(now) if pair == HEARTBEATS else redundancy for pair in wanted}
        for pairs in plan.connections.values():
            counts = Counter(channel for channel, _ in pairs)
            assert len(set(pairs)) == len(pairs)
            assert all(counts[channel] <= limit for channel, limit in LIMITS.items())
        for number, pairs in before.items():
            kept = {pair for pair in pairs if pair in wanted and pair != HEARTBEATS}
            assert kept <= now.get(number, set())
        assert len(now) % redundancy == 0
        for shard in plan.shards:
            assert len({frozenset(now[number]) for number in plan.connections_of(shard)}) == 1


@given(st.integers(1, 100), st.integers(1, 3))
def test_plan_of_one_add_is_balanced_and_small(count: int, redundancy: int) -> None:
    """The fewest connections that the limit allows, and they differ by at most one product."""
    plan = ConnectionPlan({"level2": 30}, redundancy=redundancy, everywhere={"heartbeats"})
    plan.add([HEARTBEATS, *of_products(count)])
    sizes = [sum(channel == "level2" for channel, _ in pairs) for pairs in plan.connections.values()]
    assert len(sizes) == -(-count // 30) * redundancy
    assert max(sizes) - min(sizes) <= 1
    for number in range(count):
        assert plan.shard_of(("level2", f"P{number}-USD")) == plan.shard_of(("trades", f"P{number}-USD"))


def test_plan_puts_a_new_channel_beside_the_products_others() -> None:
    plan = ConnectionPlan({"level2": 2})
    plan.add(of_products(4))
    plan.add([("ticker", "P3-USD"), ("ticker", "P0-USD")])
    for product in ("P0-USD", "P3-USD"):
        assert plan.shard_of(("ticker", product)) == plan.shard_of(("level2", product))


def test_plan_without_limits_has_one_connection() -> None:
    plan = ConnectionPlan({})
    plan.add(of_products(500))
    assert list(plan.connections) == [1]


def test_plan_fills_what_was_removed_before_it_opens_another() -> None:
    plan = ConnectionPlan({"level2": 2})
    plan.add(of_products(4, ("level2",)))
    plan.remove([("level2", "P0-USD")])
    plan.add([("level2", "NEW-USD")])
    assert list(plan.connections) == [1, 2]
    plan.add([("level2", "NEWER-USD")])
    assert list(plan.connections) == [1, 2, 3]


def test_plan_closes_an_empty_connection_but_not_the_last_one() -> None:
    plan = ConnectionPlan({"level2": 1}, everywhere={"heartbeats"})
    plan.add([HEARTBEATS, *of_products(3, ("level2",))])
    plan.remove([("level2", "P1-USD")])
    assert list(plan.connections) == [1, 3]
    plan.remove([("level2", None)])
    assert list(plan.connections.values()) == [[HEARTBEATS]]
