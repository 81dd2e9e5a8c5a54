"""The classic clients on keyless Advanced Trade: the choice of the venue, refusals, and faults."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed import AuthenticationFailed, ConfigError, Reconnect
from rxfeed.compat.hosts import VARIABLE
from rxfeed.errors import FrameMalformed, ServerClosed
from rxfeed.sim import Exchange, faults
from rxfeed.venues import COINBASE_ADVANCED
from tests.compat.advanced import (
    BTC,
    VENUE,
    market,
    of,
    subscribed,
    wait_until,
)
from tests.compat.recorder import Recorder, finish
from tests.compat.test_keyless import warned
from tests.support.leaks import nothing_left_behind


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with market() as exchange:
        exchange.advance(0.05)
        yield exchange


# ---- which venue


def test_environment_names_the_venue(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, VENUE)
    with warned() as caught:
        retired = cbpro.WebsocketClient(url="wss://ws-feed.pro.coinbase.com/", channels=["ticker"])
    assert retired.url == "wss://advanced-trade-ws.coinbase.com"
    assert [str(each.message) for each in caught] == [
        "ws-feed.pro.coinbase.com is retired: connecting to advanced-trade-ws.coinbase.com in its place"
    ]
    assert cbpro.WebsocketClient().url == "wss://advanced-trade-ws.coinbase.com"
    assert cbpro.PublicClient().url == "https://api.coinbase.com"
    assert cbpro.OrderBook()._client.url == "https://api.coinbase.com"
    assert cbpro.WebsocketClient(venue="coinbase_exchange").url == "wss://ws-feed.exchange.coinbase.com"

    class Bot(Recorder):
        def on_open(self) -> None:
            self.url, self.products, self.channels = exchange.url, [BTC], ["ticker"]

    client = Bot()
    client.start()
    subscribed(client)
    client.close()
    assert exchange.requests[0] == {"type": "subscribe", "channel": "ticker", "product_ids": [BTC]}


def test_url_of_advanced_trade_names_the_venue() -> None:
    client = cbpro.WebsocketClient(url="wss://advanced-trade-ws.coinbase.com", channels=["ticker"])
    assert client.feed.venue.name == VENUE


@pytest.mark.parametrize("make", [cbpro.WebsocketClient, cbpro.PublicClient, cbpro.OrderBook])
def test_unknown_venue_is_an_error_with_the_known_ones(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    known = "is not known: there is coinbase_exchange, coinbase_advanced"
    with pytest.raises(ConfigError, match=f"venue: 'kraken' {known}"):
        make(venue="kraken")
    monkeypatch.setenv(VARIABLE, "coinbase")
    with pytest.raises(ConfigError, match=f"{VARIABLE}: 'coinbase' {known}"):
        make()


def test_copy_of_a_client_keeps_the_venue() -> None:
    import copy
    import pickle

    client = cbpro.WebsocketClient(channels=["ticker"], venue=VENUE)
    for other in (copy.copy(client), copy.deepcopy(client), pickle.loads(pickle.dumps(client))):
        assert other.feed.venue is COINBASE_ADVANCED
        assert other.feed.translator is not None
    rest = cbpro.PublicClient(venue=VENUE)
    for other in (copy.copy(rest), copy.deepcopy(rest), pickle.loads(pickle.dumps(rest))):
        with pytest.raises(ConfigError, match="get_currencies"):
            other.get_currencies()


# ---- without keys


@pytest.mark.parametrize("channel", ["full", "user", "balance"])
def test_channels_of_orders_are_refused_with_one_line(
    exchange: Exchange, channel: str, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=[channel], venue=VENUE)
    with nothing_left_behind():
        client.start()
        finish(client)
    ((error, _),) = client.of("error")
    assert isinstance(error, AuthenticationFailed)
    assert str(error).startswith(f"{channel}: refused: ")
    assert capsys.readouterr().out == f"{error} - data: None\n"
    assert client.hooks == ["open", "error", "close"]
    assert exchange.requests == []


def test_refused_channel_beside_others_is_an_error_message(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["user", "ticker"], venue=VENUE)
    with warned() as caught:
        client.start()
        subscribed(client)
        client.close()
    (warning,) = caught
    assert warning.filename == __file__
    assert str(warning.message).startswith("user: refused: ")
    assert client.error is None
    (refused,) = of(client, "error")
    assert refused["message"] == "Failed to subscribe"
    assert refused["reason"] == str(warning.message)


def test_unknown_product_is_an_error_message(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    client = Recorder(url=exchange.url, products=[BTC, "FOO-USD"], channels=["ticker", "heartbeat"], venue=VENUE)
    client.start()
    subscribed(client)
    time.sleep(3.5)  # then the feed would report it, too
    client.close()
    assert client.error is None
    assert [each["reason"] for each in of(client, "error")] == ["FOO-USD is not a valid product"]
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == [
        "rejected: FOO-USD is not a valid product: check products"
    ]


def test_substitutes_are_warned_of_once(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker_batch"], venue=VENUE, auth=True)
    with warned() as caught:
        for session in (1, 2):
            client.start()
            subscribed(client, session)
            client.close()
    texts = sorted(str(each.message) for each in caught)
    assert [text.partition(":")[0] for text in texts] == ["auth=True", "ticker_batch"]
    assert {each.filename for each in caught} == {__file__}
    assert of(client, "ticker")[0]["best_bid"] > "0"


@pytest.mark.filterwarnings("ignore:channels is None")
def test_no_channels_are_the_public_ones(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=None, venue=VENUE)
    client.start()
    subscribed(client)
    client.close()
    assert {each["name"] for each in of(client, "subscriptions")[0]["channels"]} == {"ticker", "matches", "heartbeat"}


# ---- faults


def test_reconnect_gives_the_missed_trades_once(exchange: Exchange) -> None:
    quick = Reconnect(initial=0.01, maximum=0.05)
    client = Recorder(url=exchange.url, products=[BTC], channels=["matches", "level2"], venue=VENUE, reconnect=quick)
    client.start()
    subscribed(client)
    exchange.advance(5)
    exchange.disconnect(1001, "going away")
    exchange.advance(3)
    subscribed(client, 2)
    exchange.advance(3)
    last = exchange.last_trade_id(BTC)
    wait_until(lambda: any(each["trade_id"] == last for each in of(client, "match")))
    client.close()
    ids = [each["trade_id"] for each in of(client, "match")]
    assert ids == list(range(ids[0], last + 1))
    assert len(of(client, "last_match")) == len(of(client, "snapshot")) == 2
    assert client.of("error") == []


def test_closed_connection_ends_the_session(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker"], venue=VENUE)
    with nothing_left_behind():
        client.start()
        subscribed(client)
        exchange.disconnect(1001, "going away")
        finish(client)
    assert isinstance(client.error, ServerClosed)
    assert client.hooks == ["open", "error", "close"]


@pytest.mark.parametrize("payload", ['{"channel":', '{"channel":"l2_data","events":7}', "[]"])
def test_malformed_frame_goes_to_on_error(exchange: Exchange, payload: str) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker", "level2"], venue=VENUE)
    with nothing_left_behind():
        client.start()
        subscribed(client)
        exchange.inject(faults.MalformedFrame(payload))
        exchange.advance(1)
        finish(client)
    ((error, data),) = client.of("error")
    assert isinstance(error, FrameMalformed)
    assert data == payload
    assert client.stop is True


def test_unknown_frames_reach_no_script(exchange: Exchange) -> None:
    client = Recorder(url=exchange.url, products=[BTC], channels=["ticker"], venue=VENUE)
    client.start()
    subscribed(client)
    exchange.inject(faults.MalformedFrame('{"channel":"news","timestamp":"2026-01-02T12:00:00Z","events":[]}'))
    exchange.advance(3)
    client.close()
    assert client.error is None
    assert all("type" in each for each in client.of("message"))
