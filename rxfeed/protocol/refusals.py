"""What an `error` message of the exchange means, and what to do about it."""

from __future__ import annotations

from enum import Enum


class Refusal(Enum):
    """What a refused authentication is about."""

    TIMESTAMP = "timestamp"
    """The request's time: the clock of this machine or of the exchange is wrong, or the request took too long."""
    CREDENTIALS = "credentials"
    """The key, the passphrase or the signature."""
    UNSPECIFIED = "unspecified"
    """The exchange gives no reason."""


# The first line with a word of the answer decides: "API key expired" is about the key, "signature expired" about time.
_WORDS = (
    (("timestamp", "clock", "too old", "in the future"), Refusal.TIMESTAMP),
    (("key", "passphrase", "secret"), Refusal.CREDENTIALS),
    (("expired",), Refusal.TIMESTAMP),
    (("signature",), Refusal.CREDENTIALS),
)
_REMEDIES = (
    (("timestamp", "expired"), "compare the clock of this machine with a time server"),
    (
        ("require authentication", "requires authentication"),
        "give credentials (Credentials.from_env()), or use a channel without a key: level2_batch, matches, ticker",
    ),
    (("valid product", "product id"), "check the products of the feed: they are named as in BTC-USD"),
    (("valid channel", "no channels"), "check the channels of the feed"),
    (("authenticat",), "check key, secret and passphrase"),
    (("slow",), "use bounded() for slow subscribers, or fewer products"),
)


def refusal(message: str, reason: str | None) -> Refusal | None:
    """What an `error` of these texts refuses of a signed request; `None` if it is not about authentication.

    >>> refusal("Sorry, you could not be authenticated: Bad Request", "request timestamp expired")
    <Refusal.TIMESTAMP: 'timestamp'>
    >>> refusal("Authentication Failed", '{"message":"Invalid API Key"}')
    <Refusal.CREDENTIALS: 'credentials'>
    >>> refusal("Failed to subscribe", "BTC-XXX is not a valid product")
    """
    if "authenticat" not in message.lower():
        return None
    text = f"{message} {reason or ''}".lower()
    return next((what for words, what in _WORDS if any(word in text for word in words)), Refusal.UNSPECIFIED)


def remedy(message: str, reason: str | None) -> str:
    """What to do about an `error` of these texts; empty where nothing is known.

    >>> remedy("Failed to subscribe", "BTC-XXX is not a valid product")
    'check the products of the feed: they are named as in BTC-USD'
    """
    text = f"{message} {reason or ''}".lower()
    return next((what for words, what in _REMEDIES if any(word in text for word in words)), "")
