"""The research script reports what was traded, and draws it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from rxfeed.sim import Exchange
from tests.support.pictures import assert_drawn


def test_research_sums_the_trades_of_the_span(exchange: Exchange, run: Any, witness: Any, tmp_path: Path) -> None:
    listener = witness("matches", "ticker", "heartbeat")
    picture = tmp_path / "picture.png"
    script = run("research", "--url", exchange.url, "--seconds", "150", "--window", "15", "--output", str(picture))
    exchange.wait_for_clients(2)

    exchange.advance(150)
    trades = [m for m in listener.received() if m["type"] == "match"]
    sizes = [Decimal(trade["size"]) for trade in trades]
    volume = sum(sizes)
    bought = sum(size for trade, size in zip(trades, sizes, strict=True) if trade["side"] == "sell")
    vwap = sum(Decimal(trade["price"]) * size for trade, size in zip(trades, sizes, strict=True)) / volume
    *windows, summary, drawn = script.end()
    assert len(windows) == 10
    assert sum(Decimal(line.split()[2]) for line in windows) == volume
    share = f"{100 * bought / volume:.1f} % bought by takers"
    assert summary == f"BTC-USD: {len(trades)} trades, {volume} BTC at {vwap:.8g} USD on average, {share}"
    assert drawn == f"drawn in {picture}"
    assert_drawn(picture)


def test_ctrl_c_draws_the_results_so_far(exchange: Exchange, run: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    script = run("research", "--url", exchange.url, "--output", str(picture))
    exchange.wait_for_clients(1)
    exchange.advance(150)
    script.until(lambda lines: len(lines) == 3)
    assert script.interrupt()[-1] == f"drawn in {picture}"
    assert_drawn(picture)


def test_research_starts_a_local_exchange(run: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    *windows, summary, drawn = run("research", "--seconds", "240", "--output", str(picture)).end()
    assert len(windows) in (4, 5)  # four minutes, which begin when they begin
    assert summary.startswith("BTC-USD: ")
    assert drawn == f"drawn in {picture}"
    assert_drawn(picture)
