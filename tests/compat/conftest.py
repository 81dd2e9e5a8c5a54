"""An exchange with credentials."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxfeed import Credentials
from rxfeed.sim import Exchange

KEYS = Credentials("key", "c2VjcmV0", "phrase")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False, credentials=KEYS) as exchange:
        yield exchange
