"""The state that status events show."""

from __future__ import annotations

from rxfeed.errors import ConnectionLost
from rxfeed.feed import Connecting, Disconnected, Ended, FeedStatus, Idle, Subscribed
from rxfeed.metrics.status import ConnectionState, StatusCounts
from rxfeed.metrics.values import ProductLabels


def counts_of(*events: FeedStatus) -> StatusCounts:
    counts = StatusCounts("coinbase_exchange", ProductLabels())
    for event in events:
        counts.status(event)
    return counts


def subscribed(connection: int = 0) -> Subscribed:
    return Subscribed(channels=(), connection=connection)


def lost(connection: int = 0) -> Disconnected:
    return Disconnected(cause=ConnectionLost("lost"), connection=connection)


def test_state_of_one_connection_is_that_of_its_last_event() -> None:
    counts = counts_of(Idle(), Connecting(url="", attempt=1), subscribed())
    assert counts.state() is ConnectionState.SUBSCRIBED
    counts.status(lost())
    assert counts.state() is ConnectionState.WAITING
    counts.status(Ended(cause=None))
    assert counts.state() is ConnectionState.ENDED


def test_state_of_several_connections_is_that_of_the_worst() -> None:
    counts = counts_of(subscribed(1), subscribed(2), lost(1), subscribed(2))
    assert counts.state() is ConnectionState.WAITING
    assert counts.state({2}) is ConnectionState.SUBSCRIBED
    counts.status(subscribed(1))
    assert counts.state() is ConnectionState.SUBSCRIBED


def test_state_before_there_were_several_is_that_of_the_first() -> None:
    counts = counts_of(lost(), subscribed(2))
    assert counts.state({1, 2}) is ConnectionState.WAITING
    counts.status(subscribed(1))
    assert counts.state({1, 2}) is ConnectionState.SUBSCRIBED
