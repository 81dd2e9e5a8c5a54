"""One fault in each test, on Advanced Trade: no trade twice or unreported, and the book recovers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from rxfeed import Feed, Reconnect
from rxfeed.core import BookView
from rxfeed.errors import HandshakeRejected, ServerClosed
from rxfeed.feed import Clock, Connected, Disconnected, Ended, FeedStatus, Gap, Rejected
from rxfeed.market import Message, Trade
from rxfeed.operators import order_book
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.test_faults import ENDS, FAULTS, HANDSHAKES, OF_REQUESTS, in_the_matrix

BTC = "BTC-USD"
CHANNELS = ["market_trades", "level2", "heartbeats"]


@dataclass
class Run:
    """A market, a feed on it, and what the feed emitted."""

    exchange: Exchange
    feed: Feed
    got: Collected[Message]
    status: Collected[FeedStatus]
    books: list[BookView] = field(default_factory=list)

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.status.items if isinstance(each, kind)]

    @property
    def trades(self) -> list[int]:
        return [int(m.trade_id) for m in list(self.got.items) if isinstance(m, Trade)]

    @property
    def missed(self) -> set[int]:
        gaps = (gap for gap in self.of(Gap) if gap.channel == "market_trades")
        return {trade_id for gap in gaps for trade_id in range(gap.first, gap.last + 1)}

    def move_until(self, ready: Callable[[], Any], timeout: float = 15) -> None:
        """Let time pass until *ready*."""
        deadline = time.monotonic() + timeout
        while not ready():
            assert time.monotonic() < deadline, self.status.items[-4:]
            self.exchange.advance(0.1)
            time.sleep(0.002)

    def wait_for(self, ready: Callable[[], Any], timeout: float = 15) -> None:
        deadline = time.monotonic() + timeout
        while not ready():
            assert time.monotonic() < deadline, self.status.items[-4:]
            time.sleep(0.002)

    def subscribe_again(self, channel: str) -> None:
        """What a user does about a refused channel: leave it, and subscribe anew."""
        others = len(CHANNELS) - 1  # each has an answer of its own, some of which may come after the refusal
        self.wait_for(lambda: self.exchange.sent.by_type["subscriptions"] >= others)
        self.feed.remove(BTC, channel)
        self.wait_for(lambda: self.exchange.sent.by_type["subscriptions"] > others)
        self.feed.add(BTC, channel)

    def book_is_whole(self) -> bool:
        if not self.books or not self.books[-1].ready:
            return False
        view = self.books[-1]
        return {"bids": list(view.bids), "asks": list(view.asks)} == self.exchange.book(BTC)

    def account(self) -> None:
        """Every trade since the first is delivered once and in order, or reported, and the book is the engine's."""
        self.move_until(lambda: self.exchange.last_trade_id(BTC) - 200 > min(self.trades, default=2**63))
        self.move_until(self.book_is_whole)
        trades, missed = self.trades, self.missed
        assert trades == sorted(set(trades))
        assert not missed & set(trades)
        assert set(trades) | missed == set(range(trades[0], trades[-1] + 1))


@contextmanager
def running(*script: faults.Fault, ready: bool = True, **settings: Any) -> Iterator[Run]:
    with Exchange([BTC], venue="coinbase_advanced", seed=9, auto=False, faults=list(script)) as market:
        options: dict[str, Any] = {
            "reconnect": Reconnect(initial=0, maximum=0),
            "stale_after": None,
            "pong_timeout": 30,
            "heartbeat_timeout": 1e9,
            "clock": Clock(speed=50),
        }
        feed = Feed(BTC, CHANNELS, venue="coinbase_advanced", url=market.url, **(options | settings))
        run = Run(market, feed, Collected(feed), Collected(feed.status))
        feed.pipe(order_book(BTC)).subscribe(run.books.append)
        with feed:
            if ready:
                market.wait_for_clients()
            yield run


@pytest.mark.parametrize("fault", [fault for fault, _, _ in ENDS], ids=[f"{f!r}"[:40] for f, _, _ in ENDS])
def test_ended_connection_leaves_no_trade_unreported(fault: faults.Fault) -> None:
    with running(fault) as run:
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.account()


FRAMES: list[faults.Fault] = [
    faults.Drop(types={"market_trades"}, after=40),
    faults.Drop(types={"l2_data"}, after=40),
    faults.Drop(types={"heartbeats"}, after=40),
    faults.Drop(5, after=40),
    faults.Duplicate(types={"market_trades"}, after=40),
    faults.Duplicate(types={"l2_data"}, after=40),
    faults.SkipSequence(3, after=40),
    faults.MalformedFrame(after=40),
    faults.MalformedFrame('{"channel":"l2_data","sequence_num":"x"}', after=40),
    faults.BadUtf8(after=40),
    faults.OversizedFrame(100_000, after=40),
    faults.Fragmented(3, after=40),
    faults.Masked(after=40, connection=1),
    faults.EarlyData(3),
    faults.LateSnapshot(3),
    faults.Silence(0.2, after=40),
    faults.Silence(0.2, hold=True, after=40),
    faults.ClockJump(-5, after=40),
    faults.ClockJump(3600, after=40),
    faults.Reorder(2, types={"market_trades"}, after=40),
    faults.Reorder(2, after=40),
    faults.RefusedChannel("market_trades"),
    faults.RefusedChannel("level2", "too many L2 streams requested in a single session"),
]


@pytest.mark.parametrize("fault", FRAMES, ids=[f"{f!r}"[:60] for f in FRAMES])
def test_fault_of_frames_leaves_no_trade_unreported(fault: faults.Fault) -> None:
    with running(fault) as run:
        run.move_until(lambda: len(run.exchange.log) > 0)
        if isinstance(fault, faults.RefusedChannel):
            run.wait_for(lambda: run.of(Rejected))
            assert run.of(Rejected)[0].message == fault.message
            run.subscribe_again(str(fault.channel))
        run.account()


def test_frames_held_back_for_a_while_leave_no_trade_unreported() -> None:
    with running(faults.Silence(hold=True, after=40), faults.Recover(after=60)) as run:
        run.move_until(lambda: len(run.exchange.log) == 2)
        run.account()
        assert run.of(Disconnected) == []


@pytest.mark.parametrize("hold", [False, True])
def test_silence_is_stale_despite_pongs(hold: bool) -> None:
    with running(faults.Silence(hold=hold, after=40, connection=1), stale_after=100, ping_interval=5) as run:
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.account()
        assert [str(each.cause) for each in run.of(Disconnected)] == ["no data for 100 s"]
        assert run.feed.stats.pongs > 0


def test_refused_connections_are_retried() -> None:
    with running(faults.Refuse(1, after=40, connection=1), faults.Close(1001, after=40, connection=1)) as run:
        run.move_until(lambda: len(run.of(Connected)) == 2)
        run.exchange.wait_for_clients()
        run.account()
        first, *others = (each.cause for each in run.of(Disconnected))
        assert isinstance(first, ServerClosed)
        assert others
        assert all("refused" in str(cause) for cause in others)


@pytest.mark.parametrize(("fault", "cause", "text"), HANDSHAKES, ids=[f"{f!r}"[:40] for f, _, _ in HANDSHAKES])
def test_failed_handshake_is_retried(fault: faults.Fault, cause: type[Exception], text: str) -> None:
    with running(fault, connect_timeout=1.5 if text == "timed out" else 30) as run:
        run.account()
        (disconnected,) = run.of(Disconnected)
        assert isinstance(disconnected.cause, cause)
        assert text in str(disconnected.cause)


def test_permanent_failure_is_not_retried() -> None:
    with running(faults.HttpStatus(401), ready=False) as run:
        run.got.wait_for_end()
        assert isinstance(run.got.error, HandshakeRejected)
        assert [each.cause for each in run.of(Ended)] == [run.got.error]


@pytest.mark.parametrize(
    "fault",
    [faults.Reset(before_handshake=True, connection=range(1, 4)), faults.SlowHandshake(0.1, connection=1)],
    ids=repr,
)
def test_fault_of_the_handshake_leaves_no_trade_unreported(fault: faults.Fault) -> None:
    with running(fault) as run:
        run.account()


def test_every_fault_is_in_the_matrix() -> None:
    """Those of ends, handshakes and permanent failures are the lists of the other venue."""
    shared = {type(fault).__name__ for fault, *_ in (*ENDS, *HANDSHAKES)}
    assert in_the_matrix(__file__) | shared == FAULTS - OF_REQUESTS
