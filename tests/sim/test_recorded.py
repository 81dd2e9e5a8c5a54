"""A recording is played as by the venue: each client gets what it subscribes to, byte for byte."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from rxfeed import Feed, Replay
from rxfeed.errors import ConfigError
from rxfeed.market import ErrorMessage, Message, Subscriptions
from rxfeed.sim import Exchange
from tests.support import archives as a
from tests.support import segments as made
from tests.support.collect import Collected
from tests.support.make import NOON, heartbeat, match, ticker

VENUES = ["coinbase_exchange", "coinbase_advanced"]
CONTROL = (Subscriptions, ErrorMessage)


def trades_and_tickers() -> list[bytes]:
    frames: list[bytes] = []
    for n in range(10):
        frames.append(match(n + 1, trade_id=n, time=n, product_id="A-B" if n % 2 else "C-D").raw)
        frames.append(ticker(n + 1, time=n, product_id="A-B").raw)
        frames.append(heartbeat(n, product_id="C-D").raw)
    return frames


FRAMES = trades_and_tickers()


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    frames = [b'{"type":"subscriptions","channels":[]}', *FRAMES, b'{"type":"error","message":"x"}']
    made.write(tmp_path, made.lines_of(frames, step=10**8))
    return tmp_path


@pytest.fixture
def exchange(recording: Path) -> Iterator[Exchange]:
    with Exchange.of_recording(recording, speed=None, then="close") as exchange:
        yield exchange


def subscribe(client: ClientConnection, *channels: str, products: list[str]) -> dict[str, Any]:
    client.send(json.dumps({"type": "subscribe", "product_ids": products, "channels": list(channels)}))
    return json.loads(client.recv(timeout=10))


def received(client: ClientConnection) -> list[bytes]:
    """All frames up to the close."""
    return [frame.encode() if isinstance(frame, str) else frame for frame in client]


def test_client_gets_what_it_subscribes_to(exchange: Exchange) -> None:
    with connect(exchange.url) as client:
        answer = subscribe(client, "matches", products=["A-B"])
        assert answer == {
            "type": "subscriptions",
            "channels": [{"name": "matches", "product_ids": ["A-B"], "account_ids": None}],
        }
        assert received(client) == [raw for raw in FRAMES if b'"match"' in raw and b"A-B" in raw]
        assert client.close_code == 1000


def test_frames_are_as_recorded(exchange: Exchange) -> None:
    with connect(exchange.url) as client:
        subscribe(client, "matches", "ticker", "heartbeat", products=["A-B", "C-D"])
        assert received(client) == FRAMES


def test_several_requests_count_as_one(exchange: Exchange) -> None:
    with connect(exchange.url) as client:
        subscribe(client, "matches", products=["A-B"])
        subscribe(client, "matches", products=["C-D"])
        assert [json.loads(each)["trade_id"] for each in received(client)] == list(range(10))


def test_each_client_plays_by_itself(exchange: Exchange) -> None:
    with connect(exchange.url) as one, connect(exchange.url) as other:
        subscribe(one, "matches", products=["A-B"])
        subscribe(other, "ticker", products=["A-B"])
        assert len(received(one)) == 5
        assert len(received(other)) == 10


def test_unknown_product_and_channel_get_the_errors_of_the_venue(exchange: Exchange) -> None:
    with connect(exchange.url) as client:
        assert subscribe(client, "matches", products=["X-Y"])["reason"] == "X-Y is not a valid product"
        assert subscribe(client, "fills", products=["A-B"])["reason"] == "fills is not a valid channel"


def test_channel_with_authentication_takes_any_signature(exchange: Exchange) -> None:
    signed = {"signature": "x", "key": "y", "passphrase": "z", "timestamp": "1"}
    with connect(exchange.url) as client:
        client.send(json.dumps({"type": "subscribe", "product_ids": ["A-B"], "channels": ["level2", "full"], **signed}))
        assert json.loads(client.recv(timeout=10))["type"] == "subscriptions"
        assert len(received(client)) == 5  # the trades, which belong to `full`, too


def test_loop_begins_again(recording: Path) -> None:
    exchange = Exchange.of_recording(recording, speed=None, loop=True)
    with exchange, connect(exchange.url, close_timeout=0.1) as client:
        subscribe(client, "matches", products=["A-B"])
        ids = [json.loads(client.recv(timeout=10))["trade_id"] for _ in range(12)]
        assert ids == [1, 3, 5, 7, 9, 1, 3, 5, 7, 9, 1, 3]


def test_range_and_products_are_selected(recording: Path) -> None:
    since = NOON.replace(second=1)
    with (
        Exchange.of_recording(recording, products="A-B", since=since, speed=None, then="close") as exchange,
        connect(exchange.url) as client,
    ):
        subscribe(client, "matches", products=["A-B"])
        chosen = a.played(recording, products="A-B", since=since)
        expected = [row[4] for row in a.trade_rows(chosen)]
        assert [json.loads(each)["trade_id"] for each in received(client)] == expected == [3, 5, 7, 9]


def test_pace_is_that_of_the_recording(recording: Path) -> None:
    with Exchange.of_recording(recording, speed=10, then="close") as exchange, connect(exchange.url) as client:
        subscribe(client, "matches", products=["A-B", "C-D"])
        began = time.monotonic()
        received(client)
        assert 0.2 < time.monotonic() - began < 5  # 3 seconds at 10 times the pace


def test_empty_selection_is_rejected(recording: Path) -> None:
    with pytest.raises(ConfigError, match="it has no frame of a product"):
        Exchange.of_recording(recording, products="X-Y")


def of_market(messages: list[Message]) -> list[Any]:
    """All but acknowledgements, with frames without the number of a connection."""
    return [
        (type(each), re.sub(rb'"sequence_num":\d+', b"", each.raw))
        for each in messages
        if not isinstance(each, CONTROL)
    ]


@pytest.mark.parametrize("venue", VENUES)
def test_feed_gets_the_messages_of_a_replay(venue: str, tmp_path: Path) -> None:
    a.record_exchange(tmp_path, venue=venue, steps=200, interrupted=False)
    replayed = of_market(a.played(tmp_path))
    assert len(replayed) > 50
    with Exchange.of_recording(tmp_path, speed=None) as exchange:
        feed = Feed(a.PRODUCTS, a.CHANNELS, url=exchange.url, venue=venue, drop_duplicates=False, stale_after=None)
        got = Collected(feed)
        with feed:
            got.wait_for(lambda items: len(of_market(items)) >= len(replayed))
    assert of_market(got.items) == replayed
    assert Replay(tmp_path).venue.name == venue
