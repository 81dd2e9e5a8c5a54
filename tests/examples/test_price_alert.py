"""Both price alerts print every crossing of the level, and nothing else."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from rxfeed.sim import Exchange

LEVEL = Decimal("59999.80")


def crossings(tickers: list[dict[str, Any]]) -> list[tuple[str, Decimal, datetime]]:
    """The side, price and time of each price that is on another side of LEVEL than the last that was on one."""
    found = []
    side = None
    for ticker in tickers:
        price = Decimal(ticker["price"])
        if price == LEVEL:
            continue
        now = "above" if price > LEVEL else "below"
        if side not in (None, now):
            found.append((now, price, datetime.fromisoformat(ticker["time"])))
        side = now
    return found


def parsed(line: str) -> tuple[str, Decimal, datetime]:
    """The values of a line such as `BTC-USD is above 59999.80: 60000.52 at 2026-01-02T12:00:31Z`."""
    subject, _, rest = line.partition(f" {LEVEL}: ")
    price, _, time = rest.partition(" at ")
    product, verb, side = subject.split()
    assert (product, verb) == ("BTC-USD", "is")
    return side, Decimal(price), datetime.fromisoformat(time)


def is_alert(line: str) -> bool:
    return line.startswith("BTC-USD is ")


def test_alerts_are_the_crossings_of_the_prices_sent(exchange: Exchange, run: Any, witness: Any) -> None:
    listener = witness("ticker")
    scripts = [
        run(name, "--url", exchange.url, "--level", str(LEVEL)) for name in ("price_alert", "price_alert_legacy")
    ]
    exchange.wait_for_clients(3)

    exchange.step(3_000)
    tickers = [message for message in listener.received() if message["type"] == "ticker"]
    expected = crossings(tickers)
    prices = [Decimal(ticker["price"]) for ticker in tickers]
    assert len(expected) > 10
    assert prices.count(LEVEL) > 1  # touched, too, and not only crossed
    for script in scripts:
        script.until(lambda lines: sum(map(is_alert, lines)) == len(expected))
        printed = script.interrupt()
        assert [parsed(line) for line in printed if is_alert(line)] == expected
    assert scripts[0].printed == list(filter(is_alert, scripts[0].printed))
    assert scripts[1].printed[0] == f"-- Watching BTC-USD at {LEVEL} --"
    assert scripts[1].printed[-1] == "-- Goodbye! --"
