"""A NATS server for the tests of a module, and streams of their own in it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from rxfeed.sim.nats_server import NatsServer, find_nats_server
from rxfeed.tape.connection import TapeConnection

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


@pytest.fixture(autouse=True)
def connections_that_a_failed_test_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Ends the publishers, consumers and workers that still run after a test: those of a test that failed."""
    started: list[TapeConnection] = []
    start = TapeConnection.start

    def noted(connection: TapeConnection) -> None:
        started.append(connection)
        start(connection)

    monkeypatch.setattr(TapeConnection, "start", noted)
    yield
    left = [each for each in started if each.thread.is_alive()]
    for each in left:
        each.stop()
    for each in left:
        each.thread.join(10)


@pytest.fixture
def stream() -> str:
    """A name that no other test has."""
    return f"t{next(_numbers)}"
