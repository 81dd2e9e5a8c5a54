"""A trade that is too large to be split into bars is logged once, and ends no stream."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Match, dollar_bars, volume_bars
from tests.support.collect import Collected
from tests.support.make import match


@pytest.mark.parametrize("make", [volume_bars, dollar_bars])
def test_absurd_trades_end_no_bars_and_are_logged_once(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    source: Subject[Match] = Subject()
    bars = Collected(source.pipe(make(1)))
    for size in ("1", "1e39", "1e39", "1"):
        source.on_next(match(1, size=size))
    source.on_completed()
    assert bars.completed, bars.error
    assert [bar.complete for bar in bars.items] == [True, False, False, True]
    (warning,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "would fill over 100,000 bars" in warning.message
