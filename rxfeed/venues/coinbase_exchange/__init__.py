"""Coinbase Exchange: its messages, channels, requests and hosts, without any I/O."""

from rxfeed.venues.coinbase_exchange.auth import Credentials, sign
from rxfeed.venues.coinbase_exchange.decode import MOST_VALUES, Decoder
from rxfeed.venues.coinbase_exchange.errors import refusal, remedy
from rxfeed.venues.coinbase_exchange.hosts import BOOK_PATH, DEFAULT_URL, REST_URL, live_url, replacement
from rxfeed.venues.coinbase_exchange.messages import ErrorMessage, Subscriptions, Ticker
from rxfeed.venues.coinbase_exchange.requests import Channel, Subscription
from rxfeed.venues.coinbase_exchange.venue import COINBASE_EXCHANGE

__all__ = [
    "BOOK_PATH",
    "COINBASE_EXCHANGE",
    "DEFAULT_URL",
    "MOST_VALUES",
    "REST_URL",
    "Channel",
    "Credentials",
    "Decoder",
    "ErrorMessage",
    "Subscription",
    "Subscriptions",
    "Ticker",
    "live_url",
    "refusal",
    "remedy",
    "replacement",
    "sign",
]
