"""A NATS server for the tests of a module, and streams of their own in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from rxfeed.sim.nats_server import NatsServer, find_nats_server

_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if find_nats_server() is None:
        for item in items:
            if "/tests/tape/" in str(item.path):
                item.add_marker(pytest.mark.skip(reason="no nats-server: neither on PATH nor from the `demo` extra"))


@pytest.fixture(scope="session")
def server() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.fixture
def stream() -> str:
    """A name that no other test has."""
    return f"t{next(_numbers)}"
