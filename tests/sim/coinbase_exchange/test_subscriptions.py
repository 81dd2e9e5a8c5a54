"""Requests and their answers, without a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rxfeed.sim.coinbase_exchange.subscriptions import AUTH_REQUIRED, SECRETS, ExchangeSubscriber, SubscriptionReplies
from rxfeed.sim.frames import without
from rxfeed.venues.coinbase_exchange.auth import Credentials, sign, signed

NOW = 1_700_000_000.0
CREDENTIALS = Credentials("key", "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=", "passphrase")
PRODUCTS = ("BTC-USD", "ETH-USD")
Ask = Callable[..., SubscriptionReplies]


@pytest.fixture
def ask() -> Ask:
    """Sends a request, given by its fields, of one client; a str is sent as it is."""
    held = ExchangeSubscriber(PRODUCTS, CREDENTIALS, clock=lambda: NOW)

    def ask(text: str | None = None, /, **request: Any) -> SubscriptionReplies:
        request.setdefault("type", "subscribe")
        return held.receive(json.dumps(request) if text is None else text)

    return ask


def entry(name: str, *products: str) -> dict[str, Any]:
    return {"name": name, "product_ids": list(products), "account_ids": None}


def acknowledged(answer: SubscriptionReplies) -> list[Any]:
    """The channels of the acknowledgement, which comes last."""
    assert answer.replies[-1]["type"] == "subscriptions"
    assert set(answer.replies[-1]) == {"type", "channels"}
    return answer.replies[-1]["channels"]


def error(reason: str, message: str = "Failed to subscribe") -> dict[str, str]:
    return {"type": "error", "message": message, "reason": reason}


def test_root_products_apply_to_every_channel_object(ask: Ask) -> None:
    answer = ask(product_ids=["BTC-USD"], channels=["matches", {"name": "ticker", "product_ids": ["ETH-USD"]}])
    assert acknowledged(answer) == [entry("matches", "BTC-USD"), entry("ticker", "BTC-USD", "ETH-USD")]
    assert answer.added == [("matches", "BTC-USD"), ("ticker", "BTC-USD"), ("ticker", "ETH-USD")]


def test_later_subscriptions_add_to_earlier_ones(ask: Ask) -> None:
    ask(product_ids=["BTC-USD"], channels=["matches"])
    answer = ask(product_ids=["ETH-USD", "BTC-USD"], channels=["matches", "heartbeat"])
    assert acknowledged(answer) == [entry("matches", "BTC-USD", "ETH-USD"), entry("heartbeat", "ETH-USD", "BTC-USD")]
    assert answer.added == [("matches", "ETH-USD"), ("heartbeat", "ETH-USD"), ("heartbeat", "BTC-USD")]


def test_unsubscribe_removes_products_or_the_channel(ask: Ask) -> None:
    ask(product_ids=list(PRODUCTS), channels=["matches", "ticker"])
    answer = ask(type="unsubscribe", product_ids=["BTC-USD"], channels=["matches"])
    assert acknowledged(answer) == [entry("matches", "ETH-USD"), entry("ticker", *PRODUCTS)]
    assert answer.removed == [("matches", "BTC-USD")]
    answer = ask(type="unsubscribe", channels=[{"name": "ticker", "product_ids": ["ETH-USD"]}, "matches"])
    assert acknowledged(answer) == [entry("ticker", "BTC-USD")]
    assert acknowledged(ask(type="unsubscribe", channels=["ticker"])) == []
    assert acknowledged(ask(type="unsubscribe", channels=["ticker"])) == []


@pytest.mark.parametrize(
    ("asked", "channel", "name"),
    [
        ("level2_batch", "level2_batch", "level2_50"),
        ("level2_50", "level2_batch", "level2_50"),
        ("ticker_batch", "ticker_batch", "ticker_1000"),
        ("ticker_1000", "ticker_batch", "ticker_1000"),
        ("auctionfeed", "auctionfeed", "auctionfeed"),
    ],
)
def test_names_and_aliases(ask: Ask, asked: str, channel: str, name: str) -> None:
    answer = ask(product_ids=["BTC-USD"], channels=[asked])
    assert answer.added == [(channel, "BTC-USD")]
    assert acknowledged(answer) == [entry(name, "BTC-USD")]


def test_status_needs_no_product(ask: Ask) -> None:
    answer = ask(channels=["status"])
    assert acknowledged(answer) == [entry("status")]
    assert answer.added == [("status", "")]
    assert acknowledged(ask(type="unsubscribe", channels=["status"])) == []


def test_bad_product_does_not_affect_the_others(ask: Ask) -> None:
    answer = ask(product_ids=["BTC-XXX", "ETH-USD"], channels=["matches", "ticker"])
    assert answer.replies[:-1] == [error("BTC-XXX is not a valid product")]
    assert acknowledged(answer) == [entry("matches", "ETH-USD"), entry("ticker", "ETH-USD")]


def test_bad_channel_does_not_affect_the_others(ask: Ask) -> None:
    answer = ask(product_ids=["BTC-USD"], channels=["ticket", "full", "ticker"])
    assert answer.replies[:-1] == [error("ticket is not a valid channel"), error(AUTH_REQUIRED)]
    assert acknowledged(answer) == [entry("ticker", "BTC-USD")]


TYPE = "Type has to be either subscribe or unsubscribe"


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ({"type": "subscriptions", "channels": ["ticker"]}, TYPE),
        ({"type": None}, TYPE),
        ({"type": ["subscribe"]}, TYPE),
        ({"product_ids": ["BTC-USD"]}, "No channels provided"),
        ({"product_ids": ["BTC-USD"], "channels": []}, "No channels provided"),
        ({"product_ids": ["BTC-USD"], "channels": "ticker"}, "No channels provided"),
        ({"channels": ["ticker"]}, " is not a valid product"),
        ({"product_ids": [], "channels": ["ticker"]}, " is not a valid product"),
        ({"product_ids": ["Test"], "channels": ["ticker"]}, "Test is not a valid product"),
        ({"product_ids": ["btc-usd"], "channels": ["ticker"]}, "btc-usd is not a valid product"),
        ({"product_ids": "BTC-USD", "channels": ["ticker"]}, "Invalid product ID provided"),
        ({"product_ids": [1], "channels": ["ticker"]}, "Invalid product ID provided"),
        ({"channels": [{"name": "ticker", "product_ids": "BTC-USD"}]}, "Invalid product ID provided"),
        ({"product_ids": ["BTC-USD"], "channels": ["ticket"]}, "ticket is not a valid channel"),
        ({"product_ids": ["BTC-USD"], "channels": [{}]}, " is not a valid channel"),
        ({"product_ids": ["BTC-USD"], "channels": [7]}, "7 is not a valid channel"),
        ({"product_ids": ["BTC-USD"], "channels": ["level2"]}, AUTH_REQUIRED),
        ({"product_ids": ["BTC-USD"], "channels": ["level2", "level3", "full"]}, AUTH_REQUIRED),
        ({"product_ids": ["BTC-USD"], "channels": ["user"]}, "user channel requires authentication"),
        ({"channels": ["rfq_matches"]}, "rfq_matches channel requires authentication"),
        ({"channels": ["balance"]}, "balance channel requires authentication"),
    ],
)
def test_request_that_fails_wholly_gets_an_error_alone(ask: Ask, request_: dict[str, Any], reason: str) -> None:
    assert ask(**request_) == SubscriptionReplies([error(reason)], [], [])


@pytest.mark.parametrize("text", ["", "subscribe", "{", "[]", "null", "[" * 100_000, '"\\ud800"', "NaN"])
def test_text_that_is_no_json_object_has_a_wrong_type(ask: Ask, text: str) -> None:
    assert ask(text).replies == [error(TYPE)]


def test_bytes_that_are_not_utf8_have_a_wrong_type() -> None:
    assert ExchangeSubscriber(PRODUCTS).receive(b'{"type":"\xff"}').replies == [error(TYPE)]


def test_failed_unsubscribe_gets_an_error(ask: Ask) -> None:
    failed = "Failed to unsubscribe"
    assert ask(type="unsubscribe").replies == [error("No channels provided", failed)]
    answer = ask(type="unsubscribe", channels=["ticket"])
    assert answer.replies == [error("ticket is not a valid channel", failed)]
    answer = ask(type="unsubscribe", product_ids="BTC-USD", channels=["ticker"])
    assert answer.replies == [error("Invalid product ID provided", failed)]


# Authentication


def request(**changes: Any) -> dict[str, Any]:
    fields = signed(CREDENTIALS, str(NOW))
    return {"product_ids": ["BTC-USD"], "channels": ["full", "user"]} | fields | changes


def test_valid_signature_allows_private_channels(ask: Ask) -> None:
    assert acknowledged(ask(**request())) == [entry("full", "BTC-USD"), entry("user", "BTC-USD")]


def test_each_subscribe_needs_a_signature_and_no_unsubscribe(ask: Ask) -> None:
    ask(**request())
    assert ask(product_ids=["ETH-USD"], channels=["full"]).replies == [error(AUTH_REQUIRED)]
    assert ask(type="unsubscribe", channels=["full"]).removed == [("full", "BTC-USD")]


@pytest.mark.parametrize("timestamp", ["1700000000", 1_700_000_000, "1700000029.9", "1699999970.1"])
def test_timestamp_may_be_a_number_and_off_by_30_seconds(ask: Ask, timestamp: str | int) -> None:
    signature = sign(CREDENTIALS.secret, str(timestamp))
    assert acknowledged(ask(**request(timestamp=timestamp, signature=signature)))


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "other"},
        {"passphrase": "other"},
        {"passphrase": "ü"},
        {"signature": "AAAA"},
        {"signature": None},
        {"timestamp": str(NOW + 1)},
        {"timestamp": None},
        {"channels": ["ticker"], "key": 7},
    ],
)
def test_bad_signature_has_another_error_than_none(ask: Ask, changes: dict[str, Any]) -> None:
    answer = ask(**request(**changes))
    assert answer.replies == [error('{"message":"Invalid API Key"}', "Authentication Failed")]


@pytest.mark.parametrize("timestamp", [str(NOW - 31), str(NOW + 31), "nan", "inf", "yesterday", ""])
def test_timestamp_that_is_off_is_expired(ask: Ask, timestamp: str) -> None:
    answer = ask(**request(timestamp=timestamp, signature=sign(CREDENTIALS.secret, timestamp)))
    expected = "Sorry, you could not be authenticated: Bad Request"
    assert answer.replies == [error("request timestamp expired", expected)]


def test_exchange_without_credentials_rejects_signatures() -> None:
    answer = ExchangeSubscriber(PRODUCTS).receive(json.dumps({"type": "subscribe"} | request()))
    assert answer.replies[0]["message"] == "Authentication Failed"


def test_balance_and_rfq_matches_acknowledgements(ask: Ask) -> None:
    """The first lists accounts, the second all products."""
    channels = [{"name": "balance", "account_ids": ["b"]}, "rfq_matches"]
    answer = ask(**request(channels=channels, product_ids=None, account_ids=["a"]))
    assert acknowledged(answer) == [
        {"name": "balance", "product_ids": None, "account_ids": ["a", "b"]},
        entry("rfq_matches", *PRODUCTS),
    ]


def test_secrets_are_redacted_anywhere_in_a_request() -> None:
    message = request(channels=[{"name": "user", "key": "k", "passphrase": "p"}])
    kept = {"product_ids": ["BTC-USD"], "channels": [{"name": "user"}], "timestamp": str(NOW)}
    assert without(message, SECRETS) == kept
