"""Coinbase Exchange's protocol for the local exchange: requests, channels, frames, and REST."""

from rxfeed.errors import ConfigError
from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels
from rxfeed.sim.coinbase_exchange.identity import identify
from rxfeed.sim.coinbase_exchange.protocol import ExchangeProtocol, ExchangeRecordedSubscriber
from rxfeed.sim.coinbase_exchange.subscriptions import SECRETS, ExchangeSubscriber
from rxfeed.sim.venue import Access, SimulatedVenue
from rxfeed.venues.coinbase_exchange import Credentials

__all__ = ["VENUE", "ExchangeChannels", "ExchangeSubscriber"]


def _check(access: Access) -> None:
    if access.credentials is not None and not isinstance(access.credentials, Credentials):
        raise ConfigError("credentials: not a Credentials")
    if access.public_keys:
        raise ConfigError("public_keys: coinbase_exchange has none; it is an argument for coinbase_advanced")


VENUE = SimulatedVenue(
    name="coinbase_exchange",
    engines=tuple,
    check=_check,
    protocol=ExchangeProtocol,
    identify=identify,
    secrets=SECRETS,
    recorded=ExchangeRecordedSubscriber,
    slow_consumer={"type": "error", "message": "ErrSlowConsume", "reason": "too many backed-up messages"},
)
