"""Operators without their channel: one warning that names what to add, for a feed and at the end of a replay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from reactivex import compose
from reactivex import operators as ops

from rxfeed import (
    Credentials,
    Feed,
    Message,
    Replay,
    bounded,
    by_product,
    candles,
    full_book,
    heartbeats,
    level2,
    lift,
    matches,
    order_book,
    price_crossing,
    record,
    spread_wider,
    tick_bars,
    tickers,
    trade_imbalance,
    window_volume,
)
from rxfeed.core import Machine
from rxfeed.feed import Subscribed
from rxfeed.operators import MessageFilter, auctions, error_messages
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import Change, Done, ExchangeSubscriptions, Open, Received
from tests.support.collect import Collected
from tests.support.make import heartbeat, match, ticker

CREDENTIALS = Credentials("key", "c2VjcmV0", "phrase")


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with Exchange(["BTC-USD", "ETH-USD"], seed=5, auto=False, credentials=CREDENTIALS) as exchange:
        yield exchange


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING and r.name == "rxfeed.feed"]


ORDERS = MessageFilter(frozenset((Open, Change, Done, Received)))


class Passed(Machine[Message, Message]):
    """Outputs each message."""

    def step(self, message: Message) -> tuple[Message, ...]:
        return (message,)

    def finish(self) -> tuple[Message, ...]:
        return ()


def acknowledged(status: Collected[Any], times: int = 1) -> None:
    status.wait_for(lambda items: sum(isinstance(each, Subscribed) for each in items) >= times)


def run(exchange: Exchange, channels: list[str], *composed: Callable[[Feed], Any], products: Any = "BTC-USD") -> None:
    """A feed of *channels* until its subscription is acknowledged, with the pipelines that *composed* subscribes."""
    feed = Feed(products, channels, url=exchange.url, credentials=CREDENTIALS)
    for each in composed:
        each(feed).subscribe()
    with feed:
        acknowledged(Collected(feed.status))
        Collected(feed).wait_for(0)


LACKING: list[tuple[Callable[[], Any], list[str], str]] = [
    (lambda: order_book("BTC-USD"), ["matches", "heartbeat"], "level2 or level2_batch"),
    (lambda: full_book("BTC-USD", lambda product: b""), ["matches", "level2", "heartbeat"], "level3 or full"),
    (lambda: window_volume(60), ["ticker", "heartbeat"], "matches or full"),
    (lambda: candles(60), ["ticker"], "matches or full"),
    (lambda: trade_imbalance(), ["level2"], "matches or full"),
    (lambda: tick_bars(5), ["ticker"], "matches or full"),
    (lambda: price_crossing("BTC-USD", 1), ["level2"], "ticker or ticker_batch or matches or full"),
    (lambda: price_crossing("BTC-USD", 1, once=True), ["level2"], "ticker or ticker_batch or matches or full"),
    (lambda: spread_wider(1), ["matches"], "ticker or ticker_batch"),
    (lambda: matches(), ["ticker"], "matches or full"),
    (lambda: tickers(), ["matches"], "ticker or ticker_batch"),
    (lambda: heartbeats(), ["matches"], "heartbeat"),
    (lambda: level2("BTC-USD"), ["matches"], "level2 or level2_batch"),
    (lambda: auctions(), ["matches"], "auctionfeed"),
]


@pytest.mark.parametrize(("operator", "channels", "named"), LACKING)
def test_operator_without_its_channel_warns_once(
    operator: Callable[[], Any], channels: list[str], named: str, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    run(exchange, channels, lambda feed: feed.pipe(operator()))
    (line,) = warned(caplog)
    assert f"subscribe to {named} too" in line
    assert __file__ in line


@pytest.mark.parametrize(
    ("operator", "remedy"),
    [
        (lambda: matches("ETH-USD"), "subscribe to matches or full too for ETH-USD, such as"),
        (lambda: matches("btc-usd"), "too for btc-usd (did you mean BTC-USD?), such as"),
        (lambda: matches(["A-B", "ETH-USD"]), "too for A-B, ETH-USD, such as"),
        (lambda: full_book("BTC-USD", lambda product: b""), "has OrderOpened of BTC-USD;"),
        (lambda: lift(Passed, ORDERS), "has Change or Done or Open or others;"),
    ],
)
def test_warning_names_the_product_to_add(
    operator: Callable[[], Any], remedy: str, exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the channel is there, but not for the product, the channel's name alone is no remedy."""
    run(exchange, ["matches"], lambda feed: feed.pipe(operator()))
    (line,) = warned(caplog)
    assert remedy in line


SATISFIED: list[tuple[Callable[[], Any], list[str]]] = [
    (lambda: order_book("BTC-USD"), ["level2_batch"]),
    (lambda: order_book("BTC-USD"), ["level2"]),
    (lambda: full_book("BTC-USD", lambda product: b""), ["full"]),
    (lambda: full_book("BTC-USD", lambda product: b""), ["level3"]),
    (lambda: window_volume(60), ["matches"]),
    (lambda: window_volume(60), ["full"]),
    (lambda: price_crossing("BTC-USD", 1), ["ticker"]),
    (lambda: price_crossing("BTC-USD", 1), ["ticker_batch"]),
    (lambda: compose(order_book("BTC-USD"), price_crossing("BTC-USD", 1)), ["level2"]),
    (lambda: error_messages(), ["ticker"]),
    (lambda: lift(Doubling), ["ticker"]),
]


class Doubling:
    def step(self, item: Any) -> tuple[Any, ...]:
        return (item, item)

    def finish(self) -> tuple[Any, ...]:
        return ()


@pytest.mark.parametrize(("operator", "channels"), SATISFIED)
def test_operator_with_its_channel_does_not_warn(
    operator: Callable[[], Any], channels: list[str], exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    run(exchange, channels, lambda feed: feed.pipe(operator()))
    assert warned(caplog) == []


@pytest.mark.parametrize(
    "composed",
    [
        lambda feed: feed.pipe(bounded(10), order_book("BTC-USD")),
        lambda feed: feed.pipe(ops.filter(lambda m: True), order_book("BTC-USD")),
        lambda feed: feed.pipe(bounded(10)).pipe(order_book("BTC-USD")).pipe(ops.map(str)),
        lambda feed: feed.pipe(by_product(order_book("BTC-USD"))),
        lambda feed: feed.pipe(compose(order_book("BTC-USD"), ops.map(str))),
        lambda feed: order_book("BTC-USD")(feed),
    ],
)
def test_operator_is_found_in_any_composition(
    composed: Callable[[Any], Any], exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    run(exchange, ["matches"], composed)
    (line,) = warned(caplog)
    assert "order_book" in line
    assert "BookSnapshot or BookUpdate of BTC-USD" in line


def test_product_that_is_not_subscribed_is_named(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    run(exchange, ["matches"], lambda feed: feed.pipe(matches(["BTC-USD", "ETH-USD"])))
    (line,) = warned(caplog)
    assert "no subscribed channel has Match of ETH-USD;" in line


def test_same_operator_of_many_pipelines_warns_once(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    run(exchange, ["ticker"], *[lambda feed: feed.pipe(window_volume(60))] * 3)
    assert len(warned(caplog)) == 1


def test_rejected_channel_is_not_named_again(caplog: pytest.LogCaptureFixture) -> None:
    """What the exchange refuses is a `Rejected`; to name the channel as missing would hide the reason."""
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange:
        feed = Feed("BTC-USD", ["level2", "matches"], url=exchange.url)
        feed.pipe(order_book("BTC-USD")).subscribe()
        with feed:
            acknowledged(Collected(feed.status))
    assert warned(caplog) == []


def test_operator_subscribed_after_the_acknowledgement_warns(
    exchange: Exchange, caplog: pytest.LogCaptureFixture
) -> None:
    feed = Feed("BTC-USD", ["ticker"], url=exchange.url, credentials=CREDENTIALS)
    status = Collected(feed.status)
    with feed:
        acknowledged(status)
        feed.pipe(tickers()).subscribe()
        assert warned(caplog) == []
        feed.pipe(matches()).subscribe()
        assert len(warned(caplog)) == 1
        feed.add("BTC-USD", "level2")
        acknowledged(status, 2)
        feed.pipe(order_book("BTC-USD")).subscribe()
        assert len(warned(caplog)) == 1


# ---- replays


def test_replay_without_the_messages_warns_at_its_end(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay([ticker(9), heartbeat(1)])
    replay.pipe(window_volume(60)).subscribe()
    replay.pipe(ops.filter(lambda m: True), order_book("BTC-USD")).subscribe()
    replay.pipe(price_crossing("BTC-USD", 10)).subscribe()
    replay.pipe(price_crossing("A-B", 10)).subscribe()
    replay.run()
    windows, book, crossing = _by_name(warned(caplog))
    assert "the recording has no Trade; record the channel matches or full too" in windows
    assert "the recording has no BookSnapshot or BookUpdate of BTC-USD" in book
    assert "of A-B; record the channel ticker" in crossing


def _by_name(lines: list[str]) -> list[str]:
    assert len(lines) == 3
    return [next(line for line in lines if line.startswith(name)) for name in ("window_", "order_", "price_")]


def test_replay_with_the_messages_does_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay([ticker(9), match(9, product_id="A-B"), match(9)])
    for operator in (window_volume(60), matches(["A-B", "BTC-USD"]), by_product(tickers()), candles(1)):
        replay.pipe(operator).subscribe()
    replay.run()
    assert warned(caplog) == []


def test_replay_that_is_closed_early_does_not_warn(caplog: pytest.LogCaptureFixture) -> None:
    replay = Replay([ticker(9), match(9)])
    replay.pipe(matches()).subscribe()
    replay.subscribe(lambda message: replay.close())
    replay.run()
    assert warned(caplog) == []


@pytest.mark.parametrize("alone", [True, False])
def test_recording_with_a_quiet_channel_does_not_warn(
    alone: bool, exchange: Exchange, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There were no trades, but the channel was subscribed, so only the channel of the book is reported."""
    feed, recorder = Feed("BTC-USD", ["matches", "heartbeat"], url=exchange.url), record(tmp_path)
    got = Collected(feed)
    feed.pipe(recorder).subscribe()
    with feed:
        got.wait_for(lambda items: any(isinstance(each, ExchangeSubscriptions) for each in items))
    recorder.close()
    replay = Replay(tmp_path)
    replay.pipe(tick_bars(1)).subscribe()
    replay.pipe(order_book("BTC-USD")).subscribe()
    if not alone:
        Collected(replay)  # every line is decoded then, and none skipped
    replay.run()
    (line,) = warned(caplog)
    assert line.startswith("order_book")


def test_recording_of_another_product_warns(
    exchange: Exchange, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    feed, recorder = Feed("BTC-USD", ["matches"], url=exchange.url), record(tmp_path)
    got = Collected(feed)
    feed.pipe(recorder).subscribe()
    with feed:
        exchange.wait_for_clients()
        exchange.step(50)
        got.wait_for(exchange.sent.frames)
    recorder.close()
    replay = Replay(tmp_path)
    replay.pipe(matches("BTC-USD")).subscribe()
    replay.pipe(matches("ETH-USD")).subscribe()
    replay.run()
    (line,) = warned(caplog)
    assert "the recording has no Match of ETH-USD" in line


def test_pipeline_inside_by_product_is_checked(exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
    """It is made at a product's first message; one warning for all products."""
    feed = Feed(["BTC-USD", "ETH-USD"], "ticker", url=exchange.url)
    Collected(feed.pipe(by_product(lambda one: one.pipe(window_volume(60), ops.take(2)))))
    Collected(feed.pipe(by_product(lambda one: one.pipe(ops.filter(bool), price_crossing("BTC-USD", 1)))))
    got = Collected(feed)
    with feed:
        exchange.wait_for_clients()
        exchange.step(200)
        got.wait_for(exchange.sent.frames)
    (line,) = warned(caplog)
    assert line.startswith("window_volume (subscribed at ")
    assert "subscribe to matches" in line


# ---- messages of another venue


def test_operator_of_another_venue_warns_once(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with Exchange(["BTC-USD"], venue="coinbase_advanced", auto=False) as other:
        feed = Feed("BTC-USD", ["trades", "heartbeat"], venue="coinbase_advanced", url=other.url)
        feed.pipe(matches()).subscribe()
        beats = Collected(feed.pipe(heartbeats()))
        feed.pipe(record(tmp_path)).subscribe()
        with feed:
            acknowledged(Collected(feed.status), 2)
            other.advance(2)
            beats.wait_for(1)
        assert [each.product_id for each in beats.items[:1]] == [None]
        (line,) = warned(caplog)
        assert line.startswith("matches")
        assert "will emit nothing: coinbase_advanced has no Match; the operators trades, tickers" in line
        caplog.clear()
        replay = Replay(tmp_path)
        replay.pipe(matches()).subscribe()
        replay.run()
        (line,) = warned(caplog)
        assert "had nothing to emit: coinbase_advanced has no Match;" in line
