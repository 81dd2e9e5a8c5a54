"""Candles of the past, from a venue's REST API."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from reactivex import Observable, abc
from reactivex.disposable import CompositeDisposable, Disposable
from reactivex.scheduler import CurrentThreadScheduler

from rxfeed.core import Candle, Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError, FrameMalformed
from rxfeed.market import EPOCH, microseconds, moment
from rxfeed.secrets import Secret, secret
from rxfeed.transport import Headers, HttpClient
from rxfeed.venues import DEFAULT_VENUE, RestCandle, RestRules, Venue
from rxfeed.venues import venue as venue_of


def candles_history(
    product: str,
    since: datetime,
    until: datetime,
    seconds: int,
    *,
    venue: str | Venue = DEFAULT_VENUE,
    url: str | Secret | None = None,
    timeout: Seconds = 10.0,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | Secret | None = None,
    headers: Headers | None = None,
) -> Observable[Candle]:
    """Emit the venue's candles of *seconds* of *product* that begin from *since* on and before *until*, oldest first.

        >>> from datetime import UTC, datetime
        >>> from rxfeed.feed import candles_history
        >>> since, until = datetime(2026, 9, 1, tzinfo=UTC), datetime(2026, 9, 8, tzinfo=UTC)
        >>> week = candles_history("BTC-USD", since, until, 3600)

    The candles are those of the operator `candles`, except `notional`, `vwap` and `count`, which the venue does not
    have: they are `None`. As with the operator, there is none where nothing was traded. The last one is not `complete`
    if it had not ended at the request, by this computer's clock.

    Each subscription requests them anew, page after page on one connection and within the venue's rate limit, in the
    thread that subscribes, or by the scheduler that `subscribe` is given. If it is disposed, no further page is
    requested, and a request that is running fails. Memory does not grow with the time.

    *seconds*: one of the venue's lengths. *url*: of the REST API (`None`: the venue's own). *timeout*: seconds of a
    page, with its retries. *ssl_context*, *proxy* and *headers*: as for a `Feed`. Raises `ConfigError` for invalid
    arguments. The stream fails with `ConnectFailed` if there is no response, `RequestRejected` if its status is not
    2xx, and `FrameMalformed` if it is no list of such candles, or one opens or closes outside its low and high.
    """
    try:
        found = venue_of(venue)
        rules = found.rest
        if rules is None:
            raise ConfigError(f"venue: {found.name} has no REST API")
        arguments.product(product)
        begin, end = (arguments.aware(name, time) for name, time in (("since", since), ("until", until)))
        rules.candles_path(product, seconds, begin, end)  # raises if the venue has no such candles
        client = partial(
            HttpClient,
            timeout=in_seconds(timeout),
            rate=rules.requests_per_second,
            keep_alive=True,
            ssl_context=ssl_context,
        )
        url = found.rest_url if url is None else url
        client(url, proxy=proxy, headers=headers)  # raises if one of them is invalid
        new_client = partial(
            client,
            secret(url),
            proxy=None if proxy is None else secret(proxy),
            headers={name: secret(value) for name, value in (headers or {}).items()},
        )
    finally:
        url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them
    request = _Request(rules, product, begin, end, seconds)
    return Observable(lambda observer, scheduler=None: _subscribe(request, new_client(), observer, scheduler))


class _Request(NamedTuple):
    rules: RestRules
    product: str
    since: datetime
    until: datetime
    seconds: int

    def candles(self, client: HttpClient) -> Generator[Candle]:
        """Request page after page; closes *client* at the end, and after an error."""
        span = self.seconds * 1_000_000
        first = -(-microseconds(self.since) // span) * span  # candles begin at multiples of their length
        end = microseconds(self.until)
        with closing(client):
            while first < end:
                last = min(first + (self.rules.most_candles - 1) * span, end)
                yield from self._page(client, moment(first), moment(last))
                first = last + span

    def _page(self, client: HttpClient, first: datetime, last: datetime) -> Iterator[Candle]:
        now = datetime.now(UTC)
        answer = client.get(self.rules.candles_path(self.product, self.seconds, first, last))
        page = self.rules.candles(answer.body)
        _check_starts([each.start for each in page], timedelta(seconds=self.seconds))
        for each in page:
            if first <= each.start <= last and each.start < self.until:  # an answer may have some that begin before
                yield _candle(each, self.product, self.seconds, now)


def _subscribe(
    request: _Request,
    client: HttpClient,
    observer: abc.ObserverBase[Candle],
    scheduler: abc.SchedulerBase | None,
) -> abc.DisposableBase:
    disposed = threading.Event()

    def run(_: abc.SchedulerBase, __: object = None) -> None:
        with closing(request.candles(client)) as candles:
            while not disposed.is_set():
                try:
                    candle = next(candles, None)
                except Exception as error:
                    return None if disposed.is_set() else observer.on_error(error)
                if candle is None:
                    return observer.on_completed()
                if not disposed.is_set():
                    observer.on_next(candle)
        return None

    def start(_: abc.SchedulerBase, __: object = None) -> None:
        # Some schedulers call this within `subscribe`: what it returns, to dispose of, must be there before candles.
        CurrentThreadScheduler.singleton().schedule(run)

    def dispose() -> None:
        disposed.set()
        client.close()  # a running request fails

    started = (scheduler or CurrentThreadScheduler.singleton()).schedule(start)
    return CompositeDisposable(Disposable(dispose), started)


def _check_starts(starts: Sequence[datetime], span: timedelta) -> None:
    """Raise `FrameMalformed` for candles of another length than *span*, or two with one of the *starts*."""
    for before, start in pairwise(starts):
        if start == before:
            raise FrameMalformed(f"not a list of candles: two begin at {start.isoformat()}")
    for start in starts:
        if (start - EPOCH) % span:
            length = f"{span.total_seconds():.0f} s"
            raise FrameMalformed(f"not a list of candles of {length}: one begins at {start.isoformat()}")


def _candle(candle: RestCandle, product: str, seconds: int, now: datetime) -> Candle:
    end = moment(microseconds(candle.start) + seconds * 1_000_000)
    return Candle(
        product_id=product,
        start=candle.start,
        end=end,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        notional=None,
        vwap=None,
        count=None,
        complete=end <= now,
    )
