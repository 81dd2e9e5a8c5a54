"""One fault in each test: its status events, the data after it, and a proof that every trade is delivered or reported.

The market changes only when the test moves it, waits run on a clock fifty times as fast, and every trade of the market
is delivered once and in order, or lies in a gap that was reported.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trustme

from rxfeed import AuthenticationFailed, ConnectFailed, ConnectionLost, Credentials, Feed, Match, Reconnect
from rxfeed.core import EPOCH_KINDS
from rxfeed.errors import CertificateInvalid, HandshakeRejected, HostRetired, ServerClosed, WentSilent
from rxfeed.feed import Clock, Connected, Connecting, Disconnected, Ended, FeedStatus, Gap, Reconnecting, Rejected
from rxfeed.market import BookSnapshot, Message
from rxfeed.sim import Exchange, faults
from rxfeed.venues.coinbase_exchange import ExchangeTicker
from tests.support.collect import Collected

BTC = "BTC-USD"
FAST = Clock(speed=50)
CHANNELS = ["matches", "ticker", "heartbeat"]


@dataclass
class Run:
    """A market, a feed on it, and everything that the feed emitted."""

    exchange: Exchange
    feed: Feed
    got: Collected[Message]
    status: Collected[FeedStatus]
    first_trade: int
    deliveries: list[float] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.status.items if isinstance(each, kind)]

    @property
    def trades(self) -> list[int]:
        return [m.trade_id for m in list(self.got.items) if isinstance(m, Match)]

    @property
    def gaps(self) -> list[int]:
        return [n for gap in self.of(Gap) if gap.channel == "matches" for n in range(gap.first, gap.last + 1)]

    def move_until(self, ready: Callable[[], Any], timeout: float = 30) -> None:
        """Run orders until *ready*."""
        deadline = time.monotonic() + timeout
        while not ready():
            assert time.monotonic() < deadline, self.status.items[-4:]
            self.exchange.step(5)
            time.sleep(0.002)

    def settle(self) -> None:
        """Run a hundred more orders and heartbeats, after which each message has arrived or is reported as missing."""
        self.exchange.step(100)
        self.exchange.advance(3)
        last = self.exchange.last_trade_id(BTC)
        deadline = time.monotonic() + 30
        while last not in {*self.trades, *self.gaps}:
            assert time.monotonic() < deadline, (last, self.trades[-3:], self.gaps, self.status.items[-3:])
            time.sleep(0.002)

    def account(self) -> None:
        trades, gaps = self.trades, self.gaps
        assert trades == sorted(set(trades)), "each once, and in order"
        assert len(gaps) == len(set(gaps))
        assert not set(trades) & set(gaps)
        assert sorted([*trades, *gaps]) == list(range(self.first_trade, self.exchange.last_trade_id(BTC) + 1))
        tickers = [m.sequence for m in self.got.items if isinstance(m, ExchangeTicker) and m.sequence is not None]
        by_connection = [[]]  # type: list[list[int]]
        for before, after in zip([0, *tickers], tickers, strict=False):
            if after <= before:
                by_connection.append([])
            by_connection[-1].append(after)
        assert len(by_connection) <= len(self.of(Connected))
        for kind in set(EPOCH_KINDS.values()):  # each kind of message has epochs of its own
            epochs = [m.epoch for m in self.got.items if m.product_id == BTC and EPOCH_KINDS[type(m)] == kind]
            assert epochs == sorted(epochs)


@contextmanager
def running(
    *script: faults.Fault,
    exchange: dict[str, Any] | None = None,
    channels: Sequence[str] = CHANNELS,
    **settings: Any,
) -> Iterator[Run]:
    with Exchange([BTC], seed=9, auto=False, faults=list(script), **(exchange or {})) as market:
        market.step(200)  # so that there is a last trade to begin with
        options: dict[str, Any] = {
            "reconnect": Reconnect(initial=0, maximum=0),
            "stale_after": None,
            "pong_timeout": 1e4,
            "heartbeat_timeout": 1e9,
            "clock": FAST,
        }
        feed = Feed(BTC, channels, url=market.url, **(options | settings))
        run = Run(market, feed, Collected(feed), Collected(feed.status), market.last_trade_id(BTC) + 1)
        with feed:
            yield run


ENDS: list[tuple[faults.Fault, type[Exception], str]] = [
    (faults.Close(1000, "bye", after=40, connection=1), ServerClosed, "1000 bye"),
    (faults.Close(1001, "going away", after=40, connection=1), ServerClosed, "1001 going away"),
    (faults.Close(None, after=40, connection=1), ServerClosed, "1005"),
    (faults.Close(4321, "ü", after=40, connection=1), ServerClosed, "4321 ü"),
    (faults.Close(999, after=40, connection=1), ConnectionLost, "broke the WebSocket protocol"),
    (faults.SlowReaderKick(after=40, connection=1), ServerClosed, "1008"),
    (faults.Vanish(after=40, connection=1), ConnectionLost, "without a close frame"),
    (faults.Reset(after=40, connection=1), ConnectionLost, ""),
    (faults.HalfOpen(after=40, connection=1), WentSilent, "did not answer a ping"),
    (faults.NoPong(after=40, connection=1), WentSilent, "did not answer a ping"),
]


@pytest.mark.parametrize(("fault", "cause", "text"), ENDS, ids=[f"{f!r}"[:40] for f, _, _ in ENDS])
def test_ended_connection_is_reconnected(fault: faults.Fault, cause: type[Exception], text: str) -> None:
    with running(fault, pong_timeout=100 if cause is WentSilent else 1e4) as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.settle()
        run.account()
        (disconnected,), (again,) = run.of(Disconnected), run.of(Reconnecting)
        assert isinstance(disconnected.cause, cause)
        assert text in str(disconnected.cause)
        assert again.cause is disconnected.cause
        assert (again.attempt, run.feed.stats.reconnects) == (2, 1)
        assert run.got.items[-1].epoch == 1 + len(run.of(Gap))


@pytest.mark.parametrize("hold", [False, True])
def test_silence_is_stale_despite_pongs(hold: bool) -> None:
    with running(faults.Silence(hold=hold, after=40, connection=1), stale_after=100, ping_interval=5) as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.settle()
        run.account()
        assert [str(each.cause) for each in run.of(Disconnected)] == ["no data for 100 s"]
        assert run.feed.stats.pongs > 0


HANDSHAKES: list[tuple[faults.Fault, type[Exception], str]] = [
    (faults.SlowHandshake(30, connection=1), ConnectFailed, "timed out"),
    (faults.HalfOpen(before_handshake=True, connection=1), ConnectFailed, "timed out"),
    (faults.Reset(before_handshake=True, connection=1), ConnectFailed, ""),
    (faults.Vanish(before_handshake=True, connection=1), ConnectFailed, ""),
    (faults.HttpStatus(503, connection=1), HandshakeRejected, "503"),
    (faults.HttpStatus(429, retry_after=40, connection=1), HandshakeRejected, "429"),
]


@pytest.mark.parametrize(("fault", "cause", "text"), HANDSHAKES, ids=[f"{f!r}"[:40] for f, _, _ in HANDSHAKES])
def test_failed_handshake_is_retried(fault: faults.Fault, cause: type[Exception], text: str) -> None:
    with running(fault, connect_timeout=1.5 if text == "timed out" else 30) as run:
        run.exchange.wait_for_clients()
        run.settle()
        run.account()
        (disconnected,), (again,) = run.of(Disconnected), run.of(Reconnecting)
        assert isinstance(disconnected.cause, cause)
        assert text in str(disconnected.cause)
        if isinstance(disconnected.cause, HandshakeRejected):
            assert again.delay == (40 if disconnected.cause.status == 429 else pytest.approx(1, abs=1))
        assert [each.attempt for each in run.of(Connecting)] == [1, 2]
        assert run.gaps == []


def test_slow_handshake_is_awaited() -> None:
    with running(faults.SlowHandshake(0.3)) as run:
        run.exchange.wait_for_clients()
        run.settle()
        run.account()
        assert run.of(Disconnected) == []


def test_refused_connections_are_retried() -> None:
    with running(faults.Refuse(1, after=40, connection=1), faults.Close(1001, after=40, connection=1)) as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.settle()
        run.account()
        causes = [each.cause for each in run.of(Disconnected)]
        assert isinstance(causes[0], ServerClosed)
        assert len(causes) > 1
        assert all("refused" in str(cause) for cause in causes[1:])
        delays = [each.delay for each in run.of(Reconnecting)]
        assert all(delay <= 1 for delay in delays)


# ---- permanent failures

FATAL: list[tuple[faults.Fault, type[Exception]]] = [
    (faults.Close(1000, "deprecated hostname"), HostRetired),
    (faults.HttpStatus(401), HandshakeRejected),
]


@pytest.mark.parametrize(("fault", "cause"), FATAL, ids=["deprecated hostname", "401"])
def test_permanent_failures_are_not_retried(fault: faults.Fault, cause: type[Exception]) -> None:
    with running(fault) as run:
        run.got.wait_for_end()
        assert isinstance(run.got.error, cause)
        assert len(run.of(Connecting)) == 1
        (ended,) = run.of(Ended)
        assert ended.cause is run.got.error


def test_rejected_credentials_end_the_feed() -> None:
    right, wrong = Credentials("key", "c2VjcmV0", "phrase"), Credentials("key", "b3RoZXI=", "phrase")
    with running(exchange={"credentials": right}, credentials=wrong) as run:
        run.got.wait_for_end()
        assert isinstance(run.got.error, AuthenticationFailed)


def test_wrong_certificate_ends_the_feed() -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    context, trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    stranger.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trusting)
    with running(exchange={"ssl": context}, ssl_context=trusting) as run:
        run.got.wait_for_end()
        assert isinstance(run.got.error, CertificateInvalid)


# ---- frames, on a connection that stays open

MATCHES = {"match"}
FRAMES: list[tuple[str, list[faults.Fault], dict[str, int]]] = [
    ("malformed JSON", [faults.MalformedFrame(after=n) for n in (20, 30, 40)], {"malformed": 3}),
    ("bad UTF-8", [faults.BadUtf8(after=20)], {"malformed": 1}),
    ("oversized", [faults.OversizedFrame(3_000_000, after=20)], {"malformed": 1}),
    ("fragmented", [faults.Fragmented(5, count=10, after=20)], {}),
    ("masked", [faults.Masked(10, after=20)], {}),
    ("duplicates", [faults.Duplicate(7, types=MATCHES, after=10)], {"duplicates": 7}),
    ("missing", [faults.Drop(3, types=MATCHES, after=10)], {"gapped": 3, "gaps": 1}),
    ("reordered", [faults.Reorder(2, types=MATCHES, after=10)], {"gapped": 1, "gaps": 1, "duplicates": 1}),
    ("data before the ack", [faults.EarlyData(3)], {}),
    ("the clock jumps on", [faults.ClockJump(3600, after=20)], {}),
    ("the clock jumps back", [faults.ClockJump(-3600, after=20)], {}),
    ("held back for a while", [faults.Silence(hold=True, after=20), faults.Recover(after=60)], {}),
]


@pytest.mark.parametrize(("name", "script", "counters"), FRAMES, ids=[name for name, _, _ in FRAMES])
def test_faulty_frames_lose_no_trade_silently(name: str, script: list[faults.Fault], counters: dict[str, int]) -> None:
    with running(*script, max_size=2_000_000) as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: len(run.exchange.log) == len(script))
        run.settle()
        run.account()
        stats, sent = run.feed.stats, run.exchange.sent
        wait_until(lambda: sent.frames == stats.messages + stats.malformed + stats.duplicates)
        assert run.of(Disconnected) == []
        for counter in ("malformed", "duplicates", "gaps", "gapped"):
            assert (counter, getattr(stats, counter)) == (counter, counters.get(counter, 0))
        dropped = {each.trade_id for entry in run.exchange.log for each in entry.concerned}
        if name in ("missing", "reordered"):
            assert set(run.gaps) == dropped
        # A malformed frame raises the epochs of its kind of message alone.
        raised = counters.get("gaps", 0) + counters.get("malformed", 0)
        assert max(each.epoch for each in run.got.items) == raised


@pytest.mark.parametrize("fault", [faults.LateSnapshot(3), faults.RefusedChannel("level2_batch", "no books")], ids=repr)
def test_book_that_is_late_or_refused_loses_no_trade(fault: faults.Fault) -> None:
    with running(fault, channels=[*CHANNELS, "level2_batch"]) as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: run.exchange.log and len(run.trades) > 10)
        run.settle()
        run.account()
        refused = isinstance(fault, faults.RefusedChannel)
        assert [each.reason for each in run.of(Rejected)] == (["no books"] if refused else [])
        assert any(isinstance(each, BookSnapshot) for each in run.got.items) is not refused


def in_the_matrix(module: str) -> set[str]:
    """The faults that the tests in the file *module* use."""
    return set(re.findall(r"faults\.([A-Z][A-Za-z0-9]+)\(", Path(module).read_text()))


FAULTS = {name for name in faults.__all__ if name[0].isupper()} - {"Fault", "Draw", "KINDS"}
OF_REQUESTS = {"RestGarbage", "RestHole", "RestLatency", "RestStatus"}  # in the tests of the REST API


def test_every_fault_is_in_the_matrix() -> None:
    """Numbers can be skipped only where frames are numbered."""
    assert in_the_matrix(__file__) == FAULTS - OF_REQUESTS - {"SkipSequence"}


def test_trade_dropped_at_the_end_is_found_by_heartbeats() -> None:
    with running() as run:
        run.exchange.wait_for_clients()
        run.move_until(lambda: len(run.trades) > 10)
        run.exchange.drain()
        run.exchange.inject(faults.Drop(1000, types=MATCHES))
        last = run.exchange.last_trade_id(BTC)
        run.exchange.step(50)
        known = run.exchange.last_trade_id(BTC)
        run.exchange.advance(2)
        wait_until(lambda: known in run.gaps)
        assert run.trades[-1] == last
        assert run.gaps == list(range(last + 1, run.gaps[-1] + 1))


def wait_until(ready: Callable[[], bool], timeout: float = 30) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.002)
