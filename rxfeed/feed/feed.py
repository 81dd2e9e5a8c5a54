"""The Feed: a live connection as a source of messages, with its subscriptions and requests."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, partial

from reactivex import abc
from reactivex.scheduler import TimeoutScheduler

from rxfeed.core import Level3Snapshot, Reconnect, Repair, Seconds, in_seconds
from rxfeed.errors import ConfigError
from rxfeed.feed.book_rest import rest_snapshot
from rxfeed.feed.clock import Clock
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.outside import OutsideSubscription
from rxfeed.feed.product_ids import PATIENCE, ProductIds
from rxfeed.feed.products_rest import ProductsRest
from rxfeed.feed.reconnect_loop import ReconnectLoop
from rxfeed.feed.settings import FeedSettings
from rxfeed.feed.source import About, MessageSource
from rxfeed.feed.status_log import StatusLog
from rxfeed.feed.subscription_manager import SubscriptionManager
from rxfeed.secrets import Secret, redacted, revealed, secret, shown_url
from rxfeed.transport import TransportOptions
from rxfeed.venues import ChannelRequest, Subscription, Venue, venue_at
from rxfeed.venues import venue as venue_of

_LONGEST_PING = 125  # bytes, by RFC 6455


class Feed(MessageSource):
    """A hot Observable of all `Message`s of one connection: compose and subscribe first, then `connect()`.

        from rxfeed import Feed, window_volume

        feed = Feed("BTC-USD", ["matches", "heartbeat"])
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    Messages arrive on the feed's own thread, in the order in which the exchange sent them. A subscriber that raises is
    unsubscribed and gets the exception in its own `on_error`; the other subscribers and the connection continue. If the
    connection is lost or goes silent, the feed reconnects and resubscribes. Gaps are reported on `status`, and raise
    the messages' `epoch`. A feed ends once: it completes if it was closed. It fails if a certificate cannot be
    verified, credentials are rejected, the host is retired, or `Reconnect.retries` is reached.

    - *venue*: its name, or a `Venue`; `None`: the venue of the *url*'s host, and Coinbase Exchange if that is no known
      host.
    - *products*, *channels*: one or many. A channel is named as the venue does, or by a name that is the same for every
      venue: `trades`, `book`, `ticker`, `heartbeat`, `user`, `status`. It may be the venue's object, with its own
      products.
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
    - *drop_duplicates*: False delivers duplicates too (they are counted in either case).
    - *repair*: True, or a `Repair`: trades that were missed are requested from the REST API, and the product's trades
      and heartbeats are held meanwhile. `docs/how_to/repair.md` has the rules. False: a gap is reported at once.
    - *backfill*: seconds: the trades of so long before the first connection are requested from the REST API, and
      delivered as `PriorTrade`s before the live ones, so that the first windows are complete. The same page has the
      rules. `None`: none are requested.
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
        count_items: bool = False,
        max_size: int = 64 * 1024 * 1024,
        connect_timeout: Seconds = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | Secret | None = None,
        headers: Mapping[str, str | Secret] | None = None,
        clock: Clock | None = None,
    ) -> None:
        found: Venue | None = None
        try:
            found = venue_of(venue_at("" if url is None else revealed(url)) if venue is None else venue)
            super().__init__(FeedStreams(in_seconds(lag_threshold), venue=found), count_items=count_items)
            self._streams.status_log = self._status_log()
            subscription = found.subscription(products, channels, signed=credentials is not None)
            default = found.url_for(each if isinstance(each, str) else each["name"] for each in subscription.channels)
            hidden = Secret(found.url(revealed(default if url is None else url)))
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
            url, rest_url, proxy, headers = "", "", None, None
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
        self._url, self._rest_url = hidden, hidden_rest
        self._transport = transport
        self._credentials = credentials
        self._warn_of_products(subscription)
        self._subscriptions = SubscriptionManager(subscription, self.venue)
        rest = hidden_rest if self.venue.has_aliases and hidden_rest else None
        self._ids = ProductIds(aliases, self._subscriptions, self._streams, self._products_rest if rest else None)
        self._streams.renamed = self._ids
        self._given_aliases = dict(aliases or {})
        self._warn_of_aliases()
        self._streams.router.admits = OutsideSubscription(self._subscriptions, self._streams.stats, self.venue).admits
        self._make_loop = partial(
            ReconnectLoop, settings, self._subscriptions, self._ids, self._streams, clock or Clock()
        )
        self._loop: ReconnectLoop | None = None

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
        self._checked(products, channels).warn_of_products()
        self._change(self._subscriptions.add, products, channels)

    def remove(self, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]) -> None:
        """Unsubscribe from *channels* for *products*; without products (`[]`) for all products. Otherwise as `add`."""
        self._change(self._subscriptions.remove, products, channels)

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
            if self._loop is not None:
                self._loop.nudge()

    def _change(
        self,
        change: Callable[[Subscription], None],
        products: str | Iterable[str],
        channels: ChannelRequest | Iterable[ChannelRequest],
    ) -> None:
        subscription = self._checked(products, channels)
        self._check_process()
        with self._state:
            self.check_open()
            change(subscription)
            self._ids.changed()
            self._warn_of_aliases()
            if self._loop is not None:
                self._loop.nudge()

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

    # ---- description

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
        self._loop = self._make_loop()

    def _work(self) -> Exception | None:
        assert self._loop is not None
        return self._loop.run()

    def _interrupt(self) -> None:
        assert self._loop is not None
        self._loop.close()


def _is_unicode(text: str | Secret) -> bool:
    """True if *text* can be encoded; an exception of the encoder would show it."""
    try:
        revealed(text).encode()
    except UnicodeEncodeError:
        return False
    return True
