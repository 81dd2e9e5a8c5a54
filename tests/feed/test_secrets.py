"""Credentials that an exchange repeats are in no status event, exception or log line."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import ssl
import struct
import time
from typing import Any

import pytest
import trustme
import websocket

import rxfeed.compat as cbpro
from rxfeed import ConfigError, ConnectionLost, Credentials, Feed, Secret
from rxfeed.compat.settings import ClientSettings
from rxfeed.transport import Connection, TransportOptions, Wakeup
from rxfeed.venues.coinbase_exchange import ExchangeSubscription
from rxfeed.venues.coinbase_exchange.auth import sign
from tests.support.collect import Collected
from tests.support.tracker import recorded_of
from tests.support.wire import Wire, WireServer, close_frame, frame, playing

KEY = Credentials("the-api-key", "c2VjcmV0L29mL21pbmU+Pg==", "open/sesame")


def test_repeated_secrets_are_redacted_in_status_errors_and_log(caplog: pytest.LogCaptureFixture) -> None:
    said: list[dict[str, str]] = []

    def play(wire: Wire) -> None:
        wire.shake()
        said.append(json.loads(wire.recv_frame()[1]))
        wire.send(frame(json.dumps({"type": "error", "message": "Failed to subscribe", "reason": json.dumps(said[0])})))
        wire.send(close_frame(1008, f"{KEY.key} is {KEY.passphrase.reveal()}"))
        wire.until_disconnected()

    with caplog.at_level(logging.DEBUG, "rxfeed"), WireServer(play) as server:
        feed = Feed("A-B", "ticker", url=server.url, credentials=KEY, reconnect=False)
        status, got = Collected(feed.status), Collected(feed)
        feed.serve()
    told = "".join(map(str, status.items)) + caplog.text + str(got.error) + repr(got.error) + repr(feed)
    assert told.count("[redacted]") > 4
    assert "Failed to subscribe" in told
    for secret in (KEY.key, KEY.secret.reveal(), KEY.passphrase.reveal(), said[0]["signature"]):
        assert secret not in told


# ---- in no repr, traceback or trace

# All secrets that a user may give; the texts occur nowhere else.
USER, PROXY_USER, PROXY_PASSWORD, HEADER, TOKEN = "url-user", "proxy-user", "proxy-pass", "header-value", "url-token"
PASSWORD = "url-pass"


CA = trustme.CA()


def tls_server() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert("127.0.0.1").configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def encoded(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def hidden() -> list[str]:
    """All secrets, and their encoded forms."""
    pairs = [encoded(USER, PASSWORD), encoded(PROXY_USER, PROXY_PASSWORD)]
    return [
        USER,
        PASSWORD,
        PROXY_USER,
        PROXY_PASSWORD,
        HEADER,
        TOKEN,
        KEY.secret.reveal(),
        KEY.passphrase.reveal(),
        *pairs,
    ]


def feed_to(port: int, proxy: int | None = None, scheme: str = "ws", **options: Any) -> Feed:
    """A Feed with all that may be secret."""
    return Feed(
        "A-B",
        "ticker",
        url=f"{scheme}://{USER}:{PASSWORD}@127.0.0.1:{port}/feed?token={TOKEN}",
        proxy="" if proxy is None else f"http://{PROXY_USER}:{PROXY_PASSWORD}@127.0.0.1:{proxy}",
        headers={"X-Key": HEADER},
        credentials=KEY,
        reconnect=False,
        **options,
    )


def assert_hidden(text: str, *more: str) -> None:
    assert [secret for secret in (*hidden(), *more) if secret in text] == []


def test_feed_and_its_options_show_no_secret() -> None:
    feed = feed_to(1, proxy=2)
    options = TransportOptions(proxy=f"http://{PROXY_USER}:{PROXY_PASSWORD}@x", headers={"X-Key": HEADER})
    text = repr(feed) + repr(vars(feed)) + repr(options) + feed.url + repr(feed.about)
    text += "".join(repr(vars(each)) for each in vars(feed).values() if hasattr(each, "__dict__"))
    assert "X-Key" in text
    assert_hidden(text)


def _silent(wire: Wire) -> None:
    wire.read_request()
    wire.until_disconnected()


def _rejecting(wire: Wire) -> None:
    wire.read_request()
    wire.send("HTTP/1.1 407 No\r\n\r\n")


def _resetting(wire: Wire) -> None:
    """Reset the connection as soon as the handshake is done: sending the subscription, or a later one, fails."""
    wire.shake()
    wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _breaking(wire: Wire) -> None:
    wire.shake()
    wire.recv_frame()
    wire.send(frame("x", rsv=4))


FAILURES = [
    *((play, behind) for play in (_silent, _rejecting, Wire.read_request) for behind in ("nothing", "a proxy", "tls")),
    *((play, behind) for play in (_resetting, _breaking) for behind in ("nothing", "tls")),
]


@pytest.mark.parametrize(("play", "behind"), FAILURES)
def test_failed_connection_shows_no_secret_in_its_traceback(play: Any, behind: str) -> None:
    context = tls_server() if behind == "tls" else None
    with WireServer(play, context) as server:
        proxy = server.port if behind == "a proxy" else None
        scheme = "wss" if behind == "tls" else "ws"
        tls = trusting() if behind == "tls" else None
        feed = feed_to(server.port, proxy, scheme, connect_timeout=0.3, ssl_context=tls)
        got = Collected(feed)
        feed.serve()
    assert got.error is not None
    assert_hidden(recorded_of(got.error))


def _send_often(connection: Connection, request: Secret) -> None:
    """The first sends after a reset may still succeed."""
    for _ in range(200):
        connection.send(request)
        time.sleep(0.01)


@pytest.mark.parametrize("secure", [False, True])
def test_send_that_fails_shows_no_secret_in_its_traceback(secure: bool) -> None:
    """The subscription, and a signed request for more, cannot be sent."""
    request = ExchangeSubscription.of("A-B", "full").requests("subscribe", KEY, "17.5")[0]
    assert isinstance(request, Secret)

    def play(wire: Wire) -> None:
        wire.shake()
        wire.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    wakeup = Wakeup()
    with WireServer(play, tls_server() if secure else None) as server:
        options = TransportOptions(ssl_context=trusting() if secure else None, send_timeout=0.2)
        connection = Connection(server.url, options, wakeup)
        connection.open()
        with pytest.raises(ConnectionLost) as caught:
            _send_often(connection, request)
        connection.close()
    wakeup.close()
    text = recorded_of(caught.value)
    assert "send_message" in text
    assert_hidden(text, sign(KEY.secret, "17.5"))


@pytest.mark.parametrize(
    "bad",
    [
        {"headers": {"X-Key": HEADER, "X-Bad": "\r\n"}},
        {"headers": {"X-Key": HEADER.encode()}},
        {"proxy": f"https://{PROXY_USER}:{PROXY_PASSWORD}@x"},
        {"url": f"ws://{USER}:{PASSWORD}@x:port"},
        {"url": f"http://{USER}:{PASSWORD}@x"},
        {"url": f"ws://{USER}:{PASSWORD}@{'a' * 64}"},
        {"connect_timeout": 0},
        {"ping_interval": 0},
        {"credentials": {"key": "key", "secret": KEY.secret.reveal()}},
        {"credentials": ("key", KEY.secret.reveal(), KEY.passphrase.reveal())},
        {"credentials": KEY.secret.reveal()},
    ],
)
def test_rejected_setting_shows_no_secret_in_its_traceback(bad: dict[str, Any]) -> None:
    settings = {
        "url": f"ws://{USER}:{PASSWORD}@x?token={TOKEN}",
        "headers": {"X-Key": HEADER},
        "proxy": f"http://{PROXY_USER}:{PROXY_PASSWORD}@x",
        "credentials": KEY,
    }
    with pytest.raises(ConfigError) as caught:
        Feed("A-B", "ticker", **(settings | bad))
    assert_hidden(recorded_of(caught.value))


def test_library_s_trace_shows_no_secret() -> None:
    """The trace contains neither the sent secrets nor their repetition by a server, in any frames."""
    said: list[dict[str, str]] = []
    lines = io.StringIO()

    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send("HTTP/1.1 200 OK\r\n\r\n")
        wire.request = b""
        wire.shake()
        said.append(json.loads(wire.recv_frame()[1]))
        echo = json.dumps({"type": "error", "message": "no", "reason": json.dumps(said[0])})
        wire.send(frame(echo) + frame(echo, mask=b"mask") + frame(echo[:9], fin=False) + frame(echo[9:], 0))
        wire.send(frame(b"ping", 9) + close_frame(1000))
        wire.until_disconnected()

    websocket.enableTrace(True, logging.StreamHandler(lines))
    try:
        with WireServer(play) as server:
            feed = feed_to(1, proxy=server.port)
            got = Collected(feed)
            feed.serve()
        with WireServer(playing()) as server:
            client = websocket.create_connection(server.url)
            client.ping("ping")
            client.shutdown()
    finally:
        websocket.enableTrace(False)
    assert len(got.items) == 3
    assert "ping" in lines.getvalue()  # the library traces its own connection
    assert_hidden(lines.getvalue(), said[0]["signature"])


def test_classic_client_s_settings_show_no_secret() -> None:
    client = cbpro.WebsocketClient(
        url=f"ws://{USER}:{PASSWORD}@127.0.0.1:1",
        auth=True,
        api_key="key",
        api_secret=KEY.secret.reveal(),
        api_passphrase=KEY.passphrase.reveal(),
    )
    terms = ClientSettings.of(client, False, 30.0, None)
    assert_hidden(repr(terms))
    assert terms.feed().url == "ws://127.0.0.1:1"
    assert client.url == f"ws://{USER}:{PASSWORD}@127.0.0.1:1"  # as old scripts have it
