from __future__ import annotations

from collections.abc import Iterator

import pytest

from rxfeed.transport import Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()
