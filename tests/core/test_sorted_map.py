"""The sorted map under every book, against a dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import sorted_map
from rxfeed.core.sorted_map import SortedMap

KEYS = st.integers(0, 60)
STEPS = st.lists(st.tuples(st.sampled_from(["put", "put", "drop"]), KEYS, st.integers(0, 3)), max_size=200)


@pytest.fixture(params=[2, 5, 64], autouse=True, scope="module")
def most(request: pytest.FixtureRequest) -> Iterator[None]:
    """Small nodes, so that few keys make many levels of them."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sorted_map, "_MOST", request.param)
    patch.setattr(sorted_map, "_FILL", max(2, request.param * 2 // 3))
    yield
    patch.undo()


@given(st.lists(st.tuples(KEYS, st.integers(0, 3))), STEPS)
def test_map_is_a_sorted_dictionary(begin: list[tuple[int, int]], steps: list[tuple[str, int, int]]) -> None:
    model, tree = dict(begin), SortedMap.of(begin)
    versions = [(dict(model), tree)]
    for verb, key, value in steps:
        if verb == "put":
            unchanged = model.get(key) == value
            model[key] = value
            after = tree.put(key, value)
        else:
            unchanged = key not in model
            model.pop(key, None)
            after = tree.drop(key)
        assert (after is tree) == unchanged
        tree = after
        assert tree.get(key) == model.get(key)
        assert list(tree.since(key)) == sorted(item for item in model.items() if item[0] >= key)
        versions.append((dict(model), tree))
    for then, version in versions:
        assert list(version) == sorted(then.items())
        assert list(reversed(version)) == sorted(then.items(), reverse=True)
        assert len(version) == len(then)
        assert bool(version) == bool(then)
        assert all(version.get(key) == then.get(key) for key in range(61))


def test_maps_are_equal_by_value_and_keys_too() -> None:
    one = SortedMap.of([(Decimal("1.0"), "a"), (Decimal(2), "b")])
    other = SortedMap[Decimal, str]().put(Decimal(2), "b").put(Decimal("1.000"), "a")
    assert one == other
    assert hash(one) == hash(other)
    assert one != other.drop(Decimal(1))
    assert one != [(Decimal(1), "a")]
    assert repr(SortedMap.of([(1, "a")])) == "SortedMap([(1, 'a')])"


def test_large_map_stays_flat_and_empties_out() -> None:
    tree: SortedMap[int, int] = SortedMap()
    for key in range(3000):
        tree = tree.put(key * 7919 % 3000, key)
    assert [key for key, _ in tree] == list(range(3000))
    for key in range(3000):
        tree = tree.drop(key)
    assert not tree
    assert tree == SortedMap()
