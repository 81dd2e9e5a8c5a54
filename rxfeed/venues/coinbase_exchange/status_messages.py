"""The messages of `status`: what is traded, and in what state it is."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from rxfeed.market import Message, check


class StatusProduct(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A product: *status* is online, offline, internal or delisted."""

    id: str
    base_currency: str | None = None
    quote_currency: str | None = None
    base_increment: Decimal | None = None
    quote_increment: Decimal | None = None
    display_name: str | None = None
    status: str | None = None
    status_message: str | None = None
    min_market_funds: Decimal | None = None
    post_only: bool | None = None
    limit_only: bool | None = None
    cancel_only: bool | None = None
    auction_mode: bool | None = None
    fx_stablecoin: bool | None = None

    def __post_init__(self) -> None:
        check(self.base_increment, self.quote_increment, self.min_market_funds)


class StatusNetwork(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A network that a currency can be moved over; amounts in the currency, times in seconds."""

    id: str
    name: str | None = None
    status: str | None = None
    min_withdrawal_amount: Decimal | None = None
    max_withdrawal_amount: Decimal | None = None
    network_confirmations: int | None = None
    processing_time_seconds: Decimal | None = None

    def __post_init__(self) -> None:
        check(self.min_withdrawal_amount, self.max_withdrawal_amount, self.processing_time_seconds)


class StatusCurrency(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A currency; its free-form `details` are in the message's `content`."""

    id: str
    name: str | None = None
    display_name: str | None = None
    min_size: Decimal | None = None
    max_precision: Decimal | None = None
    status: str | None = None
    status_message: str | None = None
    convertible_to: tuple[str, ...] | None = None
    default_network: str | None = None
    supported_networks: tuple[StatusNetwork, ...] | None = None

    def __post_init__(self) -> None:
        check(self.min_size, self.max_precision)


class Status(Message, frozen=True, kw_only=True, gc=False, tag="status"):
    """All products and currencies, now and then."""

    products: tuple[StatusProduct, ...]
    currencies: tuple[StatusCurrency, ...]
