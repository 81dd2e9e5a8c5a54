"""Coinbase Exchange: its messages, channels, requests and hosts, without any I/O."""

from rxfeed.venues.coinbase_exchange.auth import Credentials
from rxfeed.venues.coinbase_exchange.channels import CHANNELS, channels_with, types_of
from rxfeed.venues.coinbase_exchange.decode import Decoder
from rxfeed.venues.coinbase_exchange.errors import Refusal, refusal, remedy
from rxfeed.venues.coinbase_exchange.hosts import DEFAULT_URL, live_url
from rxfeed.venues.coinbase_exchange.requests import Channel, Subscription

__all__ = [
    "CHANNELS",
    "DEFAULT_URL",
    "Channel",
    "Credentials",
    "Decoder",
    "Refusal",
    "Subscription",
    "channels_with",
    "live_url",
    "refusal",
    "remedy",
    "types_of",
]
