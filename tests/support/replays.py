"""Recordings of trades, and what a replay of them gives."""

from __future__ import annotations

from collections.abc import Iterable

from rxfeed import FeedStatus, Match, Message, Replay
from rxfeed.feed import RecordingTruncated
from tests.support.collect import Collected
from tests.support.make import match

SECOND = 10**9


def trades(first: int, last: int, product_id: str = "BTC-USD") -> list[bytes]:
    return [match(n, trade_id=n, time=n, product_id=product_id).raw for n in range(first, last + 1)]


def prices(source: Iterable[Message]) -> list[int]:
    return [int(message.price) for message in source if isinstance(message, Match)]


def played(replay: Replay) -> Collected[Message]:
    got = Collected(replay)
    replay.serve()
    assert got.completed or got.error is not None
    return got


def torn(statuses: Iterable[FeedStatus]) -> list[RecordingTruncated]:
    return [status for status in statuses if isinstance(status, RecordingTruncated)]
