"""A short one of each run; `python -m tests.soak --minutes 60` is for longer ones."""

import pytest

from rxfeed.sim.mongod import find_mongod
from tests.soak import soak


@pytest.mark.skipif(find_mongod() is None, reason="no mongod: neither on PATH nor from the `demo` extra's wheel")
def test_the_ledger_adds_up_through_random_faults() -> None:
    ledger = soak(seconds=6, seed=3)
    assert ledger["problems"] == []
    assert ledger["reconnects"] > 0
    assert sum(ledger["gapped"].values()) > 0
    assert sum(ledger["delivered"].values()) > 100
