"""The requests to the venue: one channel a message."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_advanced.auth import AdvancedCredentials
from rxfeed.venues.coinbase_advanced.channels import BOOK, COMMON, NAMES, WITHOUT_PRODUCTS
from rxfeed.venues.suggestions import similar_channel, similar_product
from rxfeed.venues.venue import ChannelObject, ChannelRequest, Kind

MOST_BOOKS = 30
"""Products of level2 on one connection; the venue refuses a subscription to more."""
_PRODUCT = re.compile(r"[A-Z0-9]+(-[A-Z0-9]+)+")
_OTHER_NAMES = {
    "l2_data": BOOK,
    "matches": "market_trades",
    "trade": "market_trades",
    "level2_batch": BOOK,
    "orderbook": BOOK,
    "order_book": BOOK,
    "ticker_1000": "ticker_batch",
    "orders": "user",
}


class AdvancedSubscription(msgspec.Struct, frozen=True):
    """The products and channels of one connection, checked."""

    products: tuple[str, ...]
    channels: tuple[str | ChannelObject, ...]

    @classmethod
    def of(
        cls, products: str | Iterable[str], channels: ChannelRequest | Iterable[ChannelRequest]
    ) -> AdvancedSubscription:
        """The subscription to *products* and *channels*, each one or many. Raises `ConfigError`.

        >>> from rxfeed.venues.coinbase_advanced import AdvancedSubscription
        >>> AdvancedSubscription.of("BTC-USD", ["trades", "heartbeats"]).requests("subscribe", None, "0")
        ['{"type":"subscribe","channel":"market_trades","product_ids":["BTC-USD"]}', \
'{"type":"subscribe","channel":"heartbeats"}']
        """
        checked = tuple(_channel(channel) for channel in arguments.one_or_many("channels", channels, (str, Mapping)))
        if not checked:
            raise ConfigError("channels: name at least one, 'ticker' for example")
        return cls(tuple(dict.fromkeys(arguments.one_or_many("products", products, str))), checked)

    def requests(self, kind: Kind, credentials: AdvancedCredentials | None, timestamp: str) -> list[str | Secret]:
        """The messages to send, one for each channel; with *credentials* each has a JWT of its own."""
        requests: list[str | Secret] = []
        for name, products in self._by_channel().items():
            message: dict[str, object] = {"type": kind, "channel": name}
            if products:
                message["product_ids"] = products
            text = msgspec.json.encode(message).decode()
            if credentials is not None:
                requests.append(Secret(f'{text[:-1]},"jwt":"{credentials.token(timestamp).reveal()}"}}'))
            else:
                requests.append(text)
        return requests

    def warn_of_products(self, stacklevel: int = 2) -> None:
        """Issue a warning for each product with an invalid id."""
        for text in self._invalid_ids():
            warnings.warn(text, UserWarning, stacklevel + 1)

    def invalid_products(self) -> Iterator[str]:
        """A text for each product with an invalid id, with a suggestion, and for too many products of level2."""
        yield from self._invalid_ids()
        books = len(self._by_channel().get(BOOK, ()))
        if books > MOST_BOOKS:
            yield (
                f"products: {books} of level2, of which the venue takes {MOST_BOOKS} a connection: "
                "spread them over several feeds"
            )

    def _invalid_ids(self) -> Iterator[str]:
        for product in dict.fromkeys(product for products in self._by_channel().values() for product in products):
            if not _PRODUCT.fullmatch(product):
                likely = likely_product(product)
                remedy = "they are named as in BTC-USD" if likely is None else f"did you mean {likely!r}?"
                yield f"products: {product!r} cannot be a product: {remedy}"

    def _by_channel(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for channel in self.channels:
            name, own = (channel, ()) if isinstance(channel, str) else (channel["name"], channel.get("product_ids"))
            products = found.setdefault(name, [])
            if name not in WITHOUT_PRODUCTS:
                products += [each for each in dict.fromkeys((*self.products, *(own or ()))) if each not in products]
        return found


class _TokenRequest(msgspec.Struct):
    jwt: str = ""

    def __repr__(self) -> str:
        return "_TokenRequest()"


_decode_signed = msgspec.json.Decoder(_TokenRequest).decode


def signature(request: Secret) -> Secret:
    """The JWT in a signed *request*."""
    return Secret(_decode_signed(request.reveal()).jwt)


def _channel(channel: ChannelRequest) -> str | dict[str, object]:
    if isinstance(channel, str):
        return _known(channel)
    name = channel.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"channels: {channel!r} has no 'name'")
    own = channel.get("product_ids") or ()
    return {**channel, "name": _known(name), "product_ids": arguments.one_or_many("products", own, str)}


def _known(name: str) -> str:
    """The venue's own name of a channel; raises `ConfigError`."""
    known = COMMON.get(name, name)
    if known in NAMES:
        return known
    likely = likely_channel(name)
    remedy = "" if likely is None else f"; did you mean {likely!r}?"
    raise ConfigError(
        f"channels: {name!r} is not a channel of Advanced Trade: it has {', '.join(NAMES)}, and as on every venue "
        f"{', '.join(sorted(COMMON))}{remedy}"
    )


def likely_channel(name: str) -> str | None:
    """The channel that *name* may mean; `None` if no name is similar.

    >>> from rxfeed.venues.coinbase_advanced.requests import likely_channel
    >>> likely_channel("matches"), likely_channel("heartbeats "), likely_channel("full")
    ('market_trades', 'heartbeats', None)
    """
    return similar_channel(name, (*NAMES, *COMMON), _OTHER_NAMES)


def likely_product(product: str) -> str | None:
    """The id that *product* may mean; `None` if none is likely.

    >>> from rxfeed.venues.coinbase_advanced.requests import likely_product
    >>> likely_product("btc/usd"), likely_product("BTC-USD"), likely_product("?")
    ('BTC-USD', None, None)
    """
    return similar_product(product, _PRODUCT)
