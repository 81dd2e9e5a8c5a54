"""A short run of each kind; `python -m tests.soak --minutes 60` is for longer ones."""

from typing import Any

import pytest

from rxfeed.sim.mongod import find_mongod
from tests.soak import VENUES, soak
from tests.soak_slow import slow_subscriber
from tests.support.clocks import StopwatchClock
from tests.support.stopwatch import Stopwatch


@pytest.mark.skipif(find_mongod() is None, reason="no mongod: neither on PATH nor from the `demo` extra's wheel")
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.timeout(240)  # on a machine that has much else to do
def test_ledger_adds_up_under_random_faults(venue: str) -> None:
    ledger = soak(seconds=3, seed=3, venue=venue)
    assert ledger["problems"] == []
    assert ledger["reconnects"] > 0
    assert sum(ledger["gapped"].values()) > 0
    assert sum(ledger["delivered"].values()) > 100


@pytest.mark.timeout(240)
def test_slow_subscriber_loses_nothing_and_is_never_disconnected() -> None:
    """With time-outs that are as short against its lag as the usual ones are after minutes."""
    silence: dict[str, Any] = {"ping_interval": 0.5, "pong_timeout": 0.25, "stale_after": 1.0, "heartbeat_timeout": 2.0}
    with Stopwatch() as stopwatch:  # because the server is a thread of this process, and as slow as the machine
        ledger = slow_subscriber(8, pings=4, **silence, clock=StopwatchClock(stopwatch))
    assert ledger["problems"] == []
    assert ledger["waiting"] > 500
    assert ledger["pings"] > 3
