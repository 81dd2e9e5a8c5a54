"""What an `error` message means for a signed request."""

from __future__ import annotations

import json

import pytest

from rxfeed.errors import HostRetired
from rxfeed.venues import Refusal
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE, refusal, remedy
from rxfeed.venues.coinbase_exchange.auth import Credentials, signed

DENIED = "Authentication Failed"
BAD_REQUEST = "Sorry, you could not be authenticated: Bad Request"


@pytest.mark.parametrize(
    ("message", "reason", "meaning"),
    [
        (BAD_REQUEST, "request timestamp expired", Refusal.TIMESTAMP),
        (DENIED, '{"message":"request timestamp expired"}', Refusal.TIMESTAMP),
        (DENIED, "invalid timestamp", Refusal.TIMESTAMP),
        (DENIED, "timestamp is too old", Refusal.TIMESTAMP),
        (DENIED, "signature expired", Refusal.TIMESTAMP),
        (DENIED, '{"message":"Invalid API Key"}', Refusal.CREDENTIALS),
        (DENIED, "API key expired", Refusal.CREDENTIALS),
        (DENIED, '{"message":"Invalid Passphrase"}', Refusal.CREDENTIALS),
        (BAD_REQUEST, "invalid signature", Refusal.CREDENTIALS),
        (DENIED, json.dumps(signed(Credentials("key", "c2VjcmV0", "phrase"), "1.5")), Refusal.UNSPECIFIED),
        (DENIED, None, Refusal.UNSPECIFIED),
        ("Failed to subscribe", "level2, level3, and full channels now require authentication", None),
        ("Failed to subscribe", "BTC-XXX is not a valid product", None),
    ],
)
def test_refusal_of_a_signed_request(message: str, reason: str | None, meaning: Refusal | None) -> None:
    """An answer that repeats the request has all its fields, and is about none of them."""
    assert refusal(message, reason) is meaning


@pytest.mark.parametrize(
    ("message", "reason", "word"),
    [
        (BAD_REQUEST, "request timestamp expired", "clock"),
        ("Failed to subscribe", "user channel requires authentication", "credentials"),
        ("Failed to subscribe", "BTC-XXX is not a valid product", "products"),
        ("Failed to subscribe", "ticket is not a valid channel", "channels"),
        (DENIED, None, "passphrase"),
        ("ErrSlowConsume", None, "bounded"),
    ],
)
def test_remedy_names_what_to_change(message: str, reason: str | None, word: str) -> None:
    assert word in remedy(message, reason)
    assert remedy("Something", "else") == ""


def test_remedy_without_credentials_names_their_variables() -> None:
    """`Credentials.from_env()` is `None` where none is set, so it alone is no remedy."""
    assert "COINBASE_API_KEY" in remedy("Failed to subscribe", "user channel requires authentication")


def test_close_of_a_retired_host_is_found() -> None:
    assert isinstance(COINBASE_EXCHANGE.closed(1000, "deprecated hostname"), HostRetired)
