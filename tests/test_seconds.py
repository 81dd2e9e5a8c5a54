"""Wherever the package takes seconds, it takes a timedelta too, and does the same with it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Reconnect
from rxfeed.archive import export
from rxfeed.audit import audit
from rxfeed.backtest import PaperMarket
from rxfeed.core import Backoff, Repair, longest
from rxfeed.metrics import serve
from rxfeed.sim import Exchange, faults
from rxfeed.testing import book
from tests.support.make import match

SECOND = timedelta(seconds=1)
PACKAGES = ["archive", "audit", "backtest", "dataframes", "feed", "metrics", "operators", "recording", "sim", "sinks"]
# Measured, passed from part to part, or with another unit.
NO_ARGUMENTS = {
    *(
        "BoundedQueue",
        "Clock",
        "Distribution",
        "ExportSummary",
        "FeedStreams",
        "KeepLimits",
        "KeepalivePong",
        "Lagging",
    ),
    *("Line", "MetricsServer", "MinFree", "MongoStats", "MongoWrite", "ParquetStats", "ProductsRest", "Reconnecting"),
    *("RecordStats", "Replay", "Stats", "SteppedFeed", "Unacknowledged", "HeartbeatMissing", "Repaired", "DiskGuard"),
    *("Backfilled", "BlockingWriter", "AuditRow", "Audit", "Scrape", "Pacer", "RetryPolicy"),
}
OTHER_UNITS = {"rate", "speed", "factor", "percent", "share"}


def test_public_arguments_in_seconds_are_declared_as_seconds() -> None:
    """No public function or class takes a bare float, unless it is no number of seconds."""
    bare: set[str] = set()
    for package in PACKAGES:
        module = import_module(f"rxfeed.{package}")
        for name in module.__all__:
            made: Any = getattr(module, name)
            if name in NO_ARGUMENTS or not callable(made):
                continue
            methods = [each for key, each in vars(made).items() if key[0] != "_"] if inspect.isclass(made) else []
            for call in (made, *filter(inspect.isfunction, methods)):
                for each in _parameters(call):
                    if str(each.annotation) in ("float", "float | None", str(float)) and each.name not in OTHER_UNITS:
                        bare.add(f"{package}.{name}: {each.name}")
    assert bare == set()


def _parameters(call: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):  # an alias of types
        return []


def test_policies_keep_the_seconds_of_a_timedelta() -> None:
    policy = Reconnect(initial=5 * SECOND, maximum=20 * SECOND)
    assert policy == Reconnect(initial=5.0, maximum=20.0)
    backoff = Backoff(policy, longest, apart=0.0)
    assert [backoff.failed() for _ in range(3)] == [5.0, 10.0, 20.0]
    assert Repair(patience=SECOND) == Repair(patience=1.0)


@pytest.mark.parametrize(
    "make", [faults.SlowHandshake, faults.Refuse, faults.Silence, faults.RestLatency, faults.ClockJump]
)
def test_faults_keep_the_seconds_of_a_timedelta(make: Any) -> None:
    assert make(SECOND) == make(1.0)
    assert faults.ClockJump(-SECOND) == faults.ClockJump(-1.0)


def test_local_exchange_takes_timedeltas() -> None:
    with Exchange(["BTC-USD"], auto=False, subscribe_timeout=SECOND) as exchange:
        before = exchange.time
        exchange.advance(SECOND)
        assert exchange.time - before == SECOND
        exchange.drain(SECOND)
        with pytest.raises(TimeoutError, match=r"no 1 subscribed clients within 0\.01 s"):
            exchange.wait_for_clients(timeout=timedelta(milliseconds=10))


def test_paper_market_takes_timedeltas() -> None:
    market = PaperMarket("BTC-USD", latency=SECOND, max_ahead=SECOND)
    market.step(book())
    assert market.latency == 1.0


def test_audit_and_export_take_timedeltas(tmp_path: Path) -> None:
    (tmp_path / "trades.jsonl").write_bytes(b"\n".join(match(9, time=n).raw for n in range(3)))
    found = audit(tmp_path, every=timedelta(hours=1))
    assert found.every == 3600
    export(tmp_path, tmp_path / "archive", seconds=timedelta(minutes=1), every=SECOND)
    again = export(tmp_path, tmp_path / "archive", seconds=60, every=1.0)
    assert again.rows == {} or not sum(again.rows.values())  # the options are the same


def test_metrics_are_sampled_by_a_timedelta() -> None:
    with serve(port=0, sample_seconds=timedelta(milliseconds=10)) as server:
        assert server.port
