"""`rxfeed.Feed` on a local exchange, for code of the docs that connects to the live market."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import rxfeed
from rxfeed.feed import Subscribed
from rxfeed.sim import Exchange
from rxfeed.venues import VENUES
from tests.support.collect import Collected


@contextmanager
def local_feeds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`rxfeed.Feed` goes to the local exchange of its venue, which ends it.

    The market begins at a fixed second of a minute, or the trades of the last minute would depend on the time of day.
    """
    start = (datetime.now(UTC) - timedelta(days=30)).replace(second=12)
    with ExitStack() as stack:
        exchanges = {
            name: stack.enter_context(Exchange(venue=name, seed=3, auto=False, rate=2, start=start)) for name in VENUES
        }

        class LocalFeed(rxfeed.Feed):
            def __init__(self, *args: Any, venue: str = "coinbase_exchange", **named: Any) -> None:
                self.exchange = exchanges[venue]
                super().__init__(*args, **({"url": self.exchange.url, "venue": venue} | named))

            def run(self, scheduler: Any = None, *, seconds: Any = None, flush: Any = None) -> None:
                exchange = self.exchange
                got, before = Collected(self), exchange.sent.frames
                status = Collected(self.status)
                self.connect()
                status.wait_for(lambda items: any(isinstance(each, Subscribed) and not each.missing for each in items))
                exchange.step(500)
                got.wait_for(lambda items: self.stats.frames >= exchange.sent.frames - before)
                self.close(flush=flush)

        monkeypatch.setattr(rxfeed, "Feed", LocalFeed)
        yield


def record_in(folder: str, channels: list[str]) -> None:
    """Two minutes of a local exchange with two products, recorded into *folder*."""
    products = ["BTC-USD", "ETH-USD"]
    with Exchange(products, seed=3, auto=False, rate=2) as exchange:
        feed = rxfeed.Feed(products, channels, url=exchange.url)
        got = Collected(feed)
        feed.pipe(rxfeed.record(folder)).subscribe()
        with feed:
            exchange.wait_for_clients()
            exchange.advance(120)
            got.wait_for(exchange.sent.frames)
