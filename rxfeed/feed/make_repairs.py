"""Makes the repairs of a feed from its settings."""

from __future__ import annotations

from collections.abc import Callable

from rxfeed.core import GapDetector, Reconnect, in_seconds
from rxfeed.feed.backfill_turns import backfill_turns
from rxfeed.feed.backfills import PATIENCE, Backfills
from rxfeed.feed.clock import Clock
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.trade_fetcher import TradeFetcher
from rxfeed.feed.trade_repairs import TradeRepairs
from rxfeed.transport import HttpClient


def make_repairs(
    settings: FeedSettings, streams: FeedStreams, continuity: GapDetector, clock: Clock, nudge: Callable[[], None]
) -> TradeRepairs | None:
    """The repairs of what *continuity* misses; `None` if *settings* have none. *nudge* is called for each answer."""
    policy, venue, transport = settings.repairs, settings.venue, settings.transport
    if policy is None and settings.backfill is None:
        return None
    assert venue.rest is not None

    def client(timeout: float) -> HttpClient:
        return HttpClient(
            settings.rest_url,
            timeout=timeout,
            rate=venue.rest_requests_per_second,
            retry=Reconnect(retries=0),
            keep_alive=True,
            ssl_context=transport.ssl_context,
            proxy=transport.proxy,
        )

    patience = PATIENCE if policy is None else in_seconds(policy.patience)
    turn = backfill_turns(settings.rest_url, transport.proxy, venue.rest_requests_per_second)
    fetcher = TradeFetcher(venue, client, clock.real(patience), nudge, turn)
    backfills = (
        None if settings.backfill is None else Backfills(settings.backfill, venue.repairable, settings.backfilled)
    )
    return TradeRepairs(policy, venue.repairable, streams, continuity, fetcher, clock.now, backfills)
