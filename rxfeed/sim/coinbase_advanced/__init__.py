"""Coinbase Advanced Trade's protocol for the local exchange: requests, tokens, channels, frames, and REST."""

from rxfeed.errors import ConfigError
from rxfeed.sim.coinbase_advanced.identity import identify
from rxfeed.sim.coinbase_advanced.products import traded
from rxfeed.sim.coinbase_advanced.protocol import AdvancedProtocol, AdvancedRecordedSubscriber
from rxfeed.sim.coinbase_advanced.tokens import KeyPair, TokenVerifier, key_pair
from rxfeed.sim.venue import Access, SimulatedVenue

__all__ = ["VENUE", "KeyPair", "TokenVerifier", "key_pair"]


def _check(access: Access) -> None:
    if access.credentials is not None:
        raise ConfigError("credentials: coinbase_advanced has public_keys in their place")
    TokenVerifier(access.public_keys)


VENUE = SimulatedVenue(
    name="coinbase_advanced",
    engines=traded,
    check=_check,
    protocol=AdvancedProtocol,
    identify=identify,
    secrets=("jwt",),
    recorded=AdvancedRecordedSubscriber,
    slow_consumer={"type": "error", "message": "ErrSlowConsume"},
    numbers_frames=True,
)
