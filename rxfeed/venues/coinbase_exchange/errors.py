"""The meaning of an `error` message of the exchange, and its remedy."""

from __future__ import annotations

import re

from rxfeed.errors import HostRetired, ServerClosed
from rxfeed.venues.venue import Refusal

# The first match decides. Single words do not match, because an answer may repeat the whole request with all fields.
_TIME, _KEY = "(timestamp|clock|time)", "(api key|key|passphrase|secret|signature)"
_WRONG = "(expired|invalid|not valid|wrong|incorrect|bad|unknown|revoked|disabled|mismatch|does not match)"
_PATTERNS = tuple(
    (re.compile(pattern), meaning)
    for pattern, meaning in (
        (rf"\b{_TIME}\b[^\"{{}},]{{0,20}}\b({_WRONG}|too old|in the future|skew)", Refusal.TIMESTAMP),
        (rf"\b({_WRONG}|stale|old)\b[^\"{{}},]{{0,20}}\b{_TIME}\b", Refusal.TIMESTAMP),
        (r"\b(request|signature) (has )?expired\b", Refusal.TIMESTAMP),
        (rf"\b{_KEY}\b[^\"{{}},]{{0,20}}\b{_WRONG}", Refusal.CREDENTIALS),
        (rf"\b{_WRONG}\b[^\"{{}},]{{0,20}}\b{_KEY}\b", Refusal.CREDENTIALS),
    )
)
_REMEDIES = (
    (
        ("require authentication", "requires authentication"),
        (
            "give credentials (Credentials.from_env() reads COINBASE_API_KEY, COINBASE_API_SECRET and "
            "COINBASE_API_PASSPHRASE), or use a channel without a key: level2_batch, matches, ticker"
        ),
    ),
    (("valid product", "product id"), "check the products of the feed: they are named as in BTC-USD"),
    (("valid channel", "no channels"), "check the channels of the feed"),
    (("authenticat",), "check key, secret and passphrase"),
    (("slow",), "use bounded() for slow subscribers, or fewer products"),
)


def refusal(message: str, reason: str | None) -> Refusal | None:
    """The reason for which an `error` rejects a signed request; `None` if it is not about authentication.

    >>> from rxfeed.venues.coinbase_exchange import refusal
    >>> refusal("Sorry, you could not be authenticated: Bad Request", "request timestamp expired")
    <Refusal.TIMESTAMP: 'timestamp'>
    >>> refusal("Authentication Failed", '{"message":"Invalid API Key"}')
    <Refusal.CREDENTIALS: 'credentials'>
    >>> refusal("Failed to subscribe", "BTC-XXX is not a valid product")
    """
    if "authenticat" not in message.lower():
        return None
    return _meaning(message, reason)


def closed(code: int, reason: str) -> ServerClosed:
    """What a close frame means.

    >>> from rxfeed.venues.coinbase_exchange.errors import closed
    >>> type(closed(1000, "deprecated hostname")).__name__
    'HostRetired'
    """
    retired = "deprecated hostname" in reason.lower()
    return (HostRetired if retired else ServerClosed)(code, reason)


def remedy(message: str, reason: str | None) -> str:
    """The remedy for an `error` with these texts; empty if none is known.

    >>> from rxfeed.venues.coinbase_exchange import remedy
    >>> remedy("Failed to subscribe", "BTC-XXX is not a valid product")
    'check the products of the feed: they are named as in BTC-USD'
    """
    if _meaning(message, reason) is Refusal.TIMESTAMP:
        return "compare the clock of this machine with a time server"
    text = f"{message} {reason or ''}".lower()
    return next((what for words, what in _REMEDIES if any(word in text for word in words)), "")


def _meaning(message: str, reason: str | None) -> Refusal:
    text = re.sub(r"[\s_-]+", " ", f"{message}. {reason or ''}".lower())
    return next((meaning for pattern, meaning in _PATTERNS if pattern.search(text)), Refusal.UNSPECIFIED)
