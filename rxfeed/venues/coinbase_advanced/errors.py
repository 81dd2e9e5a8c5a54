"""The meaning of an `error` message of Advanced Trade, and its remedy."""

from __future__ import annotations

import re

from rxfeed.venues.venue import Refusal

_EXPIRED = re.compile(r"\b(expired|timestamp|clock|too old|not yet valid|nbf|skew)\b")
_REMEDIES = (
    (
        ("authentication failure", "authenticat", "unauthorized", "jwt"),
        (
            "give credentials (AdvancedCredentials): the channels user and futures_balance_summary need them. "
            "The venue answers so to an unknown channel, too"
        ),
    ),
    (("too many l2 streams",), "a connection has 30 products of level2 at most: spread them over several feeds"),
    (("subscribe or unsubscribe required",), "check what was sent: the request is not valid"),
    (("product",), "check the products of the feed: they are named as in BTC-USD"),
    (("channel",), "check the channels of the feed"),
    (("too many", "rate limit"), "use fewer connections and requests from this address"),
)


def refusal(message: str, reason: str | None) -> Refusal | None:
    """The reason for which an `error` rejects a signed request; `None` if it is not about authentication.

    >>> from rxfeed.venues.coinbase_advanced.errors import refusal
    >>> refusal("authentication failure", None)
    <Refusal.UNSPECIFIED: 'unspecified'>
    >>> refusal("authentication failure: token is expired", None)
    <Refusal.TIMESTAMP: 'timestamp'>
    >>> refusal("too many L2 streams requested in a single session", None)
    """
    text = f"{message} {reason or ''}".lower()
    if "authenticat" not in text and "unauthorized" not in text and "jwt" not in text:
        return None
    return Refusal.TIMESTAMP if _EXPIRED.search(text) else Refusal.UNSPECIFIED


def remedy(message: str, reason: str | None) -> str:
    """The remedy for an `error` with these texts; empty if none is known.

    >>> from rxfeed.venues.coinbase_advanced.errors import remedy
    >>> remedy("too many L2 streams requested in a single session", None)
    'a connection has 30 products of level2 at most: spread them over several feeds'
    """
    text = f"{message} {reason or ''}".lower()
    return next((what for words, what in _REMEDIES if any(word in text for word in words)), "")
