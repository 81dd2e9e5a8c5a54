"""The classic client's settings, as a session uses them."""

from __future__ import annotations

from typing import Any, NamedTuple

from rxfeed.core import Reconnect
from rxfeed.errors import AuthenticationFailed, HostRetired
from rxfeed.feed import Disconnected, Feed, StatusLog
from rxfeed.secrets import Secret
from rxfeed.venues import COINBASE_EXCHANGE
from rxfeed.venues.coinbase_exchange import DEFAULT_URL, Credentials, remedy

_PRIVATE = {"level2", "level3", "full", "user", "rfq_matches", "balance"}


class _ReportedFeed(Feed):
    """A feed with an end that the client's `on_error` reports, so that the log does not have it as a warning, too."""

    def _status_log(self) -> StatusLog:
        return StatusLog(quiet=[Disconnected], venue=self.venue, remedy=_remedy)


class ClientSettings(NamedTuple):
    """The attributes read at connect, in the form in which they are written back."""

    url: Any  # a `Secret` where it is a text
    products: Any
    channels: Any
    credentials: tuple[Any, Any, Any] | None  # the last two are a `Secret` where they are texts
    reconnect: bool | Reconnect
    ping_interval: float | None

    @classmethod
    def of(cls, client: Any, reconnect: bool | Reconnect, ping_interval: float | None) -> ClientSettings:
        url, products, channels = client.url, client.products, client.channels
        if isinstance(url, str) and url.endswith("/"):
            url = url[:-1]
        if products is None:
            products = ["BTC-USD"]
        elif isinstance(products, str):
            products = [products]
        elif not isinstance(products, list):
            products = list(products)
        if channels is None:
            channels = [{"name": "ticker", "product_ids": products}]
        keys = (client.api_key, _hidden(client.api_secret), _hidden(client.api_passphrase))
        url = _hidden(url)
        return cls(url, products, channels, keys if client.auth else None, reconnect, ping_interval)

    def feed(self) -> Feed:
        """A Feed with these settings; raises `ConfigError` for one that can never work."""
        interval = self.ping_interval
        make = Feed if self.reconnect else _ReportedFeed
        return make(
            self.products,
            self.channels,
            venue=COINBASE_EXCHANGE,
            url=self.url,
            credentials=Credentials(*self.credentials) if self.credentials else None,
            reconnect=self.reconnect,
            ping_interval=interval,
            # Frequent pings are to detect a dead connection soon; even a busy machine answers within two seconds.
            pong_timeout=min(10.0, max(2.0, interval)) if isinstance(interval, int | float) else 10.0,
            stale_after=None,  # old scripts listen to quiet channels; the pings show whether the connection is alive
            drop_duplicates=False,
        )

    def refusal(self, content: Any) -> AuthenticationFailed | None:
        """The error to report if *content* refuses all channels for want of a signature; otherwise `None`."""
        if not isinstance(content, dict) or content.get("type") != "error" or self.credentials:
            return None
        reason = content.get("reason")
        if not isinstance(reason, str) or "require" not in reason or "authentication" not in reason:
            return None
        channels = self.channels if isinstance(self.channels, list | tuple) else [self.channels]
        names = [channel["name"] if isinstance(channel, dict) else str(channel) for channel in channels]
        if not _PRIVATE.issuperset(names):
            return None  # the public ones go on, as they always did
        return AuthenticationFailed(
            f"{', '.join(names)}: Coinbase gives this to authenticated clients only: set auth=True with api_key, "
            "api_secret and api_passphrase of an Exchange account, or use level2_batch, matches or ticker, "
            f"which need no key (the exchange said: {reason})"
        )


def _remedy(message: str, reason: str | None) -> str:
    """What to do about what the exchange rejects, with the arguments of the classic client."""
    what = remedy(message, reason)
    if what.startswith("give credentials"):
        return "set auth=True with api_key, api_secret and api_passphrase, or use level2_batch, matches or ticker"
    return what


def _hidden(value: Any) -> Any:
    """A text as a `Secret`; another value, which will be refused where it is used, as it is."""
    return Secret(value) if isinstance(value, str) else value


def explained(error: Exception) -> Exception:
    """*error* itself, with the remedy added to its text if one is known."""
    if isinstance(error, HostRetired):
        error.args = (f"{error}: this host is gone for good: set url to {DEFAULT_URL}",)
    return error
