"""StatusReporter: the lines of a command about its connection, and the statuses that end the command."""

from __future__ import annotations

import pytest

from rxfeed.cli.live import StatusReporter
from rxfeed.errors import RxfeedError
from rxfeed.feed import FeedStatus, Subscribed, Unacknowledged
from rxfeed.market import ChannelSubscription

MISSING = Unacknowledged(pairs=(("market_trades", "FOO-BAR"),), seconds=3.0)
NOTHING = Subscribed(channels=())
TRADES = Subscribed(channels=(ChannelSubscription("market_trades", ("BTC-USD",)),))


def lines_of(*statuses: FeedStatus) -> list[str]:
    lines: list[str] = []
    reporter = StatusReporter("watch", "printing", write=lambda level, text: lines.append(text))
    for each in statuses:
        reporter.report(each)
    return lines


def test_empty_acknowledgement_ends_a_command() -> None:
    with pytest.raises(RxfeedError, match="nothing to watch: the exchange acknowledged no subscription"):
        lines_of(NOTHING, MISSING)


@pytest.mark.parametrize("before", [(), (TRADES,), (TRADES, NOTHING)], ids=["slow", "partly", "later"])
def test_command_continues_if_it_may_get_data(before: tuple[FeedStatus, ...]) -> None:
    """The exchange has not answered yet, or has acknowledged something."""
    assert lines_of(*before, MISSING)[-1].startswith("not acknowledged by the exchange within 3 s: market_trades of")
