"""The requests to the exchange, and the host that they are sent to."""

import json
import warnings

import pytest

from rxfeed import DEFAULT_URL, ConfigError, Credentials
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_exchange import Subscription, live_url


def test_subscription_of_one_product_and_channel() -> None:
    assert json.loads(Subscription.of("BTC-USD", "ticker").text()) == {
        "type": "subscribe",
        "product_ids": ["BTC-USD"],
        "channels": ["ticker"],
    }


def test_subscription_of_many_products_and_channel_objects() -> None:
    channels = ["level2", {"name": "ticker", "product_ids": ["ETH-BTC"]}]
    said = json.loads(Subscription.of(["ETH-USD", "ETH-EUR", "ETH-USD"], channels).text("unsubscribe"))
    assert said == {"type": "unsubscribe", "product_ids": ["ETH-USD", "ETH-EUR"], "channels": channels}


def test_channels_that_need_no_product() -> None:
    assert "product_ids" not in json.loads(Subscription.of([], "status").text())


def test_signed_subscription() -> None:
    credentials = Credentials("key", "c2VjcmV0", "phrase")
    request = Subscription.of("A-B", "full").requests("subscribe", credentials, "17.5")[0]
    assert isinstance(request, Secret)
    said = json.loads(request.reveal())
    assert (said["type"], said["channels"]) == ("subscribe", ["full"])
    assert (said["key"], said["passphrase"], said["timestamp"]) == ("key", "phrase", "17.5")
    assert said["signature"]


@pytest.mark.parametrize(
    ("products", "channels", "named"),
    [
        ("A-B", [], "channels"),
        ("A-B", [""], "channels"),
        ("A-B", [7], "channels: 7"),
        ("A-B", [{"product_ids": []}], "channels"),
        ("A-B", None, "channels: None"),
        ([7], "ticker", "products: 7"),
        (7, "ticker", "products: 7"),
    ],
)
def test_bad_input_is_named(products: object, channels: object, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        Subscription.of(products, channels)  # pyright: ignore[reportArgumentType]  # that is the point


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("wss://ws-feed.pro.coinbase.com", "wss://ws-feed.exchange.coinbase.com"),
        ("wss://ws-feed.pro.coinbase.com/", "wss://ws-feed.exchange.coinbase.com/"),
        ("wss://ws-feed.gdax.com", "wss://ws-feed.exchange.coinbase.com"),
        ("wss://ws-feed-public.sandbox.pro.coinbase.com", "wss://ws-feed-public.sandbox.exchange.coinbase.com"),
    ],
)
def test_retired_host_is_replaced_with_a_warning(old: str, new: str) -> None:
    with pytest.warns(UserWarning, match="is retired"):
        assert live_url(old) == new


@pytest.mark.parametrize("url", [DEFAULT_URL, "ws://127.0.0.1:1", "wss://ws-direct.exchange.coinbase.com/x?y"])
def test_other_hosts_are_kept(url: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert live_url(url) == url


@pytest.mark.parametrize("url", ["", "http://x", "wss://", "ws://x:notaport", "just text", None])
def test_url_that_is_no_websocket_is_rejected(url: object) -> None:
    with pytest.raises(ConfigError, match="url"):
        live_url(url)  # pyright: ignore[reportArgumentType]  # that is the point


@pytest.mark.parametrize(
    ("common", "own", "signed"),
    [
        ("trades", "matches", "matches"),
        ("book", "level2_batch", "level2"),
        ("ticker", "ticker", "ticker"),
        ("heartbeat", "heartbeat", "heartbeat"),
        ("user", "user", "user"),
        ("status", "status", "status"),
    ],
)
def test_common_channel_is_named_as_the_venue_does(common: str, own: str, signed: str) -> None:
    assert Subscription.of("A-B", common).channels == (own,)
    assert Subscription.of("A-B", {"name": common}).channels == ({"name": own},)
    assert Subscription.of("A-B", common, signed=True).channels == (signed,)
