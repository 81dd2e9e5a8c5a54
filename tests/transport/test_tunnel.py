"""Connections through proxies of SOCKS, and proxies that do not connect."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from typing import Any

import pytest

from rxfeed.errors import ProxyFailed
from rxfeed.transport import Connection, TransportOptions, Wakeup
from tests.support.leaks import nothing_left_behind
from tests.support.wire import Wire, WireServer, frame, playing


def connection(url: str, wakeup: Wakeup, **options: Any) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)


class Socks:
    """A SOCKS proxy of both versions, which connects every request to *port* of this machine."""

    def __init__(self, port: int, *, method: int = 0, login: int = 0, code: int = 0, kind: int = 1) -> None:
        self.port, self.method, self.login, self.code, self.kind = port, method, login, code, kind
        self.asked: list[Any] = []

    def play(self, wire: Wire) -> None:
        self._sock = wire.sock
        if (self._four if self._take(1) == b"\4" else self._five)():
            self._pump()

    def _four(self) -> bool:
        _, port, address = struct.unpack("!BH4s", self._take(7))
        user, name = self._until_zero(), b""
        if address[:3] == b"\0\0\0":
            name = self._until_zero()
        self.asked += [address, port, user, name]
        self._sock.sendall(bytes([0, 0x5A if self.code == 0 else self.code]) + bytes(6))
        return self.code == 0

    def _five(self) -> bool:
        self.asked.append(self._take(self._take(1)[0]))
        self._sock.sendall(bytes([5, self.method]))
        if self.method == 2:
            assert self._take(1) == b"\1"
            self.asked += [self._take(self._take(1)[0]), self._take(self._take(1)[0])]
            self._sock.sendall(bytes([1, self.login]))
            if self.login:
                return False
        elif self.method == 0xFF:
            return False
        assert self._take(3) == b"\5\1\0"
        kind = self._take(1)[0]
        self.asked.append(self._take({1: 4, 4: 16}.get(kind) or self._take(1)[0]))
        self.asked.append(struct.unpack("!H", self._take(2))[0])
        place = {1: bytes(4), 3: b"\5proxy", 4: bytes(16)}[self.kind]
        self._sock.sendall(bytes([5, self.code, 0, self.kind]) + place + bytes(2))
        return self.code == 0

    def _take(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self._sock.recv(size - len(data))
            if not more:
                raise ConnectionError("gone")
            data += more
        return data

    def _until_zero(self) -> bytes:
        return b"".join(iter(lambda: self._take(1), b"\0"))

    def _pump(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as onward:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        self._sock.sendall(data)

            pump = threading.Thread(target=back)
            pump.start()
            with contextlib.suppress(OSError):
                while data := self._sock.recv(65536):
                    onward.sendall(data)
            onward.shutdown(socket.SHUT_RDWR)
            pump.join()


@pytest.mark.parametrize(
    ("proxy", "host", "options", "asked"),
    [
        ("socks5", "127.0.0.1", {}, [b"\0", b"\x7f\0\0\1"]),
        ("socks5", "localhost", {"kind": 3}, [b"\0", b"\x7f\0\0\1"]),
        ("socks5", "[::1]", {"kind": 4}, [b"\0", bytes(15) + b"\1"]),
        ("socks5h", "ex\u00e4mple.org", {}, [b"\0", b"xn--exmple-cua.org"]),
        ("socks5h user:p%40ss", "example.org", {"method": 2}, [b"\0\2", b"user", b"p@ss", b"example.org"]),
        ("socks5h user:p%40ss", "example.org", {"method": 0}, [b"\0\2", b"example.org"]),
    ],
)
def test_connect_through_socks_5(
    wakeup: Wakeup,
    proxy: str,
    host: str,
    options: dict[str, int],
    asked: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    local = [(socket.AF_INET, ("127.0.0.1", 80))]
    if host == "localhost":
        monkeypatch.setattr("rxfeed.transport.tunnel.resolve", lambda *_: local)
    kind, _, login = proxy.partition(" ")
    with WireServer(playing(frame("hello"))) as server:
        socks = Socks(server.port, **options)
        with WireServer(socks.play) as middle:
            url = f"{kind}://{login}{'@' if login else ''}127.0.0.1:{middle.port}"
            client = connection(f"ws://{host}:99/", wakeup, proxy=url)
            client.open()
            client.send("x")
            assert client.receive(5) == [b"hello"]
            client.close(timeout=0.1)
    assert socks.asked == [*asked, 99]


@pytest.mark.parametrize(
    ("kind", "host", "asked"),
    [
        ("socks4", "127.0.0.1", [b"\x7f\0\0\1", 99, b"user", b""]),
        ("socks4a", "example.org", [b"\0\0\0\1", 99, b"user", b"example.org"]),
        ("socks4a", "127.0.0.1", [b"\x7f\0\0\1", 99, b"user", b""]),
    ],
)
def test_connect_through_socks_4(wakeup: Wakeup, kind: str, host: str, asked: list[Any]) -> None:
    with WireServer(playing(frame("hello"))) as server:
        socks = Socks(server.port)
        with WireServer(socks.play) as middle:
            client = connection(f"ws://{host}:99/", wakeup, proxy=f"{kind}://user@127.0.0.1:{middle.port}")
            client.open()
            client.send("x")
            assert client.receive(5) == [b"hello"]
            client.close(timeout=0.1)
    assert socks.asked == asked


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("socks5h://127.0.0.1", {"code": 2}, "the rules of the proxy do not allow it"),
        ("socks5h://127.0.0.1", {"code": 0x63}, "0x63"),
        ("socks5h://127.0.0.1", {"method": 0xFF}, "requires a user and a password"),
        ("socks5h://me:hidden@127.0.0.1", {"method": 2, "login": 1}, "does not accept the user"),
        (f"socks5h://me:{'hidden' * 50}@127.0.0.1", {"method": 2}, "at most 255 bytes"),
        ("socks4a://127.0.0.1", {"code": 0x5B}, "0x5b instead of 0x5a"),
    ],
)
def test_rejecting_socks_proxy_is_named(wakeup: Wakeup, url: str, options: dict[str, int], text: str) -> None:
    with WireServer(Socks(1, **options).play) as middle, nothing_left_behind():
        where = rf"the proxy socks\w+://127\.0\.0\.1:{middle.port}: .*{text}"
        with pytest.raises(ProxyFailed, match=where) as caught:
            connection("ws://example.org", wakeup, proxy=f"{url}:{middle.port}").open()
    assert "hidden" not in str(caught.value)


@pytest.mark.parametrize("kind", ["http", "socks4a", "socks5", "socks5h"])
@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"\xff" * 20])
def test_server_that_is_no_proxy_is_a_proxy_failure(wakeup: Wakeup, kind: str, answer: bytes) -> None:
    def play(wire: Wire) -> None:
        wire.sock.recv(3)
        wire.send(answer)

    with WireServer(play) as middle, pytest.raises(ProxyFailed, match=f"the proxy {kind}://127"):
        connection("ws://127.0.0.2", wakeup, proxy=f"{kind}://127.0.0.1:{middle.port}", connect_timeout=5).open()


def test_proxy_that_repeats_the_request_shows_no_password(wakeup: Wakeup) -> None:
    def play(wire: Wire) -> None:
        wire.read_request()
        (login,) = (line for line in wire.request.split(b"\r\n") if line.startswith(b"Proxy-Authorization"))
        wire.send(b"HTTP/1.1 407 no me, sesame, " + login + b"\r\n\r\n")

    with WireServer(play) as proxy, pytest.raises(ProxyFailed) as caught:
        connection("ws://example.org", wakeup, proxy=f"http://me:sesame@127.0.0.1:{proxy.port}").open()
    assert "407 no me, [redacted], Proxy-Authorization: [redacted]" in str(caught.value)


def test_unreachable_proxy_is_named(wakeup: Wakeup) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(ProxyFailed, match=rf"the proxy http://127\.0\.0\.1:{port}: .*refused"):
            connection("ws://example.org", wakeup, proxy=f"http://127.0.0.1:{port}").open()
    with pytest.raises(ProxyFailed, match=r"the proxy http://no-such-proxy\.invalid:80"):
        connection("ws://example.org", wakeup, proxy="http://no-such-proxy.invalid").open()


def test_changed_environment_is_a_proxy_failure(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connection("ws://example.org", wakeup)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("http_proxy", "socks://proxy:1")
    with pytest.raises(ProxyFailed, match="environment variable http_proxy"):
        client.open()
