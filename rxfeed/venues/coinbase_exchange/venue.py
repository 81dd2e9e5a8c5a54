"""Coinbase Exchange as a `Venue`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from rxfeed.core import GapDetector
from rxfeed.errors import ServerClosed
from rxfeed.market import Message
from rxfeed.secrets import Secret, host_of
from rxfeed.venues.coinbase_exchange import messages as m
from rxfeed.venues.coinbase_exchange.auth import Credentials
from rxfeed.venues.coinbase_exchange.channels import COMMON, TABLE, common_channel
from rxfeed.venues.coinbase_exchange.decode import LEVEL3_SCHEMA, ExchangeDecoder, Known, names_in
from rxfeed.venues.coinbase_exchange.errors import closed, refusal, remedy
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from rxfeed.venues.coinbase_exchange.hosts import (
    BOOK_PATH,
    DEFAULT_URL,
    HOSTS,
    REST_URL,
    RETIRED,
    SANDBOX_REST_URL,
    SANDBOX_URL,
    live_url,
)
from rxfeed.venues.coinbase_exchange.identity import message_id
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from rxfeed.venues.coinbase_exchange.names import likely_product
from rxfeed.venues.coinbase_exchange.numbers import ExchangeNumbers
from rxfeed.venues.coinbase_exchange.requests import Channel, ExchangeSubscription, signature
from rxfeed.venues.coinbase_exchange.rest import ExchangeRest
from rxfeed.venues.coinbase_exchange.skimming import ExchangeSkimmer
from rxfeed.venues.coinbase_exchange.texts import TEXTS
from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.rest import RestTrade
from rxfeed.venues.skimming import Skim
from rxfeed.venues.venue import Limits, Observed, Refusal, Venue

# A level3 message has the type of one on `full`. The field by which they differ, and True where level3 has it.
_LEVEL3: dict[str, tuple[type[Message], str, bool]] = {
    "open": (m.Level3Open, "remaining_size", False),
    "done": (m.Level3Done, "side", False),
    "match": (m.Level3Match, "side", False),
    "change": (m.Level3Change, "size", True),
    "noop": (m.Level3Noop, "side", False),
}

T = TypeVar("T", m.Match, m.LastMatch)


class CoinbaseExchange(Venue):
    """The feed of https://docs.cdp.coinbase.com/exchange/websocket-feed/overview."""

    name = "coinbase_exchange"
    default_url = DEFAULT_URL
    hosts = HOSTS | RETIRED.keys()
    channels = TABLE
    # Of two types with one tag the last one is found by it.
    types = (*(kind for kind, _, _ in _LEVEL3.values()), *Known.__args__, m.Level3Schema)
    quick_types = Known.__args__
    texts = TEXTS
    without_data = frozenset(("subscriptions", "error", "heartbeat", "status", "balance", "level3"))
    credentials = (Credentials,)
    credentials_hint = "give Credentials(key, secret, passphrase), or Credentials.from_env()"
    # https://docs.cdp.coinbase.com/exchange/websocket-feed/rate-limits
    limits = Limits(messages_per_second=8.0, connections_per_second=8.0)
    # https://docs.cdp.coinbase.com/exchange/introduction/systems-operations: these times may change
    deployments = ("Mon,Wed,Thu 14:00 America/New_York",)
    common = COMMON
    rest_url = REST_URL
    rest = ExchangeRest()
    # https://docs.cdp.coinbase.com/exchange/rest-api/rate-limits
    rest_requests_per_second = 10.0
    level3_path = f"{BOOK_PATH}?level=3"
    numbers = ExchangeNumbers()
    merging = ExchangeMerging()

    def url(self, url: str, *, stacklevel: int = 2) -> str:
        try:
            return live_url(url, stacklevel=stacklevel + 1)
        finally:
            url = ""  # it may hold a password, which a traceback with local variables would show

    def rest_url_for(self, url: str) -> str:
        return SANDBOX_REST_URL if host_of(url) == host_of(SANDBOX_URL) else super().rest_url_for(url)

    def named(self, channel: str, *, signed: bool = False) -> str:
        return common_channel(channel, signed=signed)

    def subscription(
        self, products: str | Iterable[str], channels: Channel | Iterable[Channel], *, signed: bool = False
    ) -> ExchangeSubscription:
        return ExchangeSubscription.of(products, channels, signed=signed)

    def grouped(self, channels: tuple[dict[str, object], ...]) -> ExchangeSubscription:
        return ExchangeSubscription((), channels)

    def secrets(self, credentials: Credentials) -> list[str]:
        return [credentials.key, credentials.secret.reveal(), credentials.passphrase.reveal()]

    def signature(self, request: Secret) -> Secret:
        return signature(request)

    def decoder(
        self,
        *,
        stored: bool = False,
        renamed: Mapping[str, str] | None = None,
        observed: Observed | None = None,
    ) -> ExchangeDecoder:
        decoder = ExchangeDecoder()
        if stored:
            decoder.decode(LEVEL3_SCHEMA)
        return decoder

    def skim(self, gaps: GapDetector, renamed: DeliveredIds) -> Skim | None:
        return ExchangeSkimmer(gaps).skim if isinstance(gaps, ExchangeGaps) else None

    def names_in(self, beginning: bytes) -> tuple[str | None, str | None]:
        return names_in(beginning)

    def gaps(self) -> GapDetector:
        return ExchangeGaps()

    def new_trade(self, trade: RestTrade) -> m.Match | None:
        """The trade as a `Match`: its sequence is 0, and the ids of its orders are empty, which the answer lacks."""
        return self._trade(m.Match, trade)

    def prior_trade(self, trade: RestTrade) -> m.LastMatch | None:
        """The trade as a `LastMatch`, otherwise as `new_trade`."""
        return self._trade(m.LastMatch, trade)

    @staticmethod
    def _trade(kind: type[T], trade: RestTrade) -> T | None:
        if trade.maker_side is None:
            return None
        return kind(
            product_id=trade.product_id,
            trade_id=trade.trade_id,
            sequence=0,
            side=trade.maker_side,
            price=trade.price,
            size=trade.size,
            time=trade.time,
            maker_order_id="",
            taker_order_id="",
        )

    def identity(self, message: Message) -> str:
        return message_id(message)

    def stored_type(self, document: Mapping[str, object]) -> type[Message] | None:
        kind = document.get("type")
        level3 = _LEVEL3.get(str(kind))
        if level3 is not None and (level3[1] in document) == level3[2]:
            return level3[0]
        return super().stored_type(document) if isinstance(kind, str) else None

    def refusal(self, message: str, reason: str | None) -> Refusal | None:
        return refusal(message, reason)

    def likely_product(self, product: str) -> str | None:
        return likely_product(product)

    def closed(self, code: int, reason: str) -> ServerClosed:
        return closed(code, reason)

    def remedy(self, message: str, reason: str | None) -> str:
        return remedy(message, reason)


COINBASE_EXCHANGE = CoinbaseExchange()
