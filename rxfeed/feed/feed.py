"""The Feed: a live connection as a source of messages, and what is said to it."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from reactivex import abc
from reactivex.scheduler import TimeoutScheduler

from rxfeed.core import Reconnect
from rxfeed.feed.clock import Clock
from rxfeed.feed.line import Line
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.outside import Outside
from rxfeed.feed.settings import Settings
from rxfeed.feed.source import MessageSource
from rxfeed.feed.status_log import StatusLog
from rxfeed.feed.wanted import Wanted
from rxfeed.secrets import Secret, redacted, revealed, shown_url
from rxfeed.transport import TransportOptions
from rxfeed.venues import DEFAULT_VENUE, ChannelRequest, Subscription, Venue
from rxfeed.venues import venue as venue_of


class Feed(MessageSource):
    """A hot Observable of all `Message`s of one connection: compose and subscribe first, then `connect()`.

        feed = Feed("BTC-USD", ["matches", "heartbeat"])
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    Messages arrive on the feed's own thread, in the order in which the exchange sent them. A subscriber that raises is
    cut off and told through its own `on_error`; the others and the connection go on. When the connection is lost, or
    goes silent, the feed comes back and subscribes anew; what was missed meanwhile is said on `status`, and by the
    messages' `epoch`. A feed ends once: it completes when it was closed, and fails with what ended it otherwise, a
    certificate that does not verify, credentials that are not accepted, a host that is retired, or `Reconnect.retries`.

    *venue*: its name, or a `Venue`. *url*: `None` is the venue's own.
    *products*, *channels*: one or many; a channel may be the exchange's object, with products of its own.
    *credentials* sign the subscription (see `Credentials.from_env`); `None` subscribes unsigned.
    *reconnect*: True, False (the first failure ends the feed), or a `Reconnect`.
    In seconds: *ping_interval* between pings, sent whether or not messages flow (`None`: none), *pong_timeout* for the
    answer, *stale_after* without any data (`None`: however long; subscribe to `heartbeat` where a channel is quiet),
    *heartbeat_timeout* without the heartbeat of a product, *lag_threshold* of delivery before `Lagging` is reported.
    Silence is measured while the socket is empty: a backlog is none. The bytes of a message that arrives at 10 kB/s or
    more are signs of life, for up to 600 s a message.
    *drop_duplicates*: False delivers also what came before (it is counted all the same).
    *clock*: a `Clock` that runs faster, for tests. The rest is `TransportOptions`'. *url*, *proxy* and the values
    of *headers* may be `Secret`s, and are kept as such. Raises `ConfigError` for what can never work.
    """

    def __init__(
        self,
        products: str | Iterable[str],
        channels: ChannelRequest | Iterable[ChannelRequest],
        *,
        venue: str | Venue = DEFAULT_VENUE,
        url: str | Secret | None = None,
        credentials: Any = None,
        reconnect: bool | Reconnect = True,
        ping_interval: float | None = 30.0,
        pong_timeout: float = 10.0,
        stale_after: float | None = 60.0,
        heartbeat_timeout: float = 5.0,
        lag_threshold: float = 1.0,
        drop_duplicates: bool = True,
        max_size: int = 64 * 1024 * 1024,
        connect_timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | Secret | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        clock: Clock | None = None,
    ) -> None:
        found = venue_of(venue)
        super().__init__(Outlets(lag_threshold, venue=found))
        self._outlets.status_log = self._status_log()
        try:
            hidden = Secret(self.venue.url(revealed(self.venue.default_url if url is None else url)))
            transport = TransportOptions(
                max_size=max_size,
                connect_timeout=connect_timeout,
                ssl_context=ssl_context,
                proxy=proxy,
                headers={} if headers is None else headers,
            )
        finally:
            url, proxy, headers = "", None, None  # a traceback with local variables would show what is secret in them
        settings = Settings(
            url=hidden,
            transport=transport,
            credentials=credentials,
            venue=self.venue,
            reconnect=reconnect,
            ping_interval=ping_interval,
            pong_timeout=pong_timeout,
            stale_after=stale_after,
            heartbeat_timeout=heartbeat_timeout,
            lag_threshold=lag_threshold,
            drop_duplicates=drop_duplicates,
        )
        self._url = hidden
        self._credentials = credentials
        subscription = self.venue.subscription(products, channels)
        subscription.warn_of_products()
        self._wanted = Wanted(subscription, self.venue)
        self._outlets.hub.admits = Outside(self._wanted, self._outlets.stats, self.venue).admits
        self._make_line = partial(Line, settings, self._wanted, self._outlets, clock or Clock())
        self._line: Line | None = None

    @property
    def scheduler(self) -> abc.SchedulerBase:
        """The wall clock's, which operators of reactivex that wait use by themselves: as `Replay.scheduler`."""
        return TimeoutScheduler.singleton()

    # ---- what is said

    def add(self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]) -> None:
        """Subscribe to *channels* for *products* too, now and after every reconnect; from any thread, at once.

        `Subscribed` on `status` tells when the exchange has acknowledged it, `Rejected` what it refuses. Changes made
        in quick succession are said in one message. Raises `ConfigError`, and `FeedClosed` once the feed has ended.
        """
        self.venue.subscription(products, channels).warn_of_products()
        self._change(self._wanted.add, products, channels)

    def remove(self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]) -> None:
        """Unsubscribe from *channels* for *products*; with no products (`[]`) from the whole channels. As `add`."""
        self._change(self._wanted.remove, products, channels)

    def send(self, text: str | Secret) -> None:
        """Say *text* to the exchange as it is, once, behind what waits to be said; from any thread, at once.

        For what `add` and `remove` cannot say; at the pace that the exchange takes. Raises `FeedClosed`.
        """
        self._say(text)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping of your own, beside the keepalive's; as `send`."""
        self._say(payload)

    def _say(self, aside: str | Secret | bytes) -> None:
        self._check_process()
        with self._state:
            self._check_open()
            self._wanted.asides.append(aside)
            self._wanted.by_hand |= isinstance(aside, str)
            if self._line is not None:
                self._line.nudge()

    def _change(self, change: Callable[[Subscription], None], products: Any, channels: Any) -> None:
        subscription = self.venue.subscription(products, channels)
        self._check_process()
        with self._state:
            self._check_open()
            change(subscription)
            if self._line is not None:
                self._line.nudge()

    # ---- what is told of it

    @property
    def url(self) -> str:
        """Where it connects to, without what may be secret in it: user, password, query."""
        return shown_url(self._url.reveal())

    @property
    def about(self) -> dict[str, Any]:
        """The `url`, without what may be secret in it, and the `channels` and `products` that are wanted now."""
        pairs = self._wanted.pairs
        return {
            "url": self.url,
            "channels": sorted({channel for channel, _ in pairs}),
            "products": sorted({product for _, product in pairs if product is not None}),
        }

    def redact(self, raw: bytes) -> bytes:
        """*raw* without key, secret and passphrase, and without the signatures that were made with them lately."""
        return redacted(raw, self._wanted.secrets(self._credentials))

    def __repr__(self) -> str:
        if "_wanted" not in vars(self) or "_url" not in vars(self):
            return "<Feed with settings that were refused>"  # a traceback with local variables shows it
        channels, products = (", ".join(self.about[name]) for name in ("channels", "products"))
        return f"<Feed of {channels} for {products or 'no product'} from {self.url}>"

    # ---- a source's life

    def _status_log(self) -> StatusLog:
        """What logs the status."""
        return StatusLog(venue=self.venue)

    def _prepare(self) -> None:
        self._line = self._make_line()

    def _work(self) -> Exception | None:
        assert self._line is not None
        return self._line.run()

    def _interrupt(self) -> None:
        assert self._line is not None
        self._line.close()
