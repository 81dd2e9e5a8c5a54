"""The requests to the exchange: subscribe, unsubscribe."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from rxfeed.core import arguments
from rxfeed.errors import ConfigError
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_exchange.auth import Credentials
from rxfeed.venues.coinbase_exchange.auth import signed as with_signature
from rxfeed.venues.coinbase_exchange.channels import COMMON, NAMES, common_channel
from rxfeed.venues.coinbase_exchange.names import can_be_product, likely_channel, likely_product
from rxfeed.venues.venue import ChannelObject

Kind = Literal["subscribe", "unsubscribe"]
Channel = str | Mapping[str, object]
"""A channel's name, or the exchange's object for one: `{"name": "ticker", "product_ids": ["BTC-USD"]}`."""


class ExchangeSubscription(msgspec.Struct, frozen=True):
    """The products and channels of one connection, checked."""

    products: tuple[str, ...]
    channels: tuple[str | ChannelObject, ...]

    @classmethod
    def of(
        cls, products: str | Iterable[str], channels: Channel | Iterable[Channel], *, signed: bool = False
    ) -> ExchangeSubscription:
        """The subscription to *products* and *channels*, each one or many. Raises `ConfigError`.

        *signed*: with credentials; then `book` is `level2`.

        >>> ExchangeSubscription.of("BTC-USD", ["ticker", "heartbeat"]).text()
        '{"type":"subscribe","product_ids":["BTC-USD"],"channels":["ticker","heartbeat"]}'
        """
        checked = tuple(
            _channel(channel, signed) for channel in arguments.one_or_many("channels", channels, (str, Mapping))
        )
        if not checked:
            raise ConfigError("channels: name at least one, 'ticker' for example")
        return cls(tuple(dict.fromkeys(arguments.one_or_many("products", products, str))), checked)

    def invalid_products(self) -> Iterator[str]:
        """A text for each product with an invalid id, with a suggestion."""
        own = (item for each in self.channels if isinstance(each, dict) for item in each.get("product_ids") or ())
        for product in dict.fromkeys((*self.products, *own)):
            if isinstance(product, str) and not can_be_product(product):
                likely = likely_product(product)
                remedy = "they are named as in BTC-USD" if likely is None else f"did you mean {likely!r}?"
                yield f"products: {product!r} cannot be a product: {remedy}"

    def warn_of_products(self, stacklevel: int = 2) -> None:
        """Issue a warning for each product with an invalid id, with a suggestion."""
        for text in self.invalid_products():
            warnings.warn(text, UserWarning, stacklevel + 1)

    def text(self, kind: Kind = "subscribe") -> str:
        """The message to send, unsigned."""
        message: dict[str, object] = {"type": kind}
        if self.products:
            message["product_ids"] = self.products
        message["channels"] = self.channels
        return msgspec.json.encode(message).decode()

    def requests(self, kind: Kind, credentials: Credentials | None, timestamp: str) -> list[str | Secret]:
        """The one message to send, with *credentials* signed at *timestamp* (Unix seconds, as text)."""
        text = self.text(kind)
        if credentials is None:
            return [text]
        # The signature is appended, because encoding the other fields can fail, and a traceback shows what was encoded.
        return [Secret(f"{text[:-1]},{msgspec.json.encode(with_signature(credentials, timestamp)).decode()[1:]}")]


class _SignedRequest(msgspec.Struct):
    signature: str = ""


def signature(request: Secret) -> Secret:
    """The signature in a signed *request*."""
    return Secret(_decode_signed(request.reveal()).signature)


_decode_signed = msgspec.json.Decoder(_SignedRequest).decode


def _channel(channel: Channel, signed: bool) -> str | dict[str, object]:
    if isinstance(channel, str):
        if not channel:
            raise ConfigError("channels: '' cannot be one")
        return _known(channel, signed)
    name = channel.get("name")
    if not isinstance(name, str):
        raise ConfigError(f"channels: {channel!r} has no 'name'")
    return {**channel, "name": _known(name, signed)}


def _known(name: str, signed: bool) -> str:
    """The exchange's own name of a channel; raises `ConfigError`."""
    name = common_channel(name, signed=signed)
    if name in NAMES:
        return name
    likely = likely_channel(name)
    remedy = "" if likely is None else f"; did you mean {likely!r}?"
    raise ConfigError(
        f"channels: {name!r} is not a channel of the exchange: it has {', '.join(NAMES)}, and as on every venue "
        f"{', '.join(sorted(COMMON))}{remedy}"
    )
