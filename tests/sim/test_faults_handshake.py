"""Faults before a connection is open."""

from __future__ import annotations

import http.client
import ssl
import time
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import trustme
from websockets.exceptions import InvalidStatus

from rxfeed.sim import Exchange, Fired, faults
from tests.sim.raw import CLOSE, Got, Raw
from tests.support.stopwatch import at_most
from tests.support.tls import contexts_of_two_threads, server_of_two_threads


def exchange(*script: faults.Fault, **options: Any) -> Exchange:
    return Exchange(seed=5, auto=False, faults=script, **options)


def test_slow_handshake_completes() -> None:
    endless, slow = faults.SlowHandshake(60, connection=1), faults.SlowHandshake(0.2, connection=2)
    with exchange(endless, slow, subscribe_timeout=0.1) as server:
        with Raw(server, upgrade=False, timeout=0.05) as impatient, pytest.raises(TimeoutError):
            impatient.upgrade()
        begin = time.monotonic()
        with Raw(server) as raw:
            assert time.monotonic() - begin >= 0.2
            # The time to subscribe in begins when the connection is open.
            assert raw.read().payload.endswith(b"no subscribe within 0.1 s")
        assert server.log == [Fired(1, endless, 0), Fired(2, slow, 0)]


DATE = datetime(2026, 11, 22, 13, 0, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("fault", "headers"),
    [
        (faults.HttpStatus(429, retry_after=7), {"Retry-After": "7"}),
        (faults.HttpStatus(429, retry_after=DATE), {"Retry-After": "Sun, 22 Nov 2026 12:00:00 GMT"}),
        (faults.HttpStatus(401, body="who?"), {"Content-Length": "4"}),
        (faults.HttpStatus(503), {}),
        (faults.HttpStatus(403, headers={"X-Why": "not here"}), {"X-Why": "not here"}),
        (faults.HttpStatus(522), {}),
    ],
)
def test_http_status_replaces_the_upgrade(fault: faults.HttpStatus, headers: dict[str, str], new_client: Any) -> None:
    with exchange(fault) as server:
        with pytest.raises(InvalidStatus) as caught:
            new_client(server)
        response = caught.value.response
        assert response.status_code == fault.code
        assert response.body == fault.body.encode()
        assert headers.items() <= dict(response.headers.raw_items()).items()
        connection = http.client.HTTPConnection("127.0.0.1", int(server.url.rpartition(":")[2]))
        connection.request("GET", "/", headers={"Upgrade": "websocket"})
        assert connection.getresponse().status == fault.code
        connection.close()
        assert server.accepted == 0


def test_first_connections_are_rejected_and_the_next_accepted(new_client: Any) -> None:
    with exchange(faults.HttpStatus(503, connection=range(1, 3))) as server:
        for _ in range(2):
            with pytest.raises(InvalidStatus):
                new_client(server)
        new_client(server).subscribe("heartbeat")
        assert [fired.connection for fired in server.log] == [1, 2]


def test_injected_fault_applies_to_the_next_connection_only(new_client: Any) -> None:
    with exchange() as server:
        server.inject(faults.HttpStatus(401))
        server.inject(faults.HttpStatus(429))
        for code in (401, 429):
            with pytest.raises(InvalidStatus, match=str(code)):
                new_client(server)
        new_client(server).subscribe("heartbeat")


def test_reset_and_vanish_before_the_handshake() -> None:
    reset = faults.Reset(before_handshake=True, connection=1)
    vanish = faults.Vanish(before_handshake=True, connection=2)
    with exchange(reset, vanish) as server:
        # The reset may arrive as early as in the middle of the connect.
        with pytest.raises((ConnectionResetError, BrokenPipeError)), Raw(server, upgrade=False) as raw:
            raw.upgrade()
        with Raw(server, upgrade=False) as raw, pytest.raises(EOFError, match="b''"):
            raw.upgrade()
        with Raw(server):
            assert server.accepted == 1


def test_half_open_before_the_handshake() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(exchange(faults.HalfOpen(before_handshake=True, connection=1)))
        with Raw(server, upgrade=False) as raw:
            raw.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert raw.is_silent()
            with Raw(server) as other:
                other.subscribe("heartbeat")
                server.wait_for_clients()
            assert raw.is_silent()
        with at_most(0.5):
            stack.close()


def test_refuse_until_recover() -> None:
    with exchange() as server, Raw(server) as before:
        url = server.url
        server.inject(faults.Refuse())
        for _ in range(3):
            with pytest.raises(ConnectionRefusedError):
                Raw(server)
        before.subscribe("heartbeat")
        assert before.read().message["type"] == "subscriptions"
        server.inject(faults.Recover())
        assert server.url == url
        with Raw(server) as after:
            server.disconnect(1001)
            assert before.read() == after.read() == Got(CLOSE, b"\x03\xe9")


def test_refuse_for_a_while_after_a_close() -> None:
    with exchange(faults.Refuse(1, after=1, connection=1), faults.Close(1012, after=1, connection=1)) as server:
        with Raw(server) as raw:
            raw.subscribe("heartbeat")
            assert [raw.read().opcode, raw.read().opcode] == [1, CLOSE]
            refused = 0
            begin = time.monotonic()
            while time.monotonic() - begin < 30:
                try:
                    with Raw(server):
                        break
                except ConnectionRefusedError:
                    refused += 1
                    time.sleep(0.01)
            assert refused > 0
        assert server.accepted == 2


def test_refusing_exchange_can_be_closed() -> None:
    with exchange() as server, Raw(server) as raw:
        server.inject(faults.Refuse(60))
    assert raw.exchange.connections == 0


def test_wrong_certificate_is_a_given_context(new_client: Any) -> None:
    """Changes of the context apply to later connections."""
    good, bad = trustme.CA(), trustme.CA()
    server_side, client_side = server_of_two_threads(), ssl.create_default_context()
    good.configure_trust(client_side)
    with exchange(ssl=server_side) as server:
        for authority, host, problem in (
            (good, "127.0.0.1", None),
            (bad, "127.0.0.1", "unable to get local issuer|self-signed"),
            (good, "elsewhere.example", "IP address mismatch"),
            (good, "127.0.0.1", None),
        ):
            authority.issue_cert(host).configure_cert(server_side)
            if problem is None:
                new_client(server, ssl=client_side).subscribe("heartbeat")
            else:
                with pytest.raises(ssl.SSLCertVerificationError, match=problem):
                    new_client(server, ssl=client_side)
        assert server.accepted == 2


def test_client_of_two_threads_receives_no_session_ticket() -> None:
    server_side, client_side = contexts_of_two_threads()
    with (
        exchange(ssl=server_side) as server,
        Raw(server, upgrade=False) as raw,
        client_side.wrap_socket(raw.sock, server_hostname="127.0.0.1") as raw.sock,
    ):
        assert raw.upgrade().startswith(b"HTTP/1.1 101 ")
        assert raw.sock.session is not None
        assert not raw.sock.session.has_ticket


def test_faults_over_tls(new_client: Any) -> None:
    server_side, client_side = contexts_of_two_threads()
    script = [
        faults.SlowHandshake(0.05, connection=1),
        faults.Reset(after=1, connection=1),
        faults.Vanish(after=1, connection=2),
        faults.Close(None, after=1, connection=3),
        faults.HalfOpen(after=1, connection=4),
        faults.HttpStatus(503, connection=5),
    ]
    with exchange(*script, ssl=server_side) as server:
        for seen in ("no close frame", "no close frame", r"1005"):
            client = new_client(server, ssl=client_side)
            client.send({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
            with pytest.raises(Exception, match=seen):
                list(iter(client.next, None))
        client = new_client(server, ssl=client_side)
        client.send({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat"]})
        client.next()
        with pytest.raises(TimeoutError):
            client.socket.recv(timeout=0.1)
        assert not client.socket.ping().wait(0.1)
        with pytest.raises(InvalidStatus):
            new_client(server, ssl=client_side)
        assert server.connections == 0
