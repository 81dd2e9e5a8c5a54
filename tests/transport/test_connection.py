"""A connection, its opening and its failures, against a server that plays byte by byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterator

import pytest
import trustme

from rxfeed import (
    AddressNotFound,
    CertificateInvalid,
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    HandshakeRejected,
    HostRetired,
    ProtocolViolated,
    ProxyFailed,
)
from rxfeed.transport import Closed, Connection, Pong, TransportOptions, Wakeup
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, close_frame, frame, playing


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    wakeup = Wakeup()
    yield wakeup
    wakeup.close()


def connection(url: str, wakeup: Wakeup, **options: object) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)  # pyright: ignore[reportArgumentType]


def test_messages_pongs_and_close_are_received(wakeup: Wakeup) -> None:
    def play(wire: Wire) -> None:
        wire.shake()
        assert wire.recv_frame() == (1, b"hello")
        opcode, payload = wire.recv_frame()
        assert opcode == 9
        wire.send(frame("one") + frame(payload, 10) + frame("two"))
        wire.send(close_frame(1001, "going away"))
        wire.until_disconnected()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("hello")
        client.ping(b"now")
        before = time.time_ns()
        events = []
        while len(events) < 4:
            events += client.receive(5)
        assert events == [b"one", Pong(b"now"), b"two", Closed(1001, "going away")]
        assert before <= client.received_ns <= time.time_ns()
        client.close()


@pytest.mark.parametrize(
    ("sent", "closed"),
    [
        (close_frame(1000, "bye"), Closed(1000, "bye")),
        (close_frame(4001), Closed(4001, "")),
        (frame(b"", 8), Closed(1005, "")),
    ],
)
def test_close_has_code_and_reason(wakeup: Wakeup, sent: bytes, closed: Closed) -> None:
    with WireServer(playing(sent)) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert client.receive(5) == [closed]
        client.close()


def test_close_of_a_retired_host_is_explained() -> None:
    assert isinstance(Closed(1000, "deprecated hostname").error(), HostRetired)


def test_receive_returns_at_its_timeout_or_wakeup(wakeup: Wakeup) -> None:
    with WireServer(playing()) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert client.receive(0.01) == []
        wakeup.set()
        with at_most(5):
            assert client.receive(30) == []
        client.close()


def test_refused_connection_is_a_connect_failure(wakeup: Wakeup) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{probe.getsockname()[1]}"
        with nothing_left_behind(), pytest.raises(ConnectFailed, match=r"refused") as caught:
            connection(url, wakeup).open()
    assert url in str(caught.value)


def test_unknown_host_is_a_connect_failure(wakeup: Wakeup) -> None:
    with pytest.raises(AddressNotFound, match=r"no-such-host\.invalid"):
        connection("ws://no-such-host.invalid", wakeup).open()


@pytest.mark.parametrize(
    "answer",
    [
        "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nslow",
        "HTTP/1.1 401 Unauthorized\r\n\r\n",
        "HTTP/1.1 503 Service Unavailable\r\n\r\n",
    ],
)
def test_answer_without_an_upgrade_is_a_connect_failure(wakeup: Wakeup, answer: str) -> None:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer)

    with WireServer(play) as server, pytest.raises(HandshakeRejected) as caught:
        connection(server.url, wakeup).open()
    assert caught.value.status == int(answer.split()[1])
    assert str(caught.value.status) in str(caught.value)
    assert caught.value.headers.get("retry-after") == ("7" if "429" in answer else None)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: ws://x\r\n\r\n",
    ],
)
def test_broken_handshake_is_a_connect_failure(wakeup: Wakeup, answer: str) -> None:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(answer)

    with WireServer(play) as server, pytest.raises(ConnectFailed):
        connection(server.url, wakeup).open()


def test_server_without_an_answer_times_out(wakeup: Wakeup) -> None:
    with WireServer(Wire.until_disconnected) as server, pytest.raises(ConnectFailed, match="timed out"):
        connection(server.url, wakeup, connect_timeout=0.2).open()


@pytest.mark.parametrize("secure", [False, True])
def test_abort_ends_a_hanging_connect(wakeup: Wakeup, secure: bool) -> None:
    asked = threading.Event()

    def play(wire: Wire) -> None:
        asked.set()
        wire.until_disconnected()

    with WireServer(play) as server:
        url = server.url.replace("ws://", "wss://") if secure else server.url
        client = connection(url, wakeup, connect_timeout=30)
        threading.Thread(target=lambda: (asked.wait(30), client.abort())).start()
        with at_most(5), pytest.raises(ConnectFailed):
            client.open()


def test_abort_before_open_raises_on_open(wakeup: Wakeup) -> None:
    with WireServer(playing()) as server:
        client = connection(server.url, wakeup)
        client.abort()
        with nothing_left_behind(), pytest.raises(ConnectFailed, match="the attempt was aborted"):
            client.open()


def test_unaccepted_connect_can_be_aborted(wakeup: Wakeup) -> None:
    """A full backlog drops the SYN, as a host that is gone does."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        client = connection(f"ws://127.0.0.1:{listener.getsockname()[1]}", wakeup, connect_timeout=30)
        timer = threading.Timer(0.2, client.abort)
        timer.start()
        with at_most(5), pytest.raises(ConnectFailed):
            client.open()
        timer.join()


def test_lost_connection_is_an_error(wakeup: Wakeup) -> None:
    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        with pytest.raises(ConnectionLost):
            client.receive(5)
        client.close()


def test_broken_frames_are_a_library_error(wakeup: Wakeup) -> None:
    with WireServer(playing(frame("x", 3))) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        with pytest.raises(ProtocolViolated):
            client.receive(5)
        client.close()


def test_messages_before_a_violation_are_received_first(wakeup: Wakeup) -> None:
    """The failure comes at once with the next call, though the server sends nothing more."""
    good = [b"%d" % i for i in range(200)]
    with WireServer(playing(b"".join(map(frame, good)) + frame("x", rsv=4))) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        got: list[object] = []
        while len(got) < len(good):
            got += client.receive(5)
        assert got == good
        with at_most(5), pytest.raises(ProtocolViolated, match="reserved bit"):
            client.receive(30)
        client.close()


def test_messages_before_a_failed_send_are_received_first(wakeup: Wakeup) -> None:
    """No more than a receive buffer holds; then the server's own reason, in place of the failed send."""
    good = [b"%0300d" % i for i in range(100)]
    gone = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(b"".join(map(frame, good)) + close_frame(1008, "too slow"))
        wire.sock.close()
        gone.set()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        client.send("x")
        assert gone.wait(30)
        deadline = time.monotonic() + 5
        with contextlib.suppress(ConnectionLost):  # the first ping goes out, and the answer is that the server is gone
            while time.monotonic() < deadline:
                client.ping(b"?")
        assert client.deaf
        got: list[object] = []
        while len(got) <= len(good):
            got += client.receive(5)
        assert got == [*good, Closed(1008, "too slow")]
        with pytest.raises(ConnectionLost):
            client.receive(5)
        client.close()


def test_a_server_that_never_says_goodbye_is_left_in_time(wakeup: Wakeup) -> None:
    with WireServer(playing()) as server, nothing_left_behind():
        client = connection(server.url, wakeup)
        client.open()
        with at_most(2):
            client.close(timeout=0.2)


# ---- TLS and proxies

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


class Proxy:
    """An HTTP proxy that accepts CONNECT, or answers with *status*."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status = status
        self.heard = b""

    def play(self, wire: Wire) -> None:
        wire.read_request()
        self.heard = wire.request
        wire.send(f"HTTP/1.1 {self.status}\r\n\r\n")
        if not self.status.startswith("200"):
            return
        host, port = wire.request.split()[1].split(b":")
        with socket.create_connection((host.decode(), int(port))) as onward:

            def back() -> None:
                with contextlib.suppress(OSError):
                    while data := onward.recv(65536):
                        wire.send(data)

            pump = threading.Thread(target=back)
            pump.start()
            with contextlib.suppress(OSError):
                while data := wire.sock.recv(65536):
                    onward.sendall(data)
            onward.shutdown(socket.SHUT_RDWR)
            pump.join()


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
