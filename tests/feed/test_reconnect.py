"""A feed that comes back: why, when, and what it says; waiting runs on a clock two hundred times as fast."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count, pairwise
from typing import Any

import pytest

from rxfeed import (
    AuthenticationFailed,
    CertificateInvalid,
    ConfigError,
    Credentials,
    Feed,
    FeedClosed,
    HandshakeRejected,
    HostRetired,
    Match,
    Reconnect,
    ServerClosed,
    WentSilent,
    order_book,
    price_crossing,
    window_volume,
)
from rxfeed.feed import (
    CaughtUp,
    Clock,
    Connected,
    Connecting,
    Disconnected,
    Ended,
    Gap,
    HeartbeatBack,
    HeartbeatMissing,
    Lagging,
    Reconnecting,
    Rejected,
    Subscribed,
)
from rxfeed.feed.line import retry_after
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.leaks import nothing_left_behind
from tests.support.wire import Play, Wire, WireServer, close_frame, frame

FAST = Clock(speed=200)
QUICK = Reconnect(initial=0, maximum=0)


def scenes(*plays: Callable[[Wire], None]) -> Play:
    """One for each connection, the last for all that follow; each after handshake and subscription."""
    numbers = count()

    def play(wire: Wire) -> None:
        number = min(next(numbers), len(plays) - 1)
        plays[number](wire)

    return play


def saying(*pieces: bytes) -> Callable[[Wire], None]:
    def scene(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for piece in pieces:
            wire.send(piece)
        wire.until_goodbye()

    return scene


def answering(text: str) -> Callable[[Wire], None]:
    def scene(wire: Wire) -> None:
        wire.read_request()
        wire.send(text)

    return scene


def tick(sequence: int, price: str = "1.5") -> bytes:
    return frame(f'{{"type":"ticker","product_id":"A-B","sequence":{sequence},"price":"{price}"}}')


def trade(trade_id: int, second: float, price: str = "2", kind: str = "match") -> bytes:
    time_text = datetime.fromtimestamp(1_800_000_000 + second, UTC).isoformat(timespec="microseconds")
    return frame(
        f'{{"type":"{kind}","trade_id":{trade_id},"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1",'
        f'"price":"{price}","product_id":"A-B","sequence":{trade_id * 10},"time":"{time_text.replace("+00:00", "Z")}"}}'
    )


def fast_feed(url: str, channels: Any = "ticker", **settings: Any) -> Feed:
    """A feed on the fast clock; it asks for no pongs, since these servers answer none, and waits for no data."""
    quiet: dict[str, Any] = {"reconnect": QUICK, "ping_interval": None, "stale_after": None, "clock": FAST}
    return Feed("A-B", channels, url=url, **(quiet | settings))


def kinds(status: Collected[Any]) -> list[str]:
    return [type(each).__name__ for each in status.items]


def of(status: Collected[Any], kind: type) -> list[Any]:
    return [each for each in status.items if isinstance(each, kind)]


# ---- reconnecting


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 4000])
def test_a_close_is_a_disconnect_like_any_other(code: int) -> None:
    bye = close_frame(code, "bye") if code != 1006 else b""

    def leave(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1) + bye)

    with WireServer(scenes(leave, saying(tick(2)))) as server:
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


def test_attempts_are_counted_from_the_last_message_and_delays_grow() -> None:
    refuse = answering("HTTP/1.1 503 Service Unavailable\r\n\r\n")
    told = saying(tick(1) + close_frame(1001))
    with WireServer(scenes(refuse, refuse, refuse, told, refuse, saying(tick(2)))) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=8, maximum=64))
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(2)
    assert [s.attempt for s in of(status, Connecting)] == [1, 2, 3, 4, 2, 3]
    assert [s.attempt for s in of(status, Reconnecting)] == [2, 3, 4, 2, 3]
    for again, ceiling in zip(of(status, Reconnecting), [8, 16, 32, 8, 16], strict=True):
        assert 0 <= again.delay <= ceiling


def test_an_answer_to_the_subscription_is_not_yet_a_good_message() -> None:
    ack = frame('{"type":"subscriptions","channels":[]}') + close_frame(1001)
    with WireServer(scenes(saying(ack), saying(ack), saying(tick(1)))) as server:
        feed = fast_feed(server.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(3)
    assert [s.attempt for s in of(status, Connecting)] == [1, 2, 3]


def test_attempts_are_at_most_one_a_second() -> None:
    times: list[float] = []

    def note(wire: Wire) -> None:
        times.append(time.monotonic())
        wire.read_request()
        wire.send("HTTP/1.1 503 Service Unavailable\r\n\r\n")

    with WireServer(note) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=0, maximum=0, retries=2), clock=Clock())
        with pytest.raises(HandshakeRejected):
            feed.run()
    assert len(times) == 3
    assert all(after - before > 0.95 for before, after in pairwise(times))


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(status: int) -> None:
    busy = answering(f"HTTP/1.1 {status} Busy\r\nRetry-After: 30\r\n\r\n")
    with WireServer(scenes(busy, saying(tick(1)))) as server:
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


def test_when_the_retries_are_used_up_the_last_cause_ends_the_stream() -> None:
    with WireServer(answering("HTTP/1.1 500 Oops\r\n\r\n")) as server:
        feed = fast_feed(server.url, reconnect=Reconnect(initial=0, maximum=0, retries=3))
        got, status = Collected(feed), Collected(feed.status)
        feed.connect()
        got.wait_for_end()
    assert isinstance(got.error, HandshakeRejected)
    assert len(of(status, Connecting)) == 4
    (ended,) = of(status, Ended)
    assert ended.cause is got.error


def test_every_connection_is_subscribed_to_and_signed_anew() -> None:
    heard: list[Any] = []

    def listen(wire: Wire) -> None:
        wire.shake()
        heard.append(json.loads(wire.recv_frame()[1]))
        wire.send(tick(len(heard)) + close_frame(1001))
        wire.until_goodbye()

    with WireServer(listen) as server:
        credentials = Credentials("k", "c2VjcmV0", "p")
        feed = fast_feed(server.url, credentials=credentials)
        got = Collected(feed)
        with feed:
            got.wait_for(3)
    assert [(m["channels"], m["product_ids"]) for m in heard[:3]] == [(["ticker"], ["A-B"])] * 3
    assert len({m["timestamp"] for m in heard}) == len({m["signature"] for m in heard}) == len(heard)


# ---- no hope


def test_a_retired_host_is_not_tried_again() -> None:
    with WireServer(saying(close_frame(1000, "deprecated hostname"))) as server:
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
def test_failed_authentication_is_not_tried_again(refusal: str) -> None:
    with WireServer(saying(frame(refusal))) as server:
        feed = fast_feed(server.url, "user", credentials=Credentials("k", "c2VjcmV0", "p"))
        got, status = Collected(feed), Collected(feed.status)
        with pytest.raises(AuthenticationFailed, match="uthenticat"):
            feed.run()
    assert len(got.items) == 1  # the exchange's own words come first
    assert len(of(status, Rejected)) == 1


def test_an_unauthorized_handshake_is_not_tried_again() -> None:
    with WireServer(answering("HTTP/1.1 401 Unauthorized\r\n\r\n")) as server:
        feed = fast_feed(server.url)
        with pytest.raises(HandshakeRejected, match="401"):
            feed.run()


def test_a_certificate_that_does_not_verify_is_not_tried_again() -> None:
    import ssl

    import trustme

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with WireServer(saying(tick(1)), context) as server:
        feed = fast_feed(server.url)
        status = Collected(feed.status)
        with pytest.raises(CertificateInvalid):
            feed.run()
    assert len(of(status, Connecting)) == 1


# ---- silence


@pytest.mark.parametrize(
    "first",
    [b"", tick(1), frame('{"type":"subscriptions","channels":[]}'), frame("nonsense")],
    ids=["nothing at all", "then nothing", "only an ack", "only nonsense"],
)
def test_no_data_means_stale_and_stale_means_again(first: bytes) -> None:
    with WireServer(scenes(saying(first), saying(tick(5)))) as server:
        feed = fast_feed(server.url, stale_after=60)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(lambda items: any(getattr(m, "sequence", 0) == 5 for m in items))
    (disconnected,) = of(status, Disconnected)
    assert isinstance(disconnected.cause, WentSilent)
    assert str(disconnected.cause) == "no data for 60 s"
    waited = disconnected.at - of(status, Connected)[0].at
    assert waited.total_seconds() * FAST.speed >= 59


def test_pings_and_pongs_do_not_feed_the_watchdog() -> None:
    def pong_only(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(frame(b"hello", 9))
        while True:
            opcode, payload = wire.recv_frame()
            if opcode == 9:
                wire.send(frame(payload, 10))

    with WireServer(scenes(pong_only, saying(tick(1)))) as server:
        feed = fast_feed(server.url, stale_after=60, ping_interval=5, pong_timeout=100)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert feed.stats.pongs >= 5
    assert str(of(status, Disconnected)[0].cause) == "no data for 60 s"


def test_a_ping_without_a_pong_means_the_same() -> None:
    with WireServer(scenes(saying(), saying(tick(1)))) as server:
        feed = fast_feed(server.url, ping_interval=30)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(1)
    assert str(of(status, Disconnected)[0].cause) == "a ping was not answered within 10 s"


def test_a_slow_subscriber_is_not_taken_for_a_silent_server() -> None:
    """While it dawdles nothing is read; what has come meanwhile is heard before anybody judges."""

    def dawdle(message: Any) -> None:
        if message.sequence == 1:
            time.sleep(0.2)  # forty seconds of the fast clock

    def keep_talking(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        for sequence in range(1, 60):
            wire.send(tick(sequence))
            time.sleep(0.005)
        wire.until_goodbye()

    with WireServer(keep_talking) as server:
        feed = fast_feed(server.url, stale_after=20)
        feed.subscribe(dawdle)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(59)
    assert of(status, Disconnected) == []


def test_a_missing_heartbeat_is_noticed_for_its_product_alone() -> None:
    def beat(product: str, second: int) -> bytes:
        return frame(
            f'{{"type":"heartbeat","product_id":"{product}","sequence":1,"last_trade_id":1,'
            f'"time":"2026-01-02T03:04:{second:02}.000000Z"}}'
        )

    told = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(beat("A-B", 0) + beat("C-D", 0))
        second = 0
        while not told.is_set() and second < 59:  # only A-B beats, until somebody has noticed
            second += 1
            wire.send(beat("A-B", second))
            time.sleep(0.05)
        wire.send(beat("C-D", second))
        wire.until_goodbye()

    with WireServer(play) as server:
        # Half a second of the wall's, between beats that are a tenth of it apart.
        feed = fast_feed(server.url, {"name": "heartbeat", "product_ids": ["C-D"]}, heartbeat_timeout=100)
        status = Collected(feed.status)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, HeartbeatMissing) for s in items))
            told.set()
            status.wait_for(lambda items: any(isinstance(s, HeartbeatBack) for s in items))
    assert [each.product_id for each in of(status, HeartbeatMissing)] == ["C-D"]
    assert [each.product_id for each in of(status, HeartbeatBack)] == ["C-D"]
    assert of(status, Disconnected) == []


# ---- what was missed


def test_gaps_duplicates_and_epochs_show_in_what_is_delivered() -> None:
    pieces = (trade(1, 10), trade(2, 20), trade(2, 20), trade(5, 30), trade(4, 25), trade(6, 40))
    with WireServer(saying(*pieces)) as server:
        feed = fast_feed(server.url, "matches")
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(4)
            wait_until(lambda: feed.stats.duplicates == 2)
    assert [(m.trade_id, m.epoch) for m in got.items if isinstance(m, Match)] == [(1, 0), (2, 0), (5, 1), (6, 1)]
    (gap,) = of(status, Gap)
    assert (gap.product_id, gap.channel, gap.first, gap.last) == ("A-B", "matches", 3, 4)
    assert (feed.stats.gaps, feed.stats.gapped, feed.stats.duplicates) == (1, 2, 2)


def test_a_gap_is_said_before_the_message_that_shows_it() -> None:
    order: list[str] = []
    with WireServer(saying(trade(1, 10), trade(3, 30))) as server:
        feed = fast_feed(server.url, "matches")
        feed.status.subscribe(lambda s: order.append("gap") if isinstance(s, Gap) else None)
        got = Collected(feed)
        feed.subscribe(lambda m: order.append(str(getattr(m, "trade_id", 0))))
        with feed:
            got.wait_for(2)
    assert order == ["1", "gap", "3"]


def test_duplicates_may_be_kept() -> None:
    with WireServer(saying(trade(1, 10), trade(1, 10), trade(2, 11))) as server:
        feed = fast_feed(server.url, "matches", drop_duplicates=False)
        got = Collected(feed)
        with feed:
            got.wait_for(3)
    assert feed.stats.duplicates == 1


def test_windows_and_crossings_know_of_the_reconnect_between() -> None:
    first = (trade(1, 10, "9"), trade(2, 70, "9"), trade(3, 130, "9"), close_frame(1001))
    second = (trade(6, 150, "11", "last_match"), trade(7, 160, "11"), trade(8, 200, "9"), trade(9, 260, "9"))
    with WireServer(scenes(saying(*first), saying(*second))) as server:
        feed = fast_feed(server.url, "matches")
        windows, crosses = Collected(feed.pipe(window_volume(60))), Collected(feed.pipe(price_crossing("A-B", 10)))
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            got.wait_for(7)
        windows.wait_for_end()
    assert [(w.count, w.complete) for w in windows.items] == [
        (1, False),
        (1, True),
        (2, False),  # the reconnect lies in it
        (1, True),
        (1, False),
    ]
    assert [(c.direction, c.spans_gap) for c in crosses.items] == [("up", True), ("down", False)]
    assert [(g.channel, g.first, g.last) for g in of(status, Gap)] == [("matches", 4, 6)]


def test_a_frame_that_nobody_can_read_raises_the_epoch() -> None:
    with WireServer(saying(tick(1), frame("nonsense"), tick(2))) as server:
        feed = fast_feed(server.url)
        got = Collected(feed)
        with feed:
            got.wait_for(2)
    assert [m.epoch for m in got.items] == [0, 1]


# ---- subscriptions while running


def test_adding_and_removing_on_a_live_feed() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("ETH-USD", ["heartbeat", "level2_batch"])
            feed.remove("BTC-USD", "heartbeat")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) >= 3)
            before = len(got.items)
            exchange.advance(2)
            got.wait_for(before + 2)
        last = of(status, Subscribed)[-1]
    assert sorted(r["type"] for r in exchange.requests) == ["subscribe", "subscribe", "unsubscribe"]
    assert {c.name: c.product_ids for c in last.channels} == {"heartbeat": ("ETH-USD",), "level2_50": ("ETH-USD",)}
    assert last.missing == ()
    assert {m.product_id for m in got.items[before:]} == {"ETH-USD"}


def test_what_was_added_is_subscribed_to_again_after_a_reconnect() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url, reconnect=QUICK)
        status = Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("ETH-USD", "heartbeat")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) == 2)
            exchange.disconnect(1001, "deploying")
            status.wait_for(lambda items: len([s for s in items if isinstance(s, Subscribed)]) == 3)
    (again,) = of(status, Subscribed)[-1].channels
    assert set(again.product_ids) == {"BTC-USD", "ETH-USD"}


def test_a_rejected_addition_does_not_disturb_the_others() -> None:
    with Exchange(["BTC-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
        got, status = Collected(feed), Collected(feed.status)
        with feed:
            exchange.wait_for_clients()
            feed.add("NO-SUCH", "ticker")
            status.wait_for(lambda items: any(isinstance(s, Rejected) for s in items))
            exchange.advance(3)
            got.wait_for(lambda items: len([m for m in items if m.type == "heartbeat"]) == 3)
    assert [s.reason for s in of(status, Rejected)] == ["NO-SUCH is not a valid product"]


def test_many_changes_are_few_messages_at_the_documented_rate() -> None:
    products = [f"P{number}-USD" for number in range(60)]
    with Exchange(products, seed=2, auto=False) as exchange:
        feed = Feed(products[0], "ticker", url=exchange.url)
        status = Collected(feed.status)
        started = time.monotonic()
        with feed:
            exchange.wait_for_clients()
            for product in products[1:]:
                feed.add(product, ["ticker", "matches"])
            full = lambda items: any(  # noqa: E731  # it is said twice
                isinstance(s, Subscribed) and sum(len(c.product_ids or ()) for c in s.channels) == 119 for s in items
            )
            status.wait_for(full)
        took = time.monotonic() - started
    assert len(exchange.requests) <= 1 + max(1, took * 8 + 1)


def test_changes_before_connecting_and_after_the_end() -> None:
    with Exchange(["BTC-USD", "ETH-USD"], seed=2, auto=False) as exchange:
        feed = Feed("BTC-USD", "ticker", url=exchange.url)
        feed.add("ETH-USD", "ticker")
        status = Collected(feed.status)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Subscribed) for s in items))
        assert len(exchange.requests) == 1
    with pytest.raises(FeedClosed):
        feed.add("BTC-USD", "matches")
    with pytest.raises(ConfigError, match="channels"):
        Feed("A-B", "ticker").add("A-B", [])


# ---- slow subscribers


def test_a_slow_subscriber_is_visible() -> None:
    slow = threading.Event()

    def dawdle(message: Any) -> None:
        if not slow.is_set():
            time.sleep(0.02)

    with WireServer(saying(b"".join(tick(n) for n in range(1, 400)), tick(400))) as server:
        feed = fast_feed(server.url, lag_threshold=0.5, clock=Clock())
        feed.subscribe(dawdle)
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            slow.set()
            got.wait_for(400)
    assert of(status, Lagging)[0].seconds > 0.5
    assert len(of(status, Lagging)) == 1
    assert feed.stats.max_lag > 0.5


def test_it_says_when_it_has_caught_up() -> None:
    go = threading.Event()

    def play(wire: Wire) -> None:
        wire.shake()
        wire.recv_frame()
        wire.send(tick(1))
        go.wait(10)
        wire.send(tick(2))
        wire.until_goodbye()

    with WireServer(play) as server:
        feed = fast_feed(server.url, lag_threshold=0.1, clock=Clock())
        feed.subscribe(lambda m: time.sleep(0.2) if getattr(m, "sequence", 0) == 1 else None)
        status, got = Collected(feed.status), Collected(feed)
        with feed:
            status.wait_for(lambda items: any(isinstance(s, Lagging) for s in items))
            go.set()
            got.wait_for(2)
            status.wait_for(lambda items: any(isinstance(s, CaughtUp) for s in items))
    assert feed.stats.lag < 0.1


# ---- closing while it waits


def test_closing_while_it_backs_off() -> None:
    with nothing_left_behind():
        feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9", reconnect=Reconnect(initial=600, maximum=600))
        got, status = Collected(feed), Collected(feed.status)
        feed.connect()
        status.wait_for(lambda items: any(isinstance(s, Reconnecting) for s in items))
        started = time.monotonic()
        feed.close()
        assert time.monotonic() - started < 2
        assert got.completed


def test_a_nudge_does_not_shorten_the_back_off() -> None:
    feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9", reconnect=Reconnect(initial=600, maximum=600))
    status = Collected(feed.status)
    feed.connect()
    status.wait_for(lambda items: any(isinstance(s, Reconnecting) for s in items))
    for number in range(5):
        feed.add(f"P{number}-USD", "ticker")
    time.sleep(0.05)
    feed.close()
    assert len(of(status, Connecting)) == 1


def wait_until(ready: Callable[[], bool], timeout: float = 10) -> None:
    deadline = time.monotonic() + timeout
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# ---- books, which have no numbers of their own


def test_after_a_break_on_a_live_connection_the_book_begins_anew() -> None:
    """A frame that nobody could read may have been the book's: it is subscribed to again, and is right again."""
    credentials = Credentials("k", "c2VjcmV0", "p")
    with Exchange(["BTC-USD"], seed=2, auto=False, credentials=credentials) as exchange:
        feed = Feed("BTC-USD", ["level2", "heartbeat"], url=exchange.url, credentials=credentials)
        books = Collected(feed.pipe(order_book("BTC-USD")))
        with feed:
            exchange.wait_for_clients()
            books.wait_for(lambda items: items and items[-1].ready)
            exchange.inject(faults.Malformed())
            exchange.step(20)
            books.wait_for(lambda items: any(not view.ready for view in items[1:]))
            books.wait_for(lambda items: items[-1].ready)
            exchange.step(50)
            expected = exchange.book("BTC-USD")
            books.wait_for(lambda items: list(items[-1].bids) == expected["bids"])
            assert list(books.items[-1].asks) == expected["asks"]
    assert feed.stats.connections == 1
    assert [r["type"] for r in exchange.requests] == ["subscribe", "unsubscribe", "subscribe"]
