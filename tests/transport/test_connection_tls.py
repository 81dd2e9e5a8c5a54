"""Connections over TLS and through proxies, and the options of both."""

from __future__ import annotations

import ssl

import pytest
import trustme

from rxfeed import ConfigError
from rxfeed.errors import CertificateInvalid, ProxyFailed
from rxfeed.transport import Connection, TransportOptions, Wakeup
from tests.support.leaks import nothing_left_behind
from tests.support.proxies import Proxy
from tests.support.wire import Wire, WireServer, frame, playing


def connection(url: str, wakeup: Wakeup, **options: object) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)  # pyright: ignore[reportArgumentType]


CA = trustme.CA()


def tls_server(*names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CA.issue_cert(*names).configure_cert(context)
    return context


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    CA.configure_trust(context)
    return context


def test_tls_with_a_given_context(wakeup: Wakeup) -> None:
    payload = b"x" * 200_000
    with WireServer(playing(frame(payload) + frame("two")), tls_server("127.0.0.1")) as server:
        client = connection(server.url, wakeup, ssl_context=trusting())
        client.open()
        client.send("x")
        got: list[object] = []
        while len(got) < 2:
            got += client.receive(5)
        assert got == [payload, b"two"]
        client.close()


@pytest.mark.parametrize("case", ["unknown authority", "other name"])
def test_unverified_certificate_is_an_error(wakeup: Wakeup, case: str) -> None:
    name, context = ("127.0.0.1", None) if case == "unknown authority" else ("example.org", trusting())
    with (
        WireServer(playing(), tls_server(name)) as server,
        nothing_left_behind(),
        pytest.raises(CertificateInvalid, match=r"wss://127\.0\.0\.1"),
    ):
        connection(server.url, wakeup, ssl_context=context).open()


def test_connect_through_a_proxy_with_a_password(wakeup: Wakeup) -> None:
    proxy = Proxy()
    with WireServer(playing(frame("hello"))) as server, WireServer(proxy.play) as middle:
        client = connection(server.url, wakeup, proxy=f"http://user:p%40ss@127.0.0.1:{middle.port}")
        client.open()
        client.send("x")
        assert client.receive(5) == [b"hello"]
        client.close()
    assert proxy.heard.startswith(b"CONNECT 127.0.0.1:")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz" in proxy.heard


def test_tls_connect_through_a_proxy(wakeup: Wakeup) -> None:
    with WireServer(playing(frame("hello")), tls_server("127.0.0.1")) as server, WireServer(Proxy().play) as middle:
        client = connection(server.url, wakeup, proxy=f"http://127.0.0.1:{middle.port}", ssl_context=trusting())
        client.open()
        client.send("x")
        assert client.receive(5) == [b"hello"]
        client.close(timeout=0.1)


def test_rejecting_proxy_is_an_error(wakeup: Wakeup) -> None:
    with (
        WireServer(playing()) as server,
        WireServer(Proxy("407 Proxy Authentication Required").play) as middle,
        pytest.raises(ProxyFailed, match="407"),
    ):
        connection(server.url, wakeup, proxy=f"http://127.0.0.1:{middle.port}").open()


def test_environment_proxy_is_used_except_for_this_machine(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Proxy("403 Forbidden")
    with WireServer(playing()) as server, WireServer(proxy.play) as middle:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{middle.port}")
        client = connection(server.url, wakeup)
        client.open()
        client.close()
        with pytest.raises(ProxyFailed, match="403"):
            connection("ws://somewhere.invalid", wakeup).open()
    assert proxy.heard.startswith(b"CONNECT somewhere.invalid:80")


@pytest.mark.parametrize("proxy", ["ftp://user:hidden@x", "http://", "http://user:hidden@x:port"])
def test_bad_proxy_is_rejected_without_its_password(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy") as caught:
        TransportOptions(proxy=proxy)
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("name", ["max_size", "connect_timeout", "send_timeout"])
def test_bad_options_are_named(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        TransportOptions(**{name: 0})  # pyright: ignore[reportArgumentType]  # one of three


def test_extra_headers_are_sent(wakeup: Wakeup) -> None:
    heard: list[bytes] = []

    def play(wire: Wire) -> None:
        wire.shake()
        heard.append(wire.request)
        wire.until_disconnected()

    with WireServer(play) as server:
        client = connection(server.url, wakeup, headers={"X-Mine": "yes"})
        client.open()
        client.close()
    assert b"X-Mine: yes" in heard[0]
