"""A feed that reconnects, or ends with the reason."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import AuthenticationFailed, Credentials, Feed, Reconnect
from rxfeed.errors import CertificateInvalid, HandshakeRejected, HostRetired, ServerClosed
from rxfeed.feed import (
    Clock,
    Connecting,
    Disconnected,
    Ended,
    Reconnecting,
    Rejected,
)
from rxfeed.feed.reconnect_loop import seconds_apart
from rxfeed.transport import retry_after
from tests.support.clocks import JumpingClock
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.scenes import FAST, answering, fast_feed, kinds, of, scenes, sending, tick
from tests.support.stopwatch import at_most
from tests.support.wire import Wire, WireServer, close_frame, frame

# ---- reconnecting


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
def test_server_close_is_a_disconnect(code: int) -> None:
    bye = close_frame(code, "bye") if code != 1006 else b""

    def leave(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1) + bye)

    with WireServer(scenes(leave, sending(tick(2)))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(2)
    assert [(m.content["sequence"], m.epoch) for m in got.items] == [(1, 0), (2, 1)]
    assert kinds(status) == [
        "Idle",
        "Connecting",
        "Connected",
        "Disconnected",
        "Reconnecting",
        "Connecting",
        "Connected",
        "Ended",
    ]
    (disconnected,), (again,) = of(status, Disconnected), of(status, Reconnecting)
    if code != 1006:
        assert isinstance(disconnected.cause, ServerClosed)
        assert (disconnected.cause.code, disconnected.cause.reason) == (code, "bye")
    assert again.cause is disconnected.cause
    assert (feed.stats.connections, feed.stats.reconnects) == (2, 1)


def test_attempts_count_from_the_last_message_and_delays_grow() -> None:
    refuse = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")
    told = sending(tick(1) + close_frame(1001))
    with WireServer(scenes(refuse, refuse, refuse, told, refuse, sending(tick(2)))) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=8, maximum=64))
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(2)
    assert [s.attempt for s in of(status, Connecting)] == [1, 2, 3, 4, 2, 3]
    assert [s.attempt for s in of(status, Reconnecting)] == [2, 3, 4, 2, 3]
    for again, ceiling in zip(of(status, Reconnecting), [8, 16, 32, 8, 16], strict=True):
        assert 0 <= again.delay <= ceiling


def test_acknowledgement_does_not_reset_the_attempts() -> None:
    ack = frame('{"type":"subscriptions","channels":[]}') + close_frame(1001)
    with WireServer(scenes(sending(ack), sending(ack), sending(tick(1)))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(3)
    assert [s.attempt for s in of(status, Connecting)] == [1, 2, 3]


def test_attempts_at_a_public_host_are_a_second_apart() -> None:
    for url in (
        "wss://ws-feed.exchange.coinbase.com",
        "ws://10.0.0.1:80",
        "ws://localhost.example.org",
        "ws://[2001:db8::1]",
    ):
        assert seconds_apart(url) == 1.0


def test_attempts_on_loopback_follow_the_policy() -> None:
    clock = JumpingClock()
    with WireServer(answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=0.05, maximum=0.1, retries=5), clock=clock)
        status = Collected(feed.status)
        with pytest.raises(HandshakeRejected):
            feed.run()
    assert [seconds_apart(url) for url in (server.url, "ws://localhost:1", "ws://[::1]:1", "ws://127.3.2.1")] == [
        0.01
    ] * 4
    assert len(of(status, Connecting)) == 6
    assert clock.waited == [again.delay for again in of(status, Reconnecting)]
    assert all(0.01 <= seconds <= 0.1 for seconds in clock.waited)  # the attempts do not spin


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int) -> None:
    busy = answering(f"HTTP/1.1 {status} Busy\r\nRetry-After: 30\r\n\r\n")
    with WireServer(scenes(busy, sending(tick(1)))) as server:
        feed = fast_feed(server.url)
        got, said = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    (again,) = of(said, Reconnecting)
    assert again.delay == 30
    assert isinstance(again.cause, HandshakeRejected)
    assert (of(said, Connecting)[1].at - of(said, Connecting)[0].at).total_seconds() >= 30 / FAST.speed


def test_retry_after_may_be_a_date() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert retry_after("Fri, 02 Jan 2026 03:04:35 GMT", now) == 30
    assert retry_after("Fri, 02 Jan 2026 03:00:00 GMT", now) == 0
    assert retry_after("-5", now) == retry_after("²", now) == retry_after("", now) == 0


@pytest.mark.parametrize("header", ["1771404540", "9" * 5000, "3601", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_is_capped_at_an_hour(header: str) -> None:
    """Waited for in slices, reported, and cut short by `close()`."""
    with WireServer(answering(f"HTTP/1.1 429 Busy\r\nRetry-After: {header}\r\n\r\n")) as server:
        feed = fast_feed(server.url, clock=Clock())
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Reconnecting) for s in items))
        assert got.completed
    (again,) = of(status, Reconnecting)
    assert (again.delay, again.retry_after) == (3600, 3600)


@given(st.text() | st.datetimes().map(lambda at: at.strftime("%a, %d %b %Y %H:%M:%S +9959")) | st.integers().map(str))
def test_retry_after_takes_any_header(header: str) -> None:
    assert 0 <= retry_after(header, datetime(2026, 1, 2, tzinfo=UTC)) <= 3600


def test_exhausted_retries_end_the_stream_with_the_last_cause() -> None:
    with WireServer(answering("HTTP/1.1 500 Oops\r\n\r\n")) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=0, maximum=0, retries=3))
        got, status = Collected(feed), Collected(feed.status)
        feed.connect()
        got.wait_for_end()
    assert isinstance(got.error, HandshakeRejected)
    assert len(of(status, Connecting)) == 4
    (ended,) = of(status, Ended)
    assert ended.cause is got.error


def test_every_connection_is_subscribed_and_signed_again() -> None:
    heard: list[Any] = []

    def listen(wire: Wire) -> None:
        wire.shake()
        heard.append(json.loads(wire.recv_frame()[1]))
        wire.send(tick(len(heard)) + close_frame(1001))
        wire.until_closed()

    with WireServer(listen) as server:
        credentials = Credentials("k", "c2VjcmV0", "p")
        feed = fast_feed(server.url, credentials=credentials)
        got = Collected(feed)
        with feed:
            got.wait_for(3)
    assert [(m["channels"], m["product_ids"]) for m in heard[:3]] == [(["ticker"], ["A-B"])] * 3
    assert len({m["timestamp"] for m in heard}) == len({m["signature"] for m in heard}) == len(heard)


# ---- permanent failures


def test_retired_host_is_not_retried() -> None:
    with WireServer(sending(close_frame(1000, "deprecated hostname"))) as server:
        feed = fast_feed(server.url)
        with pytest.raises(HostRetired, match="deprecated hostname"):
            feed.run()
    assert feed.stats.connections == 1


@pytest.mark.parametrize(
    "refusal",
    [
        '{"type":"error","message":"Authentication Failed","reason":"{\\"message\\":\\"Invalid API Key\\"}"}',
        '{"type":"error","message":"Sorry, you could not be authenticated: Bad Request","reason":"invalid signature"}',
    ],
)
def test_failed_authentication_is_not_retried(refusal: str) -> None:
    with WireServer(sending(frame(refusal))) as server:
        feed = fast_feed(server.url, "user", credentials=Credentials("k", "c2VjcmV0", "p"))
        got, status = Collected(feed), Collected(feed.status)
        with pytest.raises(AuthenticationFailed, match="uthenticat"):
            feed.run()
    assert len(got.items) == 1  # the exchange's own words come first
    assert len(of(status, Rejected)) == 1


def test_unauthorized_handshake_is_not_retried() -> None:
    with WireServer(answering("HTTP/1.1 401 Unauthorized\r\n\r\n")) as server:
        feed = fast_feed(server.url)
        with pytest.raises(HandshakeRejected, match="401"):
            feed.run()


def test_unverified_certificate_is_not_retried() -> None:
    import ssl

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with WireServer(sending(tick(1)), context) as server:
        feed = fast_feed(server.url)
        status = Collected(feed.status)
        with pytest.raises(CertificateInvalid):
            feed.run()
    assert len(of(status, Connecting)) == 1


# ---- closing while it waits


def test_close_during_back_off() -> None:
    with nothing_left_behind():
        feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9", reconnect=Reconnect(initial=600, maximum=600))
        got, status = Collected(feed), Collected(feed.status)
        feed.connect()
        status.wait_for(lambda items: any(isinstance(s, Reconnecting) for s in items))
        with at_most(2):
            feed.close()
        assert got.completed


def test_wakeup_does_not_shorten_the_back_off() -> None:
    feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9", reconnect=Reconnect(initial=600, maximum=600))
    status = Collected(feed.status)
    feed.connect()
    status.wait_for(lambda items: any(isinstance(s, Reconnecting) for s in items))
    for number in range(5):
        feed.add(f"P{number}-USD", "ticker")
    time.sleep(0.05)
    feed.close()
    assert len(of(status, Connecting)) == 1
