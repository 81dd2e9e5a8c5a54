"""Coinbase Exchange's protocol for the local exchange: requests, channels, and the frames that they send."""

from rxfeed.sim.coinbase_exchange.channels import Channels
from rxfeed.sim.coinbase_exchange.subscriptions import Subscriber, parse, without_secrets

__all__ = ["Channels", "Subscriber", "parse", "without_secrets"]
