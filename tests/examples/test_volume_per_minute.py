"""The volumes of every window are the sums of the trades sent."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import accumulate
from typing import Any

from rxfeed.sim import Exchange

Trades = dict[str, list[tuple[Decimal, Decimal]]]


def by_window(messages: list[dict[str, Any]], seconds: int) -> Trades:
    """The (price, size) of each trade, by the start of its window."""
    windows: Trades = {}
    for message in messages:
        if message["type"] == "match":
            unix = datetime.fromisoformat(message["time"]).timestamp()
            start = datetime.fromtimestamp(unix // seconds * seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            windows.setdefault(start, []).append((Decimal(message["price"]), Decimal(message["size"])))
    return windows


def described(start: str, trades: list[tuple[Decimal, Decimal]], complete: bool) -> str:
    volume = sum(size for _, size in trades)
    vwap = sum(price * size for price, size in trades) / volume
    doubt = "" if complete else " (incomplete)"
    return f"{start} volume {volume} vwap {vwap:.8g} trades {len(trades)}{doubt}"


def test_volumes_are_the_sums_of_the_trades_sent(exchange: Exchange, run: Any, witness: Any) -> None:
    listener = witness("matches", "heartbeat")
    minutes = run("volume_per_minute", "--url", exchange.url)
    tens = run("volume_per_minute", "--url", exchange.url, "--window", "10")
    legacy = run("volume_per_minute_legacy", "--url", exchange.url)
    exchange.wait_for_clients(4)

    exchange.advance(150)  # to 12:03:00: the heartbeat of that time closes the last windows
    messages = listener.received()
    for script, seconds, count in ((minutes, 60, 3), (tens, 10, 15)):
        expected = by_window(messages, seconds)
        assert len(expected) == count
        script.until(lambda lines, count=count: len(lines) == count)
        # The first window started before the subscription, or at the same time.
        assert script.interrupt() == [
            described(start, trades, complete=index > 0) for index, (start, trades) in enumerate(expected.items())
        ]

    # The classic script uses no heartbeats: it prints a minute at the first trade of the next.
    last = exchange.last_trade_id("BTC-USD")
    while exchange.last_trade_id("BTC-USD") == last:
        exchange.step()
    expected = by_window(messages + listener.received(), 60)
    *whole, (newest, trades) = expected.items()
    legacy.until(lambda lines: len(lines) == len(whole))
    *printed, partial, goodbye = legacy.interrupt()
    assert printed == [f"{start[:-3]} volume {sum(size for _, size in sizes)}" for start, sizes in whole]
    assert partial in [f"{newest[:-3]} volume {volume}" for volume in accumulate(size for _, size in trades)]
    assert goodbye == "-- Goodbye! --"


def test_window_open_at_the_end_is_incomplete(exchange: Exchange, run: Any, witness: Any) -> None:
    listener = witness("matches", "heartbeat")
    script = run("volume_per_minute", "--url", exchange.url)
    exchange.wait_for_clients(2)

    exchange.advance(30)  # 12:01:00 closes the first minute
    exchange.step(20)
    *_, (start, trades) = by_window(listener.received(), 60).items()
    assert start == "2026-01-02T12:01:00"
    script.until(lambda lines: len(lines) == 1)
    printed = script.interrupt()[1:]
    # The Ctrl-C may come before the last trades.
    parts = [described(start, trades[:count], complete=False) for count in range(1, len(trades) + 1)]
    assert printed == [] or printed[0] in parts
