"""Requests of Advanced Trade and their answers, without a socket but where a limit is the server's."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, KeyPair, faults
from rxfeed.sim.coinbase_advanced.subscriptions import (
    MALFORMED,
    TOO_MANY,
    UNAUTHENTICATED,
    USER_ID,
    AdvancedSubscriber,
    SubscriptionChange,
)
from rxfeed.venues.coinbase_exchange import Credentials
from tests.sim.coinbase_advanced.conftest import BTC, Client, token

Make = Callable[..., tuple[Exchange, Client]]
PRODUCTS = (BTC, "ETH-USD", "BTC-USDC")
GOOD = "good token"


def subscriber() -> AdvancedSubscriber:
    return AdvancedSubscriber(PRODUCTS, verify=lambda jwt: jwt == GOOD)


def ask(
    held: AdvancedSubscriber, channel: object = "level2", *names: str, type: object = "subscribe", **extra: Any
) -> SubscriptionChange:
    return held.receive(json.dumps({"type": type, "product_ids": names, "channel": channel} | extra))


@pytest.mark.parametrize(
    "text",
    [
        *("", "subscribe", "{", "[]", "null", "[" * 100_000, "{}", '{"type":"SUBSCRIBE","channel":"level2"}'),
        '{"type":["subscribe"],"channel":"level2"}',
        '{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}',
        '{"type":"subscribe","channel":"level2","product_ids":[1]}',
    ],
)
def test_malformed_requests_need_subscribe_or_unsubscribe(text: str) -> None:
    assert subscriber().receive(text) == SubscriptionChange(MALFORMED)


@pytest.mark.parametrize("channel", ["l2_data", "matches", "", None, 7, ["level2"]])
def test_unknown_channel_is_an_authentication_failure(channel: object) -> None:
    assert ask(subscriber(), channel, BTC) == SubscriptionChange(UNAUTHENTICATED)


def test_channels_of_exchange_requests_are_not_read() -> None:
    held = subscriber()
    request = {"type": "subscribe", "product_ids": [BTC], "channels": ["level2"]}
    assert held.receive(json.dumps(request)) == SubscriptionChange(UNAUTHENTICATED)
    assert held.pairs == []


@pytest.mark.parametrize("channel", ["user", "futures_balance_summary"])
def test_private_channels_need_a_token(channel: str) -> None:
    held = subscriber()
    assert ask(held, channel) == SubscriptionChange(UNAUTHENTICATED)
    assert ask(held, channel, jwt="bad") == SubscriptionChange(UNAUTHENTICATED)
    assert ask(held, channel, jwt=GOOD).error is None
    assert held.acknowledgement == {"subscriptions": {channel: [USER_ID]}}


def test_bad_token_fails_on_a_public_channel() -> None:
    held = subscriber()
    assert ask(held, "level2", BTC, jwt="bad") == SubscriptionChange(UNAUTHENTICATED)
    assert ask(held, "level2", BTC, type="unsubscribe", jwt="bad") == SubscriptionChange(UNAUTHENTICATED)
    assert ask(held, "level2", BTC, jwt=GOOD).added == [("level2", BTC)]


def test_only_new_products_are_added() -> None:
    held = subscriber()
    assert ask(held, "level2", BTC, "BTC-USDC", BTC).added == [("level2", BTC)]
    assert ask(held, "level2", BTC, "ETH-USD").added == [("level2", "ETH-USD")]
    assert ask(held, "level2", "BTC-USDC", type="unsubscribe").removed == [("level2", BTC)]
    assert ask(held, "level2", type="unsubscribe").removed == [("level2", "ETH-USD")]
    assert held.acknowledgement == {"subscriptions": {}}
    assert ask(held, "level2", BTC, type="unsubscribe") == SubscriptionChange(added=(), removed=[])


def test_products_that_are_not_traded_are_left_out() -> None:
    held = subscriber()
    assert ask(held, "level2", "NO-USD", "btc-usd", BTC).added == [("level2", BTC)]
    assert ask(held, "ticker", "NO-USD").added == []
    assert held.acknowledgement == {"subscriptions": {"level2": [BTC]}}


def test_a_refused_request_changes_nothing() -> None:
    names = [f"C{number}-USD" for number in range(31)]
    held = AdvancedSubscriber(names, verify=lambda jwt: False)
    assert ask(held, "level2", *names) == SubscriptionChange(TOO_MANY)
    assert held.pairs == []


def test_client_that_subscribes_to_nothing_is_closed(make: Make) -> None:
    from websockets.exceptions import ConnectionClosed

    _, client = make(subscribe_timeout=0.3)
    client.ask("nonsense")
    client.subscribe("matches")
    with pytest.raises(ConnectionClosed) as caught:
        client.next()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1008, "no subscribe within 0.3 s")


def test_messages_over_the_limit_are_refused(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make(message_limit=8)
    answers = [client.subscribe("heartbeats")[-1] for _ in range(8)]
    assert {answer["channel"] for answer in answers} == {"subscriptions"}
    other = Client(exchange)
    limited = [{"type": "error", "message": "rate limit exceeded"}]
    assert other.subscribe("heartbeats") == limited
    assert client.subscribe("heartbeats", jwt="bad") == limited
    assert client.subscribe("heartbeats", jwt=token(pairs["ES256"]))[-1]["channel"] == "subscriptions"
    other.close()


def test_refused_channel_gets_its_error_so_many_times(make: Make) -> None:
    _, client = make(faults=[faults.RefusedChannel("level2", count=2), faults.RefusedChannel(message="no")])
    refused = [{"type": "error", "message": "authentication failure"}]
    assert client.subscribe("ticker") == [{"type": "error", "message": "no"}]
    assert client.subscribe("level2") == refused
    assert client.subscribe("level2", "ETH-USD") == refused
    assert [frame["channel"] for frame in client.subscribe("level2")] == ["l2_data", "subscriptions"]


def test_requests_are_kept_without_tokens(make: Make, pairs: dict[str, KeyPair]) -> None:
    exchange, client = make()
    client.subscribe("user", jwt=token(pairs["EdDSA"]))
    assert exchange.requests == [{"type": "subscribe", "product_ids": [BTC], "channel": "user"}]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"venue": "coinbase"}, "venue: 'coinbase' is none of 'coinbase_exchange', 'coinbase_advanced'"),
        ({"venue": "coinbase_advanced", "credentials": Credentials("k", "c2VjcmV0", "p")}, "credentials: "),
        ({"venue": "coinbase_advanced", "public_keys": {"key": "text"}}, "the key of 'key' is no PEM"),
        ({"venue": "coinbase_advanced", "public_keys": {"key": 7}}, "the key of 'key' is neither"),
        ({"venue": "coinbase_advanced", "message_limit": 0}, "message_limit: 0"),
        ({"rest_limit": 0}, "rest_limit: 0"),
        ({"public_keys": {"key": "text"}}, "public_keys: coinbase_exchange has none"),
        ({"faults": faults.SkipSequence()}, "SkipSequence: the frames of coinbase_exchange have no number"),
    ],
)
def test_arguments_that_do_not_fit_the_venue_are_errors(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Exchange([BTC], **options)
