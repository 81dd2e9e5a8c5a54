"""What all tests may use, and how the examples of docstrings run."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator, Iterator
from typing import Any

import hypothesis
import pytest

from rxfeed.sim.mongod import Mongod, find_mongod
from tests.support.amounts import amount
from tests.support.environment import keep_bytecode, make_neutral, restore_ignored_signals
from tests.support.turns import turn

make_neutral(os.environ)
restore_ignored_signals()

# An example takes as long as the machine lets it: how busy that is must not decide whether a test passes.
hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    max_examples=amount(50, thorough=400),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    print_blob=True,
    # Without `explain`: before Python 3.12 it traces each line, and the time limit ended failed tests without a report.
    phases=[phase for phase in hypothesis.Phase if phase is not hypothesis.Phase.explain],
)
hypothesis.settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two more than there are cores, since many tests wait for a socket, a process or a database."""
    return (os.cpu_count() or 1) + 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each docstring's examples run as if pasted: with what they import themselves, and no name of their module."""
    for item in items:
        if isinstance(item, pytest.DoctestItem):
            item.dtest.globs = {"__name__": "__main__"}


def pytest_collection_finish() -> None:
    _pass_over_what_stays()


def _pass_over_what_stays() -> None:
    """What there is now stays until the end, as modules do: a search for garbage, as many tests need it, skips it."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # before the time limit of the test begins
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    if not hasattr(item.config, "workerinput"):  # the only process of this run
        return (yield)
    with turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _bytecode_of_processes(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    folder = tmp_path_factory.getbasetemp()
    of_all_workers = folder.parent if hasattr(request.config, "workerinput") else folder
    keep_bytecode(os.environ, of_all_workers / "bytecode")


@pytest.fixture(scope="module", autouse=True)
def _shorter_searches_for_garbage() -> Iterator[None]:
    """Tests import large packages: with these a search takes a third of a second."""
    yield
    _pass_over_what_stays()


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
