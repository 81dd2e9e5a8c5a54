"""Fixtures to test a bot against a local exchange. In your `conftest.py`:

    pytest_plugins = ["rxfeed.sim.pytest_plugin"]

and in a test:

    from rxfeed.sim import faults

    def test_my_bot_survives_a_deploy(rxfeed_exchange):
        bot = start_my_bot(rxfeed_exchange.url)
        rxfeed_exchange.wait_for_clients()
        rxfeed_exchange.inject(faults.Close(1012, "service restart", after=10))
        rxfeed_exchange.step(100)
        ...

    def test_my_bot_backs_off(rxfeed_exchange_factory):
        exchange = rxfeed_exchange_factory(faults=[faults.HttpStatus(429, retry_after=1, connection=1)])
        ...

Nothing happens on these exchanges until `step` or `advance`, and what happens is the same in every run: the seed
comes from the test's node id, and the virtual time begins at START.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from rxfeed.sim.exchange import Exchange

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def rxfeed_exchange_factory(request: pytest.FixtureRequest) -> Iterator[Callable[..., Exchange]]:
    """Makes started exchanges from `Exchange`'s arguments, and closes them when the test is over.

    Defaults: `auto=False`, `start=START`, and a seed from the test's node id.
    """
    defaults = {"auto": False, "start": START, "seed": zlib.crc32(request.node.nodeid.encode())}
    with ExitStack() as stack:

        def make(*args: Any, **options: Any) -> Exchange:
            return stack.enter_context(Exchange(*args, **defaults | options))

        yield make


@pytest.fixture
def rxfeed_exchange(rxfeed_exchange_factory: Callable[..., Exchange]) -> Exchange:
    """A started exchange of BTC-USD and ETH-USD without events until `step` or `advance`."""
    return rxfeed_exchange_factory()
