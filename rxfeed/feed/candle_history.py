"""Candles of the past, from a venue's REST API."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import reactivex
from reactivex import Observable

from rxfeed.core import Candle, Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError, FrameMalformed
from rxfeed.market import EPOCH
from rxfeed.secrets import Secret
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
    if it had not ended at the request.

    Each subscription requests them anew, in the thread that subscribes, page after page and within the venue's rate
    limit; it ends early if it is disposed. Memory does not grow with the time.

    *seconds*: one of the venue's lengths. *url*: of the REST API (`None`: the venue's own). *timeout*: seconds of a
    page, with its retries. *ssl_context*, *proxy* and *headers*: as for a `Feed`. Raises `ConfigError` for invalid
    arguments. The stream fails with `ConnectFailed` if there is no response, `RequestRejected` if its status is not
    2xx, and `FrameMalformed` if it is no list of candles.
    """
    try:
        found = venue_of(venue)
        rules = found.rest
        if rules is None:
            raise ConfigError(f"venue: {found.name} has no REST API")
        arguments.product(product)
        begin, end = (arguments.aware(name, time) for name, time in (("since", since), ("until", until)))
        rules.candles_path(product, seconds, begin, end)  # raises if the venue has no such candles
        client = HttpClient(
            found.rest_url if url is None else url,
            timeout=in_seconds(timeout),
            rate=rules.requests_per_second,
            ssl_context=ssl_context,
            proxy=proxy,
            headers=headers,
        )
    finally:
        url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them
    return reactivex.defer(
        lambda scheduler: reactivex.from_iterable(_candles(rules, client, product, begin, end, seconds), scheduler)
    )


def _candles(
    rules: RestRules, client: HttpClient, product: str, since: datetime, until: datetime, seconds: int
) -> Iterator[Candle]:
    span = timedelta(seconds=seconds)
    first = since + (EPOCH - since) % span  # candles begin at multiples of their length
    while first < until:
        last = min(first + (rules.most_candles - 1) * span, until)
        now = datetime.now(UTC)
        page = rules.candles(client.get(rules.candles_path(product, seconds, first, last)).body)
        _check_starts([each.start for each in page], span)
        for each in page:
            if first <= each.start <= last and each.start < until:
                yield _candle(each, product, span, now)
        first = last + span


def _check_starts(starts: Sequence[datetime], span: timedelta) -> None:
    """Raise `FrameMalformed` for candles of another length than *span*, or two with one of the *starts*."""
    for before, start in pairwise(starts):
        if start == before:
            raise FrameMalformed(f"not a list of candles: two begin at {start.isoformat()}")
    for start in starts:
        if (start - EPOCH) % span:
            length = f"{span.total_seconds():.0f} s"
            raise FrameMalformed(f"not a list of candles of {length}: one begins at {start.isoformat()}")


def _candle(candle: RestCandle, product: str, span: timedelta, now: datetime) -> Candle:
    end = candle.start + span
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
