"""Coinbase Advanced Trade as a `Venue`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from rxfeed.core import GapDetector
from rxfeed.market import Message
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_advanced import messages as m
from rxfeed.venues.coinbase_advanced.auth import AdvancedCredentials
from rxfeed.venues.coinbase_advanced.channels import BOOK, BOOK_FRAME, COMMON, TABLE
from rxfeed.venues.coinbase_advanced.decode import AdvancedDecoder, names_in
from rxfeed.venues.coinbase_advanced.errors import refusal, remedy
from rxfeed.venues.coinbase_advanced.gaps import AdvancedGaps
from rxfeed.venues.coinbase_advanced.hosts import DEFAULT_URL, HOSTS, REST_URL, checked_url, url_for
from rxfeed.venues.coinbase_advanced.identity import message_id
from rxfeed.venues.coinbase_advanced.merging import AdvancedMerging
from rxfeed.venues.coinbase_advanced.numbers import AdvancedNumbers
from rxfeed.venues.coinbase_advanced.requests import MOST_BOOKS, AdvancedSubscription, likely_product, signature
from rxfeed.venues.coinbase_advanced.rest import AdvancedRest
from rxfeed.venues.rest import RestTrade
from rxfeed.venues.venue import ChannelRequest, Limits, Observed, Refusal, Venue

T = TypeVar("T", m.MarketTrade, m.PriorMarketTrade)


class CoinbaseAdvanced(Venue):
    """The feed of https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-overview."""

    name = "coinbase_advanced"
    default_url = DEFAULT_URL
    hosts = HOSTS
    channels = TABLE
    types = m.BARE.__args__
    without_data = frozenset(("subscriptions", "error", "heartbeats", "status", "futures_balance_summary"))
    credentials = (AdvancedCredentials,)
    credentials_hint = (
        "give AdvancedCredentials(key_name, private_key), or AdvancedCredentials.from_env() or .from_file()"
    )
    credentials_check = "check the key's name and the private key, and that the key may view the account"
    # https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-rate-limits
    limits = Limits(messages_per_second=8.0, connections_per_second=8.0, products={"level2": MOST_BOOKS})
    common = COMMON
    rest_url = REST_URL
    rest = AdvancedRest()
    has_aliases = True
    numbers = AdvancedNumbers()
    merging = AdvancedMerging()

    def url(self, url: str, *, stacklevel: int = 2) -> str:
        try:
            return checked_url(url)
        finally:
            url = ""  # it may hold a password, which a traceback with local variables would show

    def url_for(self, channels: Iterable[str]) -> str:
        return url_for(channels)

    def subscription(
        self,
        products: str | Iterable[str],
        channels: ChannelRequest | Iterable[ChannelRequest],
        *,
        signed: bool = False,
    ) -> AdvancedSubscription:
        return AdvancedSubscription.of(products, channels)

    def grouped(self, channels: tuple[dict[str, object], ...]) -> AdvancedSubscription:
        return AdvancedSubscription((), channels)

    def secrets(self, credentials: AdvancedCredentials) -> list[str]:
        return [credentials.key_name, credentials.private_key.reveal()]

    def signature(self, request: Secret) -> Secret:
        return signature(request)

    def likely_product(self, product: str) -> str | None:
        return likely_product(product)

    def decoder(
        self,
        *,
        stored: bool = False,
        renamed: Mapping[str, str] | None = None,
        observed: Observed | None = None,
    ) -> AdvancedDecoder:
        return AdvancedDecoder(renamed, observed)

    def types_named(self, name: str | None) -> frozenset[type[Message]]:
        # A frame names its channel, that of a book by a name of its own.
        return frozenset() if name is None else self.types_of({BOOK_FRAME: BOOK}.get(name, name))

    def names_in(self, beginning: bytes) -> tuple[str | None, str | None]:
        return names_in(beginning)

    def gaps(self) -> GapDetector:
        return AdvancedGaps()

    def repaired(self, message: Message) -> Message:
        return m.as_new(message) if isinstance(message, m.PriorMarketTrade) else message

    def new_trade(self, trade: RestTrade) -> m.MarketTrade | None:
        return self._trade(m.MarketTrade, trade)

    def prior_trade(self, trade: RestTrade) -> m.PriorMarketTrade | None:
        return self._trade(m.PriorMarketTrade, trade)

    @staticmethod
    def _trade(kind: type[T], trade: RestTrade) -> T | None:
        if trade.maker_side is None:
            return None
        return kind(
            product_id=trade.product_id,
            trade_id=trade.trade_id,
            price=trade.price,
            size=trade.size,
            time=trade.time,
            side=trade.maker_side,
        )

    def identity(self, message: Message) -> str:
        return message_id(message)

    def stored_type(self, document: Mapping[str, object]) -> type[Message] | None:
        # A frame has a channel; an error of the venue is the same with and without a frame.
        return None if "events" in document else super().stored_type(document)

    def refusal(self, message: str, reason: str | None) -> Refusal | None:
        return refusal(message, reason)

    def remedy(self, message: str, reason: str | None) -> str:
        return remedy(message, reason)


COINBASE_ADVANCED = CoinbaseAdvanced()
