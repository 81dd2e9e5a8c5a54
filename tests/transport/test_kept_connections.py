"""Connections that a client keeps for its next requests, and those that it must not use again."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time

import pytest
import trustme

from rxfeed.core import Reconnect
from rxfeed.errors import ConnectFailed, RequestRejected
from rxfeed.transport import HttpClient
from rxfeed.transport.kept_connections import KeptConnections
from tests.support.clocks import count_readings
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Gives each request the next of *answers*; an empty one hangs up. `requests`: those of each connection."""

    def __init__(self, *answers: bytes, context: ssl.SSLContext | None = None) -> None:
        self.answers = [*answers]
        self.requests: list[int] = []
        self._wire = WireServer(self._play, context)

    def _play(self, wire: Wire) -> None:
        number = len(self.requests)
        self.requests.append(0)
        while True:
            wire.request = b""
            wire.read_request()
            self.requests[number] += 1
            answer = self.answers.pop(0) if self.answers else OK
            if not answer:
                return
            wire.send(answer)

    def __enter__(self) -> Server:
        self._wire.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._wire.__exit__(*error)  # pyright: ignore[reportArgumentType]

    def client(self, **options: object) -> HttpClient:
        url = self._wire.url.replace("ws", "http", 1)
        once = {"rate": 1000, "timeout": 10, "retry": Reconnect(retries=0), "keep_alive": True}
        return HttpClient(url, **(once | options))  # pyright: ignore[reportArgumentType]


def test_requests_one_after_the_other_use_one_connection() -> None:
    with nothing_left_behind(), Server() as server:
        client = server.client()
        assert [client.get("/").body for _ in range(5)] == [b"{}"] * 5
        client.close()
    assert server.requests == [5]


def test_client_without_it_uses_one_for_each() -> None:
    with nothing_left_behind(), Server() as server:
        client = server.client(keep_alive=False)
        for _ in range(3):
            client.get("/")
    assert server.requests == [1, 1, 1]


def test_encrypted_connection_is_used_again() -> None:
    """After its handshake a server of TLS 1.3 sends tickets, which are no answer."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with nothing_left_behind(), Server(context=context) as server:
        client = server.client(ssl_context=trusting)
        assert [client.get("/").body for _ in range(5)] == [b"{}"] * 5
        client.close()
    assert server.requests == [5]


@pytest.mark.parametrize(
    "cut_off", [b"", b"HTT", b"HTTP/1.1 200 OK\r\nContent-"], ids=["nothing", "first line", "headers"]
)
def test_request_on_a_closed_connection_is_sent_on_a_new_one(cut_off: bytes) -> None:
    """It is one attempt of the client, since a failure on a new connection alone is one of the server."""

    def play(wire: Wire) -> None:
        for answer in (OK, cut_off) if first.acquire(blocking=False) else (OK, OK):
            wire.request = b""
            wire.read_request()
            wire.send(answer)

    first = threading.Lock()
    with nothing_left_behind(), WireServer(play) as server:
        client = HttpClient(server.url.replace("ws", "http"), rate=1000, retry=Reconnect(retries=0), keep_alive=True)
        assert [client.get("/").body for _ in range(2)] == [b"{}"] * 2
        client.close()


def test_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    with nothing_left_behind(), Server(OK, b"") as server:
        client = server.client()
        client.get("/")
        kept = client._kept  # pyright: ignore[reportPrivateUsage]
        assert kept is not None
        sock = kept.take()
        assert sock is not None
        sock.settimeout(10)
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")  # the server hangs up
        assert sock.recv(1) == b""
        kept.keep(sock)
        assert kept.take() is None
        assert client.get("/").body == b"{}"
        client.close()
    assert server.requests == [2, 1]


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    ],
    ids=["close", "HTTP/1.0", "more than the answer"],
)
def test_connection_that_cannot_take_another_request_is_closed(answer: bytes) -> None:
    with nothing_left_behind(), Server(answer, answer) as server:
        client = server.client()
        assert [client.get("/").body for _ in range(2)] == [b"{}"] * 2
    assert server.requests == [1, 1]


def test_late_bytes_are_not_the_answer_of_the_next_request() -> None:
    late = threading.Event()

    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        late.wait(10)
        wire.send(OK.replace(b"{}", b"!!"))
        sent.set()
        wire.until_disconnected()

    sent = threading.Event()
    with nothing_left_behind(), WireServer(play) as server:
        client = HttpClient(server.url.replace("ws", "http"), rate=1000, keep_alive=True)
        client.get("/")
        late.set()
        assert sent.wait(10)
        assert client.get("/").body == b"{}"
        client.close()


def test_bytes_behind_an_encrypted_answer_are_not_the_next_one() -> None:
    """They are decrypted together with the end of the answer, so that nothing waits at the socket."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    def play(wire: Wire) -> None:
        wire.read_request()
        head, _, body = OK.partition(b"\r\n\r\n")
        wire.send(head + b"\r\n\r\n")
        time.sleep(0.05)  # so that the body is a record of its own
        wire.send(body + OK.replace(b"{}", b"!!"))
        wire.until_disconnected()

    with nothing_left_behind(), WireServer(play, context) as server:
        url = server.url.replace("wss", "https")
        client = HttpClient(url, rate=1000, keep_alive=True, ssl_context=trusting)
        assert [client.get("/").body for _ in range(3)] == [b"{}"] * 3
        client.close()


def test_no_connection_is_used_again_after_one_of_them_got_no_answer() -> None:
    """The network may have changed: the next attempt, within the same patience, has to be on a new connection."""
    dead, asked, both = threading.Event(), list[bytes](), threading.Barrier(2)

    def play(wire: Wire) -> None:
        while True:
            wire.request = b""
            wire.read_request()
            path = wire.request.split()[1]
            asked.append(path)
            if path == b"/first":
                both.wait(10)
            elif path == b"/second" and dead.is_set():
                dead.clear()
                wire.until_disconnected()
                return
            wire.send(OK)

    with nothing_left_behind(), WireServer(play) as server:
        client = HttpClient(
            server.url.replace("ws", "http"), rate=1000, timeout=2, retry=Reconnect(retries=0), keep_alive=True
        )
        threads = [threading.Thread(target=client.get, args=("/first",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        dead.set()
        with pytest.raises(ConnectFailed, match="timed out"):
            client.get("/second")
        kept = client._kept  # pyright: ignore[reportPrivateUsage]
        assert kept is not None
        assert kept.take() is None
        assert client.get("/second").body == b"{}"
        client.close()


@pytest.mark.parametrize(
    "answer",
    [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", OK.replace(b": 2", b": 99")],
    ids=["rejected", "no end"],
)
def test_connection_of_a_failed_request_is_closed(answer: bytes) -> None:
    with nothing_left_behind(), Server(OK, answer, b"") as server:
        client = server.client(timeout=2)
        client.get("/")
        with pytest.raises(ConnectFailed):
            client.get("/")
    assert server.requests[0] == 2


def test_rejection_on_a_kept_connection_is_not_asked_twice() -> None:
    with nothing_left_behind(), Server(OK, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n") as server:
        client = server.client()
        client.get("/")
        with pytest.raises(RequestRejected, match="404 No"):
            client.get("/")
    assert server.requests == [2]


def test_deadline_holds_on_a_kept_connection() -> None:
    def play(wire: Wire) -> None:
        wire.read_request()
        wire.send(OK)
        wire.until_disconnected()

    with nothing_left_behind(), WireServer(play) as server, at_most(5):
        client = HttpClient(
            server.url.replace("ws", "http"), timeout=2, rate=1000, retry=Reconnect(retries=0), keep_alive=True
        )
        client.get("/")
        with pytest.raises(ConnectFailed, match=r"timed out after 2 s \(timeout\), waiting for the response"):
            client.get("/")


def test_connection_without_a_request_for_long_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with nothing_left_behind(), Server() as server:
        client = server.client()
        count_readings(monkeypatch, "rxfeed.transport.kept_connections", 31)
        for _ in range(3):
            client.get("/")
        client.close()
    assert server.requests == [1, 1, 1]


def test_close_closes_what_is_kept_and_keeps_no_more() -> None:
    kept = KeptConnections()
    pairs = [socket.socketpair() for _ in range(3)]
    kept.keep(pairs[0][0])
    kept.close()
    kept.keep(pairs[1][0])
    assert [mine.fileno() for mine, _ in pairs[:2]] == [-1, -1]
    assert kept.take() is None
    for pair in pairs:
        for each in pair:
            each.close()


def test_only_a_few_are_kept() -> None:
    kept = KeptConnections()
    pairs = [socket.socketpair() for _ in range(6)]
    for mine, _ in pairs:
        kept.keep(mine)
    assert sum(mine.fileno() >= 0 for mine, _ in pairs) == 4
    kept.close()
    for _, theirs in pairs:
        theirs.close()


def test_threads_share_the_connections_and_never_one_at_a_time() -> None:
    """Each answer has the path that was asked for."""

    def play(wire: Wire) -> None:
        while True:
            wire.request = b""
            wire.read_request()
            path = wire.request.split()[1]
            time.sleep(0.001)
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))

    wrong: list[bytes] = []

    def ask(name: int) -> None:
        for number in range(50):
            body = client.get(f"/{name}/{number}").body
            if body != f"/{name}/{number}".encode():
                wrong.append(body)

    with nothing_left_behind(), WireServer(play) as server:
        client = HttpClient(server.url.replace("ws", "http"), rate=1e6, keep_alive=True)
        threads = [threading.Thread(target=ask, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        client.close()
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked_process_does_not_use_the_connections_of_its_parent() -> None:
    kept = KeptConnections()
    mine, theirs = socket.socketpair()
    with mine, theirs:
        kept.keep(mine)
        child = os.fork()
        if child == 0:
            os._exit(0 if kept.take() is None else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert kept.take() is mine
