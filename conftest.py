"""What docstrings' examples and all tests may use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import reactivex

import rxfeed
from rxfeed.sim.mongod import Mongod, find_mongod
from tests.support import make


@pytest.fixture(autouse=True)
def _names_in_docstrings(doctest_namespace: dict[str, Any]) -> None:
    doctest_namespace.update({name: getattr(rxfeed, name) for name in rxfeed.__all__})
    doctest_namespace.update(reactivex=reactivex, match=make.match, ticker=make.ticker, heartbeat=make.heartbeat)


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """A real server for all tests that only read and write; those that kill one start their own."""
    if find_mongod() is None:
        pytest.skip("no mongod: neither on PATH nor from the wheel of the `demo` extra (Linux x86-64)")
    with Mongod() as server:
        yield server


@pytest.fixture
def collection(mongod: Mongod, request: pytest.FixtureRequest) -> Iterator[Any]:
    """An empty collection of the test's own."""
    import pymongo

    client: pymongo.MongoClient[Any] = pymongo.MongoClient(mongod.uri, tz_aware=True)
    name = f"test_{abs(hash(request.node.nodeid))}"
    yield client[name].messages
    client.drop_database(name)
    client.close()
