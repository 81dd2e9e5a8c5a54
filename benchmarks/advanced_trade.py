"""The second venue: the pipeline and coinbase-advanced-py on frames of Advanced Trade, and a book from a snapshot."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.clients import ADVANCED_CLIENTS, ClientRunner
from benchmarks.frames import ADVANCED, advanced_snapshots, one_round, trades_in
from benchmarks.load_server import load_server
from benchmarks.measure import Bench, Settings
from rxfeed.core import Level2Book
from rxfeed.market import BookSnapshot
from rxfeed.venues.coinbase_advanced import AdvancedDecoder


def advanced_trade(runner: ClientRunner, settings: Settings, folder: Path) -> dict[str, Any]:
    """The rows of `ADVANCED_CLIENTS`, in turns, each with the trades a second that are in its frames."""
    source, payloads = one_round(ADVANCED)
    with load_server(payloads, settings.messages) as server:
        bench = Bench(runner, server, payloads, settings, folder)
        drained = bench.drained()
        rows = bench.speed(list(ADVANCED_CLIENTS), ADVANCED_CLIENTS)
    share = trades_in(payloads) / len(payloads)
    for row in rows.values():
        if "rate" in row:
            row["trades"] = row["rate"] * share
    return {
        "when": time.strftime("%Y-%m-%d", time.gmtime()),
        "source": source,
        "runs": settings.runs,
        "bytes": sum(map(len, payloads)) / len(payloads),
        "server": drained,
        "rows": rows,
        "snapshot": snapshot(advanced_snapshots(), settings.runs),
    }


def snapshot(frames: Sequence[bytes], runs: int) -> dict[str, Any]:
    """Seconds from the largest of *frames* to a book with all its levels."""
    frame = max(frames, key=len)
    seconds: list[float] = []
    levels = 0
    for _ in range(runs):
        began = time.perf_counter()
        message = AdvancedDecoder().decode(frame)
        assert isinstance(message, BookSnapshot)
        (view,) = Level2Book(message.product_id).step(message)
        seconds.append(time.perf_counter() - began)
        levels = len(view.bids) + len(view.asks)
        del message, view  # outside of the time of the next run
    return {"bytes": len(frame), "levels": levels, "seconds": statistics.median(seconds)}
