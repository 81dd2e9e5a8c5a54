"""The Feed: a live connection as a source of messages, with its subscriptions and requests."""

from __future__ import annotations

import logging
import ssl
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial

from msgspec.structs import replace
from reactivex import Observer, abc
from reactivex.scheduler import TimeoutScheduler

from rxfeed.core import ConnectionPlan, Level3Snapshot, Pair, Reconnect, Repair, Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.feed.clock import Clock
from rxfeed.feed.connection_streams import SummedStats
from rxfeed.feed.connections import Connections
from rxfeed.feed.feed_connection import ConnectionInfo
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.outside import OutsideSubscription
from rxfeed.feed.product_ids import PATIENCE, ProductIds
from rxfeed.feed.product_patterns import ProductPatterns, split
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.feed.reconnect_loop import seconds_apart
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.source import About, MessageSource
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import ProductDelisted, ProductListed
from rxfeed.feed.status_log import StatusLog
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.operators import MessageFilter
from rxfeed.secrets import Secret, redacted, revealed, secret, shown_url
from rxfeed.transport import TransportOptions
from rxfeed.venues import ChannelRequest, Subscription, Venue, venue_at
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.feed")

_LONGEST_PING = 125  # bytes, by RFC 6455


class Feed(MessageSource):
    """A hot Observable of the `Message`s of a subscription: compose and subscribe first, then `connect()`.

        from rxfeed import Feed, window_volume

        feed = Feed("BTC-USD", ["matches", "heartbeat"])
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    Messages arrive one at a time on the feed's own threads, in the order in which the exchange sent them. There is one
    connection, or as many as the venue's limits on products require. A subscriber that raises is unsubscribed and gets
    the exception in its own `on_error`; the other subscribers and the connections continue. If a connection is lost or
    goes silent, the feed reconnects and resubscribes. Gaps are reported on `status`, and raise the messages' `epoch`. A
    feed ends once: it completes if it was closed. It fails if a certificate cannot be verified, credentials are
    rejected, the host is retired, or `Reconnect.retries` is reached.

    - *venue*: its name, or a `Venue`; `None`: the venue of the *url*'s host, and Coinbase Exchange if that is no known
      host.
    - *products*, *channels*: one or many. A product may be a pattern, such as `*-USD` or `*`: the venue's list of
      products decides what it matches, requested every *products_every* seconds. A channel is named as the venue does,
      or by a name that is the same for every venue: `trades`, `book`, `ticker`, `heartbeat`, `user`, `status`. It may
      be the venue's object, with its own products.
    - *url*: of the server; `None`: the venue's own, for these channels.
    - *rest_url*: of the REST API, for snapshots of `full_book`, aliases and repairs; `None`: the venue's own, or the
      host and port of *url* if that is a loopback address.
    - *aliases*: by products' ids, the ids under which the venue delivers them, where they differ. Messages have the id
      subscribed to. `None`: if the venue delivers a product that was not subscribed to, the aliases are read in its
      list of products, at *rest_url*; without one, or after a failure, messages keep the venue's ids.
    - *credentials* sign the subscription (see `Credentials.from_env`); `None`: unsigned.
    - *reconnect*: True, False (the first failure ends the feed), or a `Reconnect`.
    - *ping_interval*: seconds between pings, which are sent with or without traffic (`None`: no pings).
      *pong_timeout*: seconds to wait for the answer to a ping.
    - *stale_after*: seconds without any data until the connection counts as silent (`None`: no limit). If a channel is
      quiet, subscribe to `heartbeat` too. *heartbeat_timeout*: seconds without a product's heartbeat until
      `HeartbeatMissing` is reported. Silence is measured only while the socket is empty. The bytes of an incomplete
      message count as data for up to 600 s, if they arrive at 10 kB/s or more.
    - *lag_threshold*: seconds between arrival and delivery until `Lagging` is reported.
    - *drop_duplicates*: False delivers duplicates too (they are counted in either case), except those of a connection
      that is being renewed. It cannot be combined with *redundancy*.
    - *repair*: True, or a `Repair`: trades that were missed are requested from the REST API, and the product's trades
      and heartbeats are held meanwhile. `docs/how_to/repair.md` has the rules. False: a gap is reported at once.
    - *backfill*: seconds: the trades of so long before the first connection are requested from the REST API, and
      delivered as `PriorTrade`s before the live ones, so that the first windows are complete. The same page has the
      rules. `None`: none are requested.
    - *redundancy*: each channel and product is on so many connections (by default 1, or one for each of *urls*). A
      message is delivered once, from the connection that brings it first. What one connection misses is held for up to
      *patience* seconds, in which another one may bring it. `docs/how_to/many_connections.md` has the rules.
    - *urls*: in place of *url*, the server of each connection of a product.
    - *connect_interval*: seconds between the openings of two connections; `None`: 1, and 0.01 on a loopback address.
    - *renew_every*: each connection is replaced after so many seconds, as `renew` does; `None`: never. *renew_at*: all
      are replaced, one after another, at these times of the week, such as `Mon,Wed 14:00 America/New_York`. Without a
      zone they are UTC. `deployments`: at the times at which the venue restarts its servers, if it has named them.
    - *count_items*: `describe` counts the items between operators, at the cost of a call for each.
    - *clock*: a `Clock` that runs faster, for tests. The remaining arguments are those of `TransportOptions`.

    Seconds are numbers or `timedelta`s. *url*, *rest_url*, *proxy* and the values of *headers* may be `Secret`s, and
    are kept as such. Raises `ConfigError` for invalid arguments.
    """

    def __init__(
        self,
        products: str | Iterable[str],
        channels: ChannelRequest | Iterable[ChannelRequest],
        *,
        venue: str | Venue | None = None,
        url: str | Secret | None = None,
        rest_url: str | Secret | None = None,
        aliases: Mapping[str, str] | None = None,
        credentials: object = None,
        reconnect: bool | Reconnect = True,
        ping_interval: Seconds | None = 30.0,
        pong_timeout: Seconds = 10.0,
        stale_after: Seconds | None = 60.0,
        heartbeat_timeout: Seconds = 5.0,
        lag_threshold: Seconds = 1.0,
        drop_duplicates: bool = True,
        repair: bool | Repair = False,
        backfill: Seconds | None = None,
        redundancy: int | None = None,
        urls: Iterable[str | Secret] | None = None,
        patience: Seconds = 1.0,
        connect_interval: Seconds | None = None,
        products_every: Seconds = 600.0,
        renew_every: Seconds | None = None,
        renew_at: str | Iterable[str] | None = None,
        count_items: bool = False,
        max_size: int = 64 * 1024 * 1024,
        connect_timeout: Seconds = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | Secret | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        clock: Clock | None = None,
    ) -> None:
        found: Venue | None = None
        lines: list[Secret] = []
        try:
            if urls is not None:
                if url is not None or isinstance(urls, str | Secret):
                    raise ConfigError("urls: give a list of them, and no url beside it")
                urls = [each if isinstance(each, Secret) else Secret(str(each)) for each in urls]
                if not urls:
                    raise ConfigError("urls: none")
                url = urls[0]
            found = venue_of(venue_at("" if url is None else revealed(url)) if venue is None else venue)
            super().__init__(FeedStreams(in_seconds(lag_threshold), venue=found), count_items=count_items)
            self._streams.status_log = self._status_log()
            named = arguments.one_or_many("channels", channels, (str, Mapping))
            ids, patterns = split(arguments.one_or_many("products", products, str))
            subscription = found.subscription(ids, named, signed=credentials is not None)
            default = found.url_for(each if isinstance(each, str) else each["name"] for each in subscription.channels)
            hidden = Secret(found.url(revealed(default if url is None else url)))
            lines = [hidden, *(Secret(found.url(each.reveal())) for each in (urls or ())[1:])]
            if not isinstance(rest_url, str | Secret | None):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
                raise ConfigError(f"rest_url: a {type(rest_url).__name__} is not a URL")
            hidden_rest = secret(found.rest_url_for(hidden.reveal()) if rest_url is None else rest_url)
            transport = TransportOptions(
                max_size=max_size,
                connect_timeout=in_seconds(connect_timeout),
                ssl_context=ssl_context,
                proxy=proxy,
                headers={} if headers is None else headers,
            )
        finally:
            # A traceback with local variables would show what is secret in them.
            url, urls, rest_url, proxy, headers = "", None, "", None, None
            accepted = credentials is None or (found is not None and isinstance(credentials, found.credentials))
            refused = "" if accepted else type(credentials).__name__
            credentials = credentials if accepted else None
        if refused:
            raise ConfigError(f"credentials: a {refused}; {self.venue.credentials_hint}")
        settings = FeedSettings(
            url=hidden,
            rest_url=hidden_rest,
            transport=transport,
            credentials=credentials,
            venue=self.venue,
            reconnect=reconnect,
            ping_interval=None if ping_interval is None else in_seconds(ping_interval),
            pong_timeout=in_seconds(pong_timeout),
            stale_after=None if stale_after is None else in_seconds(stale_after),
            heartbeat_timeout=in_seconds(heartbeat_timeout),
            lag_threshold=in_seconds(lag_threshold),
            drop_duplicates=drop_duplicates,
            repair=repair,
            backfill=None if backfill is None else in_seconds(backfill),
        )
        self._redundancy = len(lines) if redundancy is None else arguments.integer("redundancy", redundancy, 1, 100)
        if self._redundancy < len(lines):
            raise ConfigError(f"urls: {len(lines)}, for a redundancy of {self._redundancy}")
        if self._redundancy > 1 and self.venue.merging is None:
            raise ConfigError(f"redundancy: connections of {self.venue.name} cannot be merged")
        if self._redundancy > 1 and not drop_duplicates:
            raise ConfigError(
                "drop_duplicates: with a redundancy, each message arrives on each connection: leave out one of them"
            )
        apart = seconds_apart(shown_url(hidden.reveal()))
        interval = apart if connect_interval is None else in_seconds(connect_interval)
        arguments.above_zero("connect_interval", interval, "of seconds")
        arguments.above_zero("patience", in_seconds(patience), "of seconds")
        schedule = None
        if renew_every is not None or renew_at is not None:
            from rxfeed.feed.renewal_schedule import RenewalSchedule

            schedule = RenewalSchedule.of(self.venue, renew_every, renew_at)
        self._scheduled = schedule is not None
        self._settings = settings
        self._url, self._rest_url = hidden, hidden_rest
        self._transport = transport
        self._credentials = credentials
        self._warn_of_products(subscription)
        nothing = self.venue.grouped(())
        self._subscriptions = SubscriptionManager(nothing if patterns and not ids else subscription, self.venue)
        self._patterns = ProductPatterns(
            self._products_rest, in_seconds(products_every), self._match, (clock or Clock()).real
        )
        arguments.above_zero("products_every", in_seconds(products_every), "of seconds")
        self._explicit: set[Pair] = set(self._subscriptions.desired)
        if backfill is not None and not any(
            channel == self.venue.repairable for channel, _ in self._subscriptions.pairs
        ):
            log.warning(
                "backfill: no product is subscribed to on %r, so no trades are requested: add that channel",
                self.venue.repairable,
            )
        self._of_patterns: set[Pair] = set()
        if patterns:
            self._check_patterns()
            self._patterns.add(patterns, named)
        rest = hidden_rest if self.venue.has_aliases and hidden_rest else None
        self._ids = ProductIds(aliases, self._subscriptions, self._streams, self._products_rest if rest else None)
        self._streams.renamed = self._ids
        self._given_aliases = dict(aliases or {})
        self._warn_of_aliases()
        self._streams.router.admits = OutsideSubscription(self._subscriptions, self._streams.stats, self.venue).admits
        self._make_connections = partial(
            Connections,
            tuple(replace(settings, url=each) for each in lines),
            redundancy=self._redundancy,
            subscriptions=self._subscriptions,
            ids=self._ids,
            streams=self._streams,
            clock=clock or Clock(),
            patience=in_seconds(patience),
            interval=interval,
            schedule=schedule,
        )
        self._connections: Connections | None = None
        self._all_stats = SummedStats(self._streams.stats, self._stats_of_connections)

    @property
    def scheduler(self) -> abc.SchedulerBase:
        """The scheduler of the wall clock, which is the default of reactivex operators that wait."""
        return TimeoutScheduler.singleton()

    # ---- requests

    def add(self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]) -> None:
        """Also subscribe to *channels* for *products*, now and after every reconnect; from any thread, without waiting.

        When the exchange acknowledges the request, `status` emits `Subscribed`; if it refuses, `Rejected`. Changes in
        quick succession are sent in one message. Raises `ConfigError`, or `FeedClosed` if the feed has ended.
        """
        ids, patterns = split(arguments.one_or_many("products", products, str))
        named = list(arguments.one_or_many("channels", channels, (str, Mapping)))
        if patterns:
            self._check_patterns()
            self._checked([], named)
            self._patterns.add(patterns, named)
        if ids or not patterns:
            subscription = self._checked(ids, named)
            subscription.warn_of_products()
            self._explicit.update(self._subscriptions.pairs_of(subscription))
            self._change(self._subscriptions.add, subscription)

    def remove(self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]) -> None:
        """Unsubscribe from *channels* for *products*; without products (`[]`) for all products. Otherwise as `add`."""
        ids, patterns = split(arguments.one_or_many("products", products, str))
        named = list(arguments.one_or_many("channels", channels, (str, Mapping)))
        if patterns:
            self._patterns.remove(patterns, named)
        if ids or not patterns:
            subscription = self._checked(ids, named)
            self._explicit.difference_update(self._subscriptions.pairs_of(subscription))
            self._change(self._subscriptions.remove, subscription)

    def renew_book(self, product_id: str) -> None:
        """Subscribe anew to the books by price of a product, so that they begin with a snapshot; from any thread."""
        self._check_process()
        with self._state:
            connections = [] if self._closing or self._connections is None else self._connections.present
        for each in connections:
            each.loop.renew_book(product_id)

    def send(self, text: str | Secret) -> None:
        """Send *text* to the exchange as it is, once, after the requests that wait; from any thread, without waiting.

        For requests other than those of `add` and `remove`. Requests are sent within the exchange's rate limit. Raises
        `FeedClosed`, and `ConfigError` for what is no text that can be sent.
        """
        if not isinstance(text, str | Secret):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
            raise ConfigError(f"send: a {type(text).__name__} is not a text")
        if not _is_unicode(text):
            raise ConfigError(
                "send: the text has half of a surrogate pair, which no UTF-8 has: check how it was decoded"
            )
        self._send(text)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping with *payload*, at most 125 bytes, in addition to the keepalive pings; otherwise as `send`."""
        whole = isinstance(payload, bytes)  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
        if not whole or len(payload) > _LONGEST_PING:
            raise ConfigError(f"ping: the payload is not bytes, or more than {_LONGEST_PING} of them")
        self._send(payload)

    def _send(self, request: str | Secret | bytes) -> None:
        self._check_process()
        with self._state:
            self.check_open()
            self._subscriptions.user_requests.append(request)
            self._subscriptions.requests_sent |= isinstance(request, str)
            if self._connections is not None:
                self._connections.nudge()

    def _check_patterns(self) -> None:
        if self.venue.rest is None or not self._rest_url:
            raise ConfigError(
                "products: a pattern needs the venue's list of products, and there is none: give rest_url"
            )

    def _match(
        self, requests: list[tuple[list[str], list[ChannelRequest]]], listed: list[str], delisted: list[str]
    ) -> None:
        """Patterns match these products now, for these channels."""
        subscriptions = [each for products, channels in requests for each in self._matched(products, channels)]
        with self._state:
            if self._closing:
                return
            pairs = {pair for each in subscriptions for pair in self._subscriptions.pairs_of(each)}
            gone = self._of_patterns - pairs - self._explicit
            self._of_patterns = pairs
            for each in subscriptions:
                self._subscriptions.add(each)
            self._subscriptions.change((), gone, {})
            self._ids.changed()
            if self._connections is not None:
                self._connections.update()
        for product in listed:
            self._streams.report(ProductListed(product_id=product, at=self._streams.now()))
        for product in delisted:
            self._streams.report(ProductDelisted(product_id=product, at=self._streams.now()))

    def _matched(self, products: list[str], channels: list[ChannelRequest]) -> Iterator[Subscription]:
        """What *channels* are subscribed to where a pattern matches *products*.

        The channel `status` is that of all products, so that it names new ones.
        """
        whole = [each for each in channels if isinstance(each, str) and self.venue.named(each) == self._status_channel]
        if whole:
            yield self._checked([], whole)
        if len(whole) < len(channels):
            yield self._checked(products, [each for each in channels if each not in whole])

    @property
    def _status_channel(self) -> str:
        return self.venue.common.get("status", "")

    def _change(self, change: Callable[[Subscription], None], subscription: Subscription) -> None:
        self._check_process()
        with self._state:
            self.check_open()
            change(subscription)
            self._ids.changed()
            self._warn_of_aliases()
            if self._connections is not None:
                self._connections.update()

    def _checked(
        self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]
    ) -> Subscription:
        return self.venue.subscription(products, channels, signed=self._credentials is not None)

    def _warn_of_aliases(self) -> None:
        """Issue a warning for each product with an alias that is subscribed to, too."""
        products = self._subscriptions.products
        for product in products.keys() & self._given_aliases.keys():
            alias = self._given_aliases[product]
            if alias in products and alias != product:
                warnings.warn(
                    f"products: {product} is delivered as {alias}, which is subscribed to, too: its messages are those "
                    f"of {alias}",
                    UserWarning,
                    stacklevel=4,
                )

    def _products_rest(self) -> ProductsRest:
        return ProductsRest(
            self._rest_url,
            venue=self.venue,
            timeout=PATIENCE,
            ssl_context=self._transport.ssl_context,
            proxy=self._transport.proxy,
        )

    def renew(self) -> None:
        """Replace each connection by a new one, without a gap and without a copy; from any thread, without waiting.

        A new connection is opened and subscribed, and the old one is closed when the new one has brought its first
        messages. `status` emits `Renewed` for each. Raises `FeedClosed` if the feed has ended, and `ConfigError` if it
        was not connected, or if the venue's connections cannot be merged.
        """
        self._check_process()
        self.check_open()
        if self._connections is None:
            raise ConfigError("renew: the feed is not connected yet: call connect() first")
        self._connections.renew()

    # ---- description

    @property
    def stats(self) -> Stats:
        """The counters of all connections together, updated while the feed runs."""
        return self._all_stats

    @property
    def connections(self) -> list[ConnectionInfo]:
        """The connections, each with its number, what it is subscribed to, and its counters; none before `connect`."""
        return [] if self._connections is None else self._connections.infos

    @property
    def url(self) -> str:
        """The URL of the connection, without the parts that may be secret: user, password, query."""
        return shown_url(self._url.reveal())

    @property
    def rest_url(self) -> str:
        """The URL of the REST API, without the parts that may be secret; empty if there is none."""
        return shown_url(self._rest_url.reveal()) if self._rest_url else ""

    @property
    def level3_snapshot(self) -> Callable[[str], Level3Snapshot] | None:
        return self._level3_snapshot

    @cached_property
    def _level3_snapshot(self) -> Callable[[str], Level3Snapshot] | None:
        if not self._rest_url or not self.venue.level3_path:
            return None
        from rxfeed.feed.book_rest import rest_snapshot

        return rest_snapshot(
            self._rest_url,
            venue=self.venue,
            ssl_context=self._transport.ssl_context,
            proxy=self._transport.proxy,
        )

    @property
    def about(self) -> About:
        """The `url` without its secret parts, and the `channels` and `products` of the current subscriptions.

        *renamed*: the products by the ids under which the venue delivers them, where they differ.
        """
        pairs = self._subscriptions.pairs
        about: About = {
            "url": self.url,
            "channels": sorted({channel for channel, _ in pairs}),
            "products": sorted({product for _, product in pairs if product is not None}),
        }
        if renamed := self._ids.renamed:
            about["renamed"] = renamed
        return about

    def redact(self, raw: bytes) -> bytes:
        """*raw* without key, secret and passphrase, and without the newest signatures."""
        return redacted(raw, self._subscriptions.secrets(self._credentials))

    def __repr__(self) -> str:
        if "_subscriptions" not in vars(self) or "_url" not in vars(self):
            return "<Feed with invalid arguments>"  # a traceback with local variables shows this
        about = self.about
        channels, products = ", ".join(about.get("channels", ())), ", ".join(about.get("products", ()))
        return f"<Feed of {channels} for {products or 'no product'} from {self.url}>"

    # ---- begin and end

    def _warn_of_products(self, subscription: Subscription) -> None:
        """Issue a warning for each product with an invalid id, at the line that made the feed."""
        subscription.warn_of_products(3)

    def _status_log(self) -> StatusLog:
        """The object that logs the status."""
        return StatusLog(venue=self.venue)

    def _prepare(self) -> None:
        if not self._patterns.given:
            self._connections = self._make_connections(plan=self._plan())

    def _plan(self) -> ConnectionPlan:
        """The plan of the connections."""
        venue = self.venue
        return ConnectionPlan(
            venue.limits.products, redundancy=self._redundancy, everywhere=venue.connection_heartbeats
        )

    def _work(self) -> Exception | None:
        if self._connections is None:
            try:
                self._patterns.first(self._settings.policy)
            except RxfeedError as error:
                return error
        with self._state:
            if self._closing:
                return None
            if self._connections is None:
                self._connections = self._make_connections(plan=self._plan())
        if self._patterns.given:
            self._follow_status()
        self._patterns.start()
        try:
            return self._connections.run()
        finally:
            self._patterns.close()
            self._patterns.join()

    def _follow_status(self) -> None:
        """Let the messages of the channel `status` name products."""
        types = self.venue.types_of(self._status_channel)
        if types and any(self.venue.types_of(channel) == types for channel, _ in self._subscriptions.desired):
            self._streams.router.add(Observer(self._patterns.status), MessageFilter(types))

    def _interrupt(self) -> None:
        self._patterns.close()
        if self._connections is not None:
            self._connections.close()
        self._ids.close()

    def _delivers_here(self) -> bool:
        here = threading.current_thread()
        return super()._delivers_here() or (self._connections is not None and self._connections.delivers(here))

    def _stats_of_connections(self) -> list[Stats]:
        return [] if self._connections is None else self._connections.stats()


def _is_unicode(text: str | Secret) -> bool:
    """True if *text* can be encoded; an exception of the encoder would show it."""
    try:
        revealed(text).encode()
    except UnicodeEncodeError:
        return False
    return True
