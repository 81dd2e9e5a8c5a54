"""A Feed against the local exchange: messages, subscribers, and the side streams."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from reactivex import operators as ops

from rxfeed import (
    ConfigError,
    ConnectFailed,
    Credentials,
    Feed,
    FeedClosed,
    Match,
    Message,
    bounded,
    matches,
    price_crossing,
    tickers,
    window_volume,
)
from rxfeed.errors import ServerClosed
from rxfeed.feed import Connected, Connecting, Disconnected, Ended, Idle, Rejected, Subscribed
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import ExchangeHeartbeat, ExchangeSubscriptions, ExchangeTicker
from tests.support.collect import Collected
from tests.support.wire import Wire, WireServer, close_frame, frame, playing

SECRET = "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY="
CREDENTIALS = Credentials("key", SECRET, "phrase")
TICK = frame('{"type":"ticker","product_id":"A-B","sequence":1,"price":"1.5"}')


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(seed=5, auto=False, credentials=CREDENTIALS) as exchange:
        yield exchange


def test_every_frame_arrives_once_in_order_as_sent(exchange: Exchange) -> None:
    feed = Feed(["BTC-USD", "ETH-USD"], ["matches", "ticker", "level2_batch", "heartbeat"], url=exchange.url)
    got = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(2000)
        got.wait_for(exchange.sent.frames)
    assert len(got.items) == exchange.sent.frames == feed.stats.messages
    kinds = feed.stats.by_type
    assert kinds["Match"] > 100
    assert {"ExchangeSubscriptions", "ExchangeTicker", "Snapshot", "L2Update", "ExchangeHeartbeat", "Match"} <= set(
        kinds
    )
    trades = [m for m in got.items if isinstance(m, Match) and m.product_id == "BTC-USD"]
    first = trades[0].trade_id
    assert [m.trade_id for m in trades] == list(range(first, first + len(trades)))
    assert feed.stats.bytes == sum(len(m.raw) for m in got.items)


def test_receipt_times_do_not_decrease(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    got = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(200)
        got.wait_for(exchange.sent.frames)
    stamps = [m.received_ns for m in got.items]
    assert stamps == sorted(stamps)
    assert stamps[0] > 0


def test_feed_is_hot(exchange: Exchange) -> None:
    """One connection for all; a late subscriber gets what comes after it."""
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
    early = Collected(feed)
    with feed:
        early.wait_for(1)
        exchange.wait_for_clients()
        exchange.advance(3)
        early.wait_for(4)
        late = Collected(feed)
        exchange.advance(2)
        late.wait_for(2)
        early.wait_for(6)
    assert exchange.accepted == 1
    assert late.items == early.items[4:]


def test_pipelines_emit_results(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", ["matches", "ticker"], url=exchange.url)
    everything = Collected(feed)
    counts = Collected(feed.pipe(ops.filter(lambda m: isinstance(m, Match)), ops.count()))
    windows = Collected(feed.pipe(window_volume(1)))
    direct = Collected(feed.pipe(matches(), window_volume(1), ops.map(lambda w: w.count), ops.sum()))
    with feed:
        exchange.wait_for_clients()
        exchange.step(1000)
        everything.wait_for(exchange.sent.frames)
    trades = [m for m in everything.items if isinstance(m, Match)]
    for each in (counts, windows, direct):
        each.wait_for_end()
    assert counts.items == direct.items == [len(trades)]
    assert sum(w.volume for w in windows.items) == sum(m.size for m in trades)


def test_crossing_from_the_live_feed(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    prices = Collected(feed.pipe(tickers("BTC-USD"), ops.map(lambda t: t.price)))
    with feed:
        exchange.wait_for_clients()
        exchange.step(300)
        everything = prices.wait_for(30)
        level = sorted(everything)[len(everything) // 2]
        crosses = Collected(feed.pipe(price_crossing("BTC-USD", level)))
        before = len(prices.items)
        exchange.step(2000)
        exchange.drain()
        prices.wait_for(lambda items: exchange.sent.by_type["ticker"] == len(items))
    sides = [p > level for p in prices.items[before:] if p != level]
    assert len(crosses.items) == sum(a != b for a, b in pairwise(sides))


# ---- subscribers that raise


def test_subscriber_that_raises_does_not_affect_others(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    seen: list[Message] = []
    told: list[Exception] = []

    def bad(message: Message) -> None:
        seen.append(message)
        if len(seen) == 3:
            raise ValueError("mine")

    def fail_without_on_error(message: Message) -> None:
        raise ZeroDivisionError

    before = Collected(feed)
    feed.subscribe(bad, told.append)
    feed.subscribe(fail_without_on_error)  # without an on_error: logged
    after = Collected(feed)
    with feed, caplog.at_level(logging.ERROR):
        exchange.wait_for_clients()
        exchange.step(300)
        before.wait_for(exchange.sent.frames)
        after.wait_for(exchange.sent.frames)
    assert before.items == after.items
    assert len(seen) == 3
    assert [str(error) for error in told] == ["mine"]
    assert feed.stats.subscriber_errors == 2
    assert "ZeroDivisionError" in caplog.text
    assert after.completed


def test_operator_that_raises_ends_its_own_pipeline(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    broken = Collected(feed.pipe(ops.map(lambda message: message.no_such_field)))  # pyright: ignore
    whole = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(100)
        whole.wait_for(exchange.sent.frames)
    assert isinstance(broken.error, AttributeError)
    assert whole.completed


def test_subscribers_may_change_while_messages_flow(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url)
    whole = Collected(feed)
    first = Collected(feed.pipe(ops.filter(lambda m: isinstance(m, ExchangeHeartbeat)), ops.take(1)))
    with feed:
        exchange.wait_for_clients()
        exchange.advance(5)
        whole.wait_for(6)
    assert len(first.items) == 1
    assert first.completed


# ---- status, keepalive, malformed


def test_status_events_from_idle_to_ended(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "level2_batch", url=exchange.url)
    status = Collected(feed.status)
    got = Collected(feed)
    feed.connect()
    got.wait_for(lambda items: any(isinstance(m, ExchangeSubscriptions) for m in items))
    late = Collected(feed.status)
    feed.close()
    assert [type(s) for s in status.items] == [Idle, Connecting, Connected, Subscribed, Ended]
    assert [type(s) for s in late.items] == [Subscribed, Ended]
    subscribed = late.items[0]
    assert isinstance(subscribed, Subscribed)
    assert subscribed.channels[0].name == "level2_50"
    assert subscribed.channels[0].product_ids == ("BTC-USD",)
    assert all(s.at.tzinfo is not None for s in status.items)
    assert status.completed
    ended = status.items[-1]
    assert isinstance(ended, Ended)
    assert ended.cause is None


def test_rejection_has_the_text_of_the_exchange(exchange: Exchange) -> None:
    feed = Feed(["BTC-USD", "BTC-XXX"], "ticker", url=exchange.url)
    status, got = Collected(feed.status), Collected(feed)
    with feed:
        got.wait_for(3)
    rejected = [s for s in status.items if isinstance(s, Rejected)]
    assert [(s.message, s.reason) for s in rejected] == [("Failed to subscribe", "BTC-XXX is not a valid product")]
    assert any(isinstance(m, ExchangeTicker | ExchangeSubscriptions) for m in got.items)


def test_pings_are_sent_with_and_without_messages(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "heartbeat", url=exchange.url, ping_interval=0.02)
    pongs, got = Collected(feed.keepalive), Collected(feed)
    with feed:
        pongs.wait_for(5)
        quiet = len(got.items)
        exchange.advance(3)
        pongs.wait_for(len(pongs.items) + 3)
    assert quiet == 1
    assert all(0 < pong.round_trip < 5 for pong in pongs.items)
    assert feed.stats.pings >= feed.stats.pongs == len(pongs.items)
    assert pongs.completed


def test_a_thousand_malformed_frames_among_good_ones() -> None:
    good = [f'{{"type":"ticker","product_id":"A-B","sequence":{i},"price":"{i}.5"}}' for i in range(1000)]
    kinds: list[bytes] = [b"", b"{", b"[]", b"nonsense", b'{"type":"ticker"}', b"\xff\xfe", b"5", b"[" * 5000]
    bad = [kinds[i % len(kinds)] + (b" " * (i // len(kinds)) if i % 2 else b"") for i in range(1000)]
    unknown = [f'{{"type":"new","number":{i}}}' for i in range(1000)]
    frames: list[str | bytes] = [each for three in zip(good, bad, unknown, strict=True) for each in three]
    with Exchange.serving(frames) as exchange:
        feed = Feed("A-B", "ticker", url=exchange.url, max_size=4999)
        got, malformed = Collected(feed), Collected(feed.malformed)
        with feed:
            got.wait_for(2000)
            malformed.wait_for(1000)
    assert [m.raw.decode() for m in got.items if isinstance(m, ExchangeTicker)] == good
    assert [m.content["number"] for m in got.items if m.type == "new"] == list(range(1000))
    # The longest ones are over max_size, and passed over.
    assert [m.raw for m in malformed.items] == [raw if len(raw) <= 4999 else b"" for raw in bad]
    assert all(m.reason for m in malformed.items)
    assert sum("over max_size" in m.reason for m in malformed.items) == 125
    assert (feed.stats.malformed, feed.stats.messages) == (1000, 2000)


# ---- ends


def test_server_close_ends_the_feed_with_code_and_reason() -> None:
    with WireServer(playing(TICK + close_frame(1000, "bye"))) as server:
        feed = Feed("A-B", "ticker", url=server.url, reconnect=False)
        got, status = Collected(feed), Collected(feed.status)
        with pytest.raises(ServerClosed, match="1000 bye"):
            feed.run()
    assert len(got.items) == 1
    assert isinstance(got.error, ServerClosed)
    assert (got.error.code, got.error.reason) == (1000, "bye")
    assert [type(s) for s in status.items][-2:] == [Disconnected, Ended]


def test_failed_connect_reaches_every_subscriber() -> None:
    feed = Feed("A-B", "ticker", url="ws://127.0.0.1:9", reconnect=False)
    got = Collected(feed)
    with pytest.raises(ConnectFailed):
        feed.run()
    assert isinstance(got.error, ConnectFailed)
    late = Collected(feed)
    assert late.error is got.error


def test_open_windows_are_emitted_before_the_error() -> None:
    trade = (
        '{"type":"match","trade_id":1,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1","price":"2",'
        '"product_id":"A-B","sequence":2,"time":"2026-08-25T03:35:57.198335Z"}'
    )
    with WireServer(playing(frame(trade) + close_frame(1001))) as server:
        feed = Feed("A-B", "matches", url=server.url, reconnect=False)
        windows = Collected(feed.pipe(window_volume(60)))
        feed.connect()
        windows.wait_for_end()
    assert [w.count for w in windows.items] == [1]
    assert isinstance(windows.error, ServerClosed)


def test_closed_feed_completes_and_cannot_be_opened_again(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    got = Collected(feed)
    with feed:
        got.wait_for(1)
        feed.connect()  # harmless while it is open
    assert got.completed
    assert exchange.accepted == 1
    with pytest.raises(FeedClosed):
        feed.connect()
    assert Collected(feed).completed


def test_run_returns_after_a_close(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    feed.subscribe(lambda message: feed.close())
    feed.run()
    assert feed.wait(0)


def test_serve_delivers_in_the_calling_thread(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    threads: list[threading.Thread] = []

    def note(message: Message) -> None:
        threads.append(threading.current_thread())
        feed.close()

    feed.subscribe(note)
    feed.serve()
    assert threads == [threading.current_thread()]


@pytest.mark.parametrize("leaving", [SystemExit(3), KeyboardInterrupt()])
@pytest.mark.parametrize("way", ["run", "serve"])
def test_system_exit_in_a_subscriber_ends_the_others(
    exchange: Exchange, leaving: BaseException, way: str, caplog: pytest.LogCaptureFixture
) -> None:
    """`sys.exit()` and Ctrl-C are errors: the other subscribers get them on `on_error`, and the caller too."""
    feed = Feed("BTC-USD", "ticker", url=exchange.url)
    before, behind = Collected(feed), Collected(feed.pipe(bounded(10)))
    status = Collected(feed.status)

    def exit_program(message: Message) -> None:
        raise leaving

    feed.subscribe(exit_program)
    after = Collected(feed.pipe(window_volume(60)))
    with pytest.raises(type(leaving)) as raised:
        feed.run() if way == "run" else feed.serve()
    assert raised.value is leaving
    behind.wait_for_end()
    assert all(each.error is leaving for each in (before, after, behind))
    assert isinstance(status.items[-1], Ended)
    assert status.items[-1].cause is leaving
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_system_exit_on_the_feed_thread_is_logged(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)

    def exit_program(message: Message) -> None:
        raise SystemExit(3)

    feed.subscribe(exit_program)
    feed.connect()
    assert feed.wait(30)
    assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == [
        "a subscriber raised SystemExit(3): the feed ends, and run() raises it"
    ]


def test_system_exit_at_completion_ends_the_others(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "ticker", url=exchange.url)

    def exit_program(*arguments: object) -> None:
        raise SystemExit(3)

    feed.status.subscribe(lambda status: exit_program() if isinstance(status, Ended) else None)
    feed.subscribe(on_completed=exit_program)
    other = Collected(feed)
    with pytest.raises(SystemExit):
        feed.run(seconds=0.2)
    assert other.completed


# ---- what is sent


def test_subscription_is_signed_with_credentials(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", ["full", "level2"], url=exchange.url, credentials=CREDENTIALS)
    got = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(50)
        got.wait_for(exchange.sent.frames)
    assert {"Received", "Snapshot", "L2Update"} <= set(feed.stats.by_type)


def test_missing_credentials_are_reported_by_the_exchange(exchange: Exchange) -> None:
    feed = Feed("BTC-USD", "full", url=exchange.url)
    status = Collected(feed.status)
    with feed:
        status.wait_for(lambda items: any(isinstance(s, Rejected) for s in items))
    rejected = next(s for s in status.items if isinstance(s, Rejected))
    assert "require authentication" in str(rejected.reason)


def test_secrets_are_shown_nowhere(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    wrong = Credentials("key", "c2VjcmV0", "open sesame")
    feed = Feed("BTC-USD", "full", url=exchange.url + "/?token=hidden", credentials=wrong)
    status = Collected(feed.status)
    with caplog.at_level(logging.DEBUG), feed:
        status.wait_for(lambda items: any(isinstance(s, Rejected) for s in items))
    logged = [record.getMessage() for record in caplog.records if not record.name.startswith("rxfeed.sim")]
    shown = repr(feed) + repr(status.items) + repr(wrong) + "".join(logged)
    assert logged
    for secret in ("c2VjcmV0", "open sesame", "hidden"):
        assert secret not in shown


def test_subscribe_request_content() -> None:
    heard: list[Any] = []

    def play(wire: Wire) -> None:
        wire.shake()
        heard.append(json.loads(wire.recv_frame()[1]))
        wire.until_closed()

    channels = ["heartbeat", {"name": "ticker", "product_ids": ["ETH-BTC"]}]
    with WireServer(play) as server:
        feed = Feed(["BTC-USD"], channels, url=server.url)
        status = Collected(feed.status)
        with feed:
            status.wait_for(3)
    assert heard == [{"type": "subscribe", "product_ids": ["BTC-USD"], "channels": channels}]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"url": "http://x"}, "url"),
        ({"channels": []}, "channels"),
        ({"products": [7]}, "products"),
        ({"ping_interval": 0}, "ping_interval"),
        ({"max_size": 0}, "max_size"),
        ({"proxy": "ftp://x"}, "proxy"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], named: str) -> None:
    given: dict[str, Any] = {"products": "A-B", "channels": "ticker"}
    with pytest.raises(ConfigError, match=named):
        Feed(**(given | arguments))


def test_retired_host_warns_at_construction() -> None:
    with pytest.warns(UserWarning, match="retired") as caught:
        Feed("A-B", "ticker", url="wss://ws-feed.pro.coinbase.com")
    assert caught[0].filename == __file__
