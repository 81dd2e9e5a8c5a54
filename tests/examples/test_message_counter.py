"""The classic first script prints the prices that were sent, and ends when it has counted enough."""

from __future__ import annotations

from typing import Any

from rxfeed.sim import Exchange


def prices(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("Message type: ")]


def test_message_counter_counts_and_prints(exchange: Exchange, run: Any, witness: Any) -> None:
    listener = witness("ticker")
    counting = run("message_counter_legacy", "--url", exchange.url, "--count", "60")
    endless = run("message_counter_legacy", "--url", exchange.url, "--count", "1000000000")
    exchange.wait_for_clients(3)

    # Of the 60, one is the acknowledgement of the subscription.
    while exchange.sent.by_type["ticker"] < 3 * 59:
        exchange.step()
    tickers = [message for message in listener.received() if message["type"] == "ticker"]
    expected = [f"Message type: ticker \t@ {float(ticker['price']):.3f}" for ticker in tickers]
    printed = counting.end()
    assert prices(printed)[:59] == expected[:59]
    assert printed[:2] == ["Lets count the messages!", f"{exchange.url} ['BTC-USD'] ['ticker']"]
    counts = [int(line.split()[-1]) for line in printed if line.startswith("message_count = ")]
    assert counts
    assert counts == sorted(counts)
    assert counts[-1] < 60
    assert printed[-1] == "-- Goodbye! --"

    endless.until(lambda lines: len(prices(lines)) == len(expected))
    printed = endless.interrupt()
    assert prices(printed) == expected
    assert printed[-1] == "-- Goodbye! --"
