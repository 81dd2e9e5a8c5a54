"""A key of Advanced Trade and its JWTs are in no repr, log, trace, traceback or recording, with either algorithm."""

from __future__ import annotations

import io
import json
import logging
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import websocket

from rxfeed import AdvancedCredentials, Feed, Secret, record
from rxfeed.errors import AuthenticationFailed, ConfigError, ConnectionLost
from rxfeed.sim import Exchange, KeyPair, key_pair
from rxfeed.transport import Connection, TransportOptions, Wakeup
from rxfeed.venues.coinbase_advanced import AdvancedSubscription, OrderUpdate
from tests.support.collect import Collected
from tests.support.recordings import recorded, segments, text_of
from tests.support.tracker import recorded_of
from tests.support.wire import Wire, WireServer, frame

VENUE, BTC = "coinbase_advanced", "BTC-USD"
PAIRS: list[KeyPair] = [
    key_pair("ES256"),
    key_pair("ES256", pkcs8=True),
    key_pair("EdDSA"),
    key_pair("EdDSA", pkcs8=True),
]
each_pair = pytest.mark.parametrize("pair", PAIRS, ids=["EC", "EC, PKCS8", "Ed25519", "Ed25519, PKCS8"])


def credentials_of(pair: KeyPair) -> AdvancedCredentials:
    return AdvancedCredentials(pair.name, pair.private_key)


def parts(secret: str) -> list[str]:
    """The lines of a key, without those that every PEM has; the parts of a JWT, of which the last one is enough."""
    lines = [line for line in secret.replace("\\n", "\n").splitlines() if line and not line.startswith("-----")]
    return [part for line in lines for part in {line, line.rpartition(".")[2]}]


def assert_hidden(text: str, pair: KeyPair, *tokens: str) -> None:
    assert [part for secret in (pair.private_key, *tokens) for part in parts(secret) if part in text] == []


def feed_to(url: str, pair: KeyPair, channel: str = "user", **options: Any) -> Feed:
    credentials = credentials_of(pair)
    return Feed(BTC, channel, venue=VENUE, url=url, credentials=credentials, reconnect=False, **options)


def resetting(wire: Wire) -> None:
    """Reset the connection as soon as the handshake is done, so that sending fails."""
    wire.shake()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@each_pair
def test_feed_and_all_that_it_holds_show_no_key(pair: KeyPair) -> None:
    feed = feed_to("ws://127.0.0.1:1", pair)
    text = repr(feed) + repr(vars(feed)) + repr(feed.about)
    text += "".join(repr(vars(each)) for each in vars(feed).values() if hasattr(each, "__dict__"))
    credentials = credentials_of(pair)
    text += repr(credentials) + str(credentials) + f"{credentials}" + repr([credentials.token("17.5")])
    assert pair.name in text
    assert_hidden(text, pair)


@each_pair
def test_rejected_setting_shows_no_key_in_its_traceback(pair: KeyPair) -> None:
    for bad in (
        {"connect_timeout": 0},
        {"credentials": pair.private_key},
        {"credentials": (pair.name, pair.private_key)},
    ):
        options: dict[str, Any] = {"credentials": credentials_of(pair), **bad}
        with pytest.raises(ConfigError) as caught:
            Feed(BTC, "user", venue=VENUE, **options)
        assert_hidden(recorded_of(caught.value), pair)


def send_often(connection: Connection, request: Secret) -> None:
    """The first sends after a reset may still succeed."""
    for _ in range(200):
        connection.send(request)
        time.sleep(0.01)


@each_pair
def test_send_that_fails_shows_no_token_in_its_traceback(pair: KeyPair) -> None:
    request = AdvancedSubscription.of(BTC, "user").requests("subscribe", credentials_of(pair), "17.5")[0]
    assert isinstance(request, Secret)
    wakeup = Wakeup()
    with WireServer(resetting) as server:
        connection = Connection(server.url, TransportOptions(send_timeout=0.2), wakeup)
        connection.open()
        with pytest.raises(ConnectionLost) as caught:
            send_often(connection, request)
        connection.close()
    wakeup.close()
    assert_hidden(recorded_of(caught.value), pair, json.loads(request.reveal())["jwt"])


@each_pair
def test_repeated_token_is_in_no_trace_log_or_recording(
    pair: KeyPair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The venue repeats the request in every kind of message, except data."""
    caplog.set_level(logging.DEBUG)
    requests: list[dict[str, Any]] = []
    lines = io.StringIO()

    def play(wire: Wire) -> None:
        wire.shake()
        requests.append(json.loads(wire.recv_frame()[1]))
        token = requests[0]["jwt"]
        for text in (
            json.dumps({"channel": "news", "sequence_num": 1, "events": requests}),
            json.dumps({"channel": "l2_data", "sequence_num": 2, "events": [{"was": token}]}),
            f"no JSON: {token}",
        ):
            wire.send(frame(text))
        wire.send(frame(f"no text: {token} ".encode() + b"\xff"))
        wire.send(frame(json.dumps({"type": "error", "message": "no", "reason": json.dumps(requests[0])})))
        wire.until_disconnected()

    websocket.enableTrace(True, logging.StreamHandler(lines))
    try:
        with WireServer(play) as server:
            feed = feed_to(server.url, pair)
            status, got = Collected(feed.status), Collected(feed)
            recorded(feed, record(tmp_path))
    finally:
        websocket.enableTrace(False)
    (path,) = segments(tmp_path)
    stored = text_of(path).decode()
    token = requests[0]["jwt"]
    assert got.error is not None
    assert '"venue":"coinbase_advanced"' in stored
    assert stored.count("[redacted]") >= 4
    for text in (stored, lines.getvalue(), caplog.text, str(status.items), recorded_of(got.error), repr(feed)):
        assert_hidden(text, pair, token)


@each_pair
def test_simulator_verifies_tokens_and_logs_none(
    pair: KeyPair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with Exchange([BTC], venue=VENUE, auto=False, public_keys={pair.name: pair.public_key}) as exchange:
        sent: list[str] = []
        original = AdvancedCredentials.token
        feed = feed_to(exchange.url, pair)
        with pytest.MonkeyPatch.context() as patch:

            def token(credentials: AdvancedCredentials, timestamp: str) -> Secret:
                made = original(credentials, timestamp)
                sent.append(made.reveal())
                return made

            patch.setattr(AdvancedCredentials, "token", token)
            got = Collected(feed)
            feed.pipe(record(tmp_path)).subscribe(on_error=lambda error: None)
            feed.connect()
            exchange.wait_for_clients()
            exchange.place_order(BTC, "buy", "0.5", price="1")
            exchange.advance(1)
            got.wait_for(lambda items: any(isinstance(each, OrderUpdate) for each in items))
            feed.close()
        text = repr(exchange) + repr(vars(exchange)) + repr(exchange.log)
    assert sent
    (path,) = segments(tmp_path)
    assert_hidden(caplog.text + text + text_of(path).decode(), pair, *sent)


@each_pair
def test_refused_token_is_an_error_without_the_key(pair: KeyPair, caplog: pytest.LogCaptureFixture) -> None:
    """The exchange has the public key of another pair under the same name."""
    caplog.set_level(logging.DEBUG)
    other = key_pair("EdDSA", name=pair.name)
    with Exchange([BTC], venue=VENUE, auto=False, public_keys={pair.name: other.public_key}) as exchange:
        feed = feed_to(exchange.url, pair)
        with pytest.raises(AuthenticationFailed) as caught:
            feed.run()
    assert_hidden(recorded_of(caught.value) + caplog.text + repr(feed), pair)
