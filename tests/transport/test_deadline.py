"""One deadline for all steps of an attempt, a bound on the bytes of a server, and abort."""

from __future__ import annotations

import contextlib
import errno
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rxfeed import ConnectFailed, Feed, Reconnect
from rxfeed.errors import AddressNotFound
from rxfeed.feed.status import Connecting, Disconnected
from rxfeed.transport import Connection, TransportOptions, Wakeup
from rxfeed.transport.connect_attempt import ConnectAttempt
from rxfeed.transport.resolve import resolve
from tests.support.clocks import count_readings
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, frame, playing


def connection(url: str, wakeup: Wakeup, **options: Any) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)


def dripping(first: bytes, drop: bytes) -> Callable[[Wire], None]:
    """Send *first*, then *drop* again and again, each sooner than any time-out of a single read."""

    def play(wire: Wire) -> None:
        wire.send(first)
        with contextlib.suppress(OSError):
            while True:
                time.sleep(0.001)
                wire.send(drop)

    return play


def each_reading_takes(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure deadlines by a clock that advances with each step, and not with the delays of a busy machine."""
    count_readings(monkeypatch, "rxfeed.transport.connect_attempt", seconds)


@pytest.fixture
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A system's resolver that does not answer; the hosts that it was asked for."""
    asked: list[str] = []
    released = threading.Event()
    real = socket.getaddrinfo

    def hang(host: Any, *arguments: Any, flags: int = 0, **options: Any) -> Any:
        if flags & socket.AI_NUMERICHOST:
            return real(host, *arguments, flags=flags, **options)
        asked.append(host)
        released.wait(30)
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with nothing_left_behind():
        yield asked
        released.set()


# ---- each step


@pytest.mark.parametrize(
    ("first", "drop"),
    [(b"HTTP/1.1 101 Switching Protocols\r\n", b"A: b\r\n"), (b"HTTP/1.1 503 No\r\n", b"x"), (b"", b"HTTP/1.1 ")],
    ids=["headers", "one header", "status line"],
)
def test_dripping_handshake_ends_at_the_deadline(
    wakeup: Wakeup, first: bytes, drop: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    each_reading_takes(10, monkeypatch)
    with (
        WireServer(dripping(first, drop)) as server,
        at_most(3),
        pytest.raises(ConnectFailed, match=r"timed out after 200 s \(connect_timeout\), waiting for the response"),
    ):
        connection(server.url, wakeup, connect_timeout=200).open()


def test_dripping_tls_handshake_ends_at_the_deadline(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record of TLS with a length that is never reached; the whole handshake is one step."""
    each_reading_takes(0, monkeypatch)
    with WireServer(dripping(b"\x16\x03\x03\x40\x00", b"\x02")) as server, at_most(3):
        client = connection(server.url.replace("ws://", "wss://"), wakeup, connect_timeout=0.4)
        with pytest.raises(ConnectFailed, match=r"timed out after .* setting up TLS"):
            client.open()


@pytest.mark.parametrize("kind", ["http", "socks5"])
def test_dripping_proxy_ends_at_the_deadline(wakeup: Wakeup, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, drop = (b"HTTP/1.1 200 OK\r\n", b"A: b\r\n") if kind == "http" else (b"\x05", b"")
    seconds, timeout = (10, 200) if kind == "http" else (0, 0.4)
    each_reading_takes(seconds, monkeypatch)
    with WireServer(dripping(first, drop)) as server, at_most(3):
        proxy = f"{kind}://user:hidden@127.0.0.1:{server.port}"
        client = connection("ws://example.org", wakeup, connect_timeout=timeout, proxy=proxy)
        with pytest.raises(ConnectFailed, match=f"timed out after .* waiting for the proxy {kind}://127"):
            client.open()


def test_all_steps_share_one_deadline(wakeup: Wakeup) -> None:
    """The proxy takes most of the time, and the handshake behind it has only the rest."""

    def play(wire: Wire) -> None:
        wire.read_request()
        time.sleep(1.0)
        wire.send("HTTP/1.1 200 OK\r\n\r\n")
        wire.until_disconnected()

    with WireServer(play) as server, at_most(2.3):
        proxy = f"http://127.0.0.1:{server.port}"
        client = connection("ws://example.org", wakeup, connect_timeout=1.4, proxy=proxy)
        with pytest.raises(ConnectFailed, match="timed out after"):
            client.open()


def test_silent_address_leaves_time_for_others(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    each_reading_takes(0, monkeypatch)
    with contextlib.ExitStack() as stack:
        silent = stack.enter_context(socket.socket())
        silent.bind(("127.0.0.1", 0))
        silent.listen(0)
        for _ in range(4):  # a full backlog drops what comes
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(silent.getsockname())
        server = stack.enter_context(WireServer(playing(frame("hello"))))
        places = [(socket.AF_INET, silent.getsockname()), (socket.AF_INET, ("127.0.0.1", server.port))]
        monkeypatch.setattr("rxfeed.transport.dial.resolve", lambda host, port, attempt: places)
        client = connection("ws://example.org", wakeup, connect_timeout=3, proxy="")
        client.open()
        client.send("x")
        assert client.receive(5) == [b"hello"]
        client.close(timeout=0.1)


# ---- the resolver


def test_hanging_resolver_ends_at_the_deadline(wakeup: Wakeup, hanging_resolver: list[str]) -> None:
    for _ in range(3):
        with at_most(3), pytest.raises(ConnectFailed, match=r"timed out after 0\.2 s .* resolving example\.org"):
            connection("ws://example.org", wakeup, connect_timeout=0.2, proxy="").open()
    assert hanging_resolver == ["example.org"]  # one thread hangs there, for any number of attempts


def test_hanging_resolver_does_not_block_abort(wakeup: Wakeup, hanging_resolver: list[str]) -> None:
    client = connection("ws://example.org", wakeup, connect_timeout=30, proxy="")
    timer = threading.Timer(0.2, client.abort)
    timer.start()
    with at_most(5), pytest.raises(ConnectFailed, match="the attempt was aborted"):
        client.open()
    timer.join()


def test_hanging_resolver_does_not_block_a_feed(hanging_resolver: list[str]) -> None:
    policy = Reconnect(initial=0.01, maximum=0.01, retries=1)
    feed = Feed("A-B", "ticker", url="ws://example.org", connect_timeout=0.2, proxy="", reconnect=policy)
    status = Collected(feed.status)
    with at_most(10):
        feed.connect()
        status.wait_for(lambda items: sum(isinstance(item, Disconnected) for item in items) == 1)
        feed.close()
    assert [type(item) for item in status.items if isinstance(item, Connecting | Disconnected)][:2] == [
        Connecting,
        Disconnected,
    ]


def test_an_address_as_a_text_needs_no_resolver(hanging_resolver: list[str]) -> None:
    assert resolve("127.0.0.1", 80, ConnectAttempt(5)) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert hanging_resolver == []


def test_the_resolver_s_answer_and_its_error_come_back() -> None:
    assert (socket.AF_INET, ("127.0.0.1", 80)) in resolve("localhost", 80, ConnectAttempt(5))
    for _ in range(2):
        with pytest.raises(socket.gaierror):
            resolve("no-such-host.invalid", 80, ConnectAttempt(5))


def test_impossible_name_has_no_address(wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: Any, *arguments: Any, **options: Any) -> Any:
        raise UnicodeError("label too long")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    with pytest.raises(AddressNotFound, match="label too long"):
        connection("ws://example.org", wakeup, proxy="").open()


# ---- resources


@pytest.mark.parametrize("secure", [False, True])
def test_lack_of_file_descriptors_is_a_connect_failure(
    wakeup: Wakeup, secure: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever step it is that needs one more: here the trusted certificates, or the selector."""

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise OSError(errno.EMFILE, "Too many open files")

    with WireServer(playing()) as server, nothing_left_behind():
        url = server.url.replace("ws://", "wss://") if secure else server.url
        with monkeypatch.context() as patched:
            patched.setattr(*(ssl, "create_default_context") if secure else (selectors, "DefaultSelector"), refuse)
            with pytest.raises(ConnectFailed, match="Too many open files"):
                connection(url, wakeup).open()


# ---- bounds


@pytest.mark.parametrize("drop", [b"A: b\r\n", b"x" * 1000], ids=["many headers", "one long header"])
def test_handshake_headers_are_bounded(wakeup: Wakeup, drop: bytes) -> None:
    sent = 0

    def play(wire: Wire) -> None:
        nonlocal sent
        wire.send(b"HTTP/1.1 101 Switching Protocols\r\nA: ")
        with contextlib.suppress(OSError):
            while sent < 200_000_000:
                wire.send(drop * 100)
                sent += len(drop) * 100

    with WireServer(play) as server, pytest.raises(ConnectFailed, match=r"bytes of headers|more than 100 headers"):
        connection(server.url, wakeup).open()
    assert sent < 20_000_000  # 64 kB were read, and the system's buffers hold some more


def test_body_of_a_rejected_handshake_is_not_read(wakeup: Wakeup) -> None:
    """The body is announced, and never comes."""

    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send("HTTP/1.1 503 Busy\r\nContent-Length: 100000000\r\n\r\nx")
        wire.until_disconnected()

    with WireServer(play) as server, at_most(5), pytest.raises(ConnectFailed, match="503 Busy"):
        connection(server.url, wakeup, connect_timeout=30).open()


def test_frames_behind_the_handshake_are_kept(wakeup: Wakeup) -> None:
    """A server may send its first frames in one packet with its answer."""

    def play(wire: Wire) -> None:
        send, held = wire.send, []
        wire.send = held.append  # type: ignore[method-assign]
        wire.shake()
        send(held[0].encode() + frame("one") + frame("two")[:3])
        wire.sock.settimeout(5)
        assert wire.recv_frame() == (1, b"x")
        send(frame("two")[3:] + frame("three"))
        wire.until_disconnected()

    with WireServer(play) as server:
        client = connection(server.url, wakeup)
        client.open()
        assert client.ready()
        with at_most(3):
            assert client.receive(30) == [b"one"]
        client.send("x")
        got: list[object] = []
        while len(got) < 2:
            got += client.receive(5)
        assert got == [b"two", b"three"]
        client.close(timeout=0.1)
