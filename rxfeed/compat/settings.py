"""The classic client's settings, as a session uses them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rxfeed.compat import hosts
from rxfeed.compat.advanced import Plan, Translator, aliases_of
from rxfeed.compat.channels import PRIVATE, Requested, names_of, requested
from rxfeed.compat.contents import ContentDispatcher, Reader
from rxfeed.compat.notices import Kind, note
from rxfeed.compat.types import Attribute
from rxfeed.core import Reconnect
from rxfeed.errors import AuthenticationFailed, HostRetired
from rxfeed.feed import Disconnected, FeedStatus, Rejected, StatusLog, SteppedFeed, Unacknowledged
from rxfeed.market import Message
from rxfeed.secrets import Secret
from rxfeed.transport import HttpClient
from rxfeed.venues import COINBASE_ADVANCED, Subscription, Venue
from rxfeed.venues.coinbase_advanced import AdvancedSubscription
from rxfeed.venues.coinbase_exchange import DEFAULT_URL, Credentials, ExchangeSubscription, remedy

if TYPE_CHECKING:
    from rxfeed.compat.websocket_client import WebsocketClient


class ClassicFeed(SteppedFeed):
    """A feed with the log of the classic client: its INFO line for each session is the client's own."""

    _quiet: ClassVar[tuple[type[FeedStatus], ...]] = ()

    translator: Translator | None = None
    """Makes the dicts of the classic, on a venue with other messages."""

    def read_by(self, reader: Reader, arrived: Callable[[Message], None]) -> None:
        """Subscribe *arrived*, or pass the content of frames to *reader* where it takes that."""
        self.subscribe(arrived, lambda error: None)  # `cause` has it
        if self.translator is None:
            reader.observer = self._streams.router.observers[-1]
            self._streams.dispatcher = partial(ContentDispatcher, reader)

    def _status_log(self) -> StatusLog:
        remedy = None if self.venue is COINBASE_ADVANCED else _remedy
        return StatusLog(quiet=self._quiet, venue=self.venue, remedy=remedy, level=logging.DEBUG)

    def explain(self, product: str) -> None:
        """The log has the reason why *product* has no data, so the feed need not report it."""
        self._ids.explained.add(product)

    def _warn_of_products(self, subscription: Subscription) -> None:
        # The client issues them as warnings, at the script's line.
        assert isinstance(subscription, ExchangeSubscription | AdvancedSubscription)
        self.invalid_products = list(subscription.invalid_products())


class _ReportedFeed(ClassicFeed):
    """A feed with an end that the client's `on_error` reports, so that the log does not have it as a warning, too."""

    _quiet = (Disconnected,)


class _RefusedFeed(ClassicFeed):
    """A feed with a refusal that the client's `on_error` reports."""

    _quiet = (Disconnected, Rejected, Unacknowledged)


class ClientSettings(NamedTuple):
    """The attributes read at connect, in the form in which they are used."""

    url: Attribute  # a `Secret` where it is a text
    products: Attribute
    venue: Venue
    requested: Requested
    credentials: tuple[Attribute, Attribute, Attribute] | None  # the last two are a `Secret` where they are texts
    reconnect: bool | Reconnect
    ping_interval: float | None

    @classmethod
    def of(
        cls, client: WebsocketClient, reconnect: bool | Reconnect, ping_interval: float | None, venue: Venue | None
    ) -> ClientSettings:
        url, products = client.url, client.products
        if isinstance(url, str) and url.endswith("/"):
            url = url[:-1]
        if products is None:
            products = ["BTC-USD"]
        elif isinstance(products, str):
            products = [products]
        elif not isinstance(products, list):
            products = list(products)
        signed, where = bool(client.auth), hosts.of(venue, url)
        keys = (client.api_key, _hidden(client.api_secret), _hidden(client.api_passphrase))
        url = _hidden(url)
        channels = requested(client, client.channels, products, signed, where)
        signs = signed and where is not COINBASE_ADVANCED
        return cls(url, products, where, channels, keys if signs else None, reconnect, ping_interval)

    @property
    def channels(self) -> Attribute:
        """The channels to subscribe to."""
        return self.requested.channels

    def feed(self) -> ClassicFeed:
        """A feed with these settings; raises `ConfigError` for one that can never work."""
        interval = self.ping_interval
        kind = ClassicFeed if self.reconnect else _RefusedFeed if self._only_private else _ReportedFeed
        url, credentials = self.url, Credentials(*self.credentials) if self.credentials else None
        servers = hosts.redirection(self.venue)
        if servers is not None:
            url, credentials = Secret(servers.websocket), servers.credentials if credentials else None
        plan = self._plan()
        feed = kind(
            self.products if plan is None else [],
            self.channels if plan is None else plan.channels,
            venue=self.venue,
            aliases=None if plan is None else aliases_of(plan.products, self._get),
            url=url,
            credentials=credentials,
            reconnect=self.reconnect,
            ping_interval=interval,
            # Frequent pings are to detect a dead connection soon; even a busy machine answers within two seconds.
            pong_timeout=min(10.0, max(2.0, interval)) if isinstance(interval, int | float) else 10.0,
            stale_after=None,  # old scripts listen to quiet channels; the pings show whether the connection is alive
            drop_duplicates=False,
        )
        feed.translator = None if plan is None else Translator(plan, feed.explain)
        return feed

    def _plan(self) -> Plan | None:
        if self.venue is not COINBASE_ADVANCED:
            return None
        try:
            return Plan(self.channels, self.products)
        except AuthenticationFailed as error:
            note(Kind.UNAVAILABLE, str(error))
            raise

    def _get(self, path: str) -> bytes:
        """The body of a response of the REST API."""
        servers = hosts.redirection(self.venue)
        url = self.url.reveal() if isinstance(self.url, Secret) else ""
        base = self.venue.rest_url_for(url) if servers is None else servers.rest
        return HttpClient(base).get(path).body

    @property
    def _only_private(self) -> bool:
        return (
            self.venue is not COINBASE_ADVANCED and not self.credentials and PRIVATE.issuperset(names_of(self.channels))
        )

    def refusal(self, content: object) -> AuthenticationFailed | None:
        """The error to report if *content* refuses all channels because there is no signature; otherwise `None`."""
        if not isinstance(content, dict) or content.get("type") != "error" or not self._only_private:
            return None
        reason = content.get("reason")
        if not isinstance(reason, str) or "require" not in reason or "authentication" not in reason:
            return None
        return AuthenticationFailed(
            f"{', '.join(names_of(self.channels))}: Coinbase gives this to authenticated clients only: set auth=True "
            "with api_key, api_secret and api_passphrase of an Exchange account, or use level2_batch, matches or "
            f"ticker, which need no key (the exchange said: {reason})"
        )


def _remedy(message: str, reason: str | None) -> str:
    """What to do about what the exchange rejects, with the arguments of the classic client."""
    what = remedy(message, reason)
    if what.startswith("give credentials"):
        return "set auth=True with api_key, api_secret and api_passphrase, or use level2_batch, matches or ticker"
    return what


def _hidden(value: object) -> object:
    """A text as a `Secret`; another value, which will be refused where it is used, as it is."""
    return Secret(value) if isinstance(value, str) else value


def explained(error: Exception) -> Exception:
    """*error* itself, with the remedy added to its text if one is known."""
    if isinstance(error, HostRetired) and "set url to" not in str(error):
        error.args = (f"{error}: this host is gone for good: set url to {DEFAULT_URL}",)
    return error
