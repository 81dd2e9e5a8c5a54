"""Opening a connection: failures, time-outs and abort."""

from __future__ import annotations

import contextlib
import socket
import threading

import pytest

from rxfeed import ConnectFailed
from rxfeed.errors import AddressNotFound, HandshakeRejected
from rxfeed.transport import Connection, TransportOptions, Wakeup
from tests.support.leaks import nothing_left_behind
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, playing


def connection(url: str, wakeup: Wakeup, **options: object) -> Connection:
    return Connection(url, TransportOptions(**options), wakeup)  # pyright: ignore[reportArgumentType]


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
