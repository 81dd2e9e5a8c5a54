"""The compared implementations emit equal results; the report has their figures."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from benchmarks import pipelines as benchmark
from benchmarks import streams
from benchmarks.pipelines import check, compare_ten
from benchmarks.ways import Pipeline, in_loop, outputs, pipelines
from rxfeed import PriceCross

ALL = [pipeline for products in (1, 3) for pipeline in pipelines(products)]
COUNT = 3000


def named(pipeline: Pipeline) -> str:
    return f"{pipeline.name}-{pipeline.products}"


@pytest.mark.parametrize("pipeline", ALL, ids=named)
def test_all_implementations_emit_equal_results(pipeline: Pipeline) -> None:
    messages = pipeline.stream(pipeline.products, COUNT)
    assert len(messages) == COUNT
    assert check(pipeline, messages) > 0


@pytest.mark.parametrize("pipeline", ALL, ids=named)
def test_implementation_with_other_results_is_not_timed(pipeline: Pipeline) -> None:
    def lazy(messages: Any, out: Any, late: Any) -> None:
        for message in messages:
            if not isinstance(message, PriceCross):
                out(message)

    wrong = replace(pipeline, ways=pipeline.ways | {"stock": in_loop(lazy)})
    with pytest.raises(SystemExit, match="stock puts out something else"):
        check(wrong, pipeline.stream(pipeline.products, 300))


def test_streams_contain_gaps_and_late_trades() -> None:
    (window_volume, *_), messages = list(pipelines(1)), streams.trades(1, 30_000)
    windows, late = outputs(window_volume.ways["hub"], messages)
    assert late
    assert {window.complete for window in windows} == {True, False}
    assert {message.epoch for message in messages} == {0, 1}
    assert {message.epoch for message in streams.trades(1, 30_000, faults=False)} == {0}


# ---- the naive ones

BRIEFLY: dict[str, Callable[[Any], Any]] = {
    "window_volume": lambda w: [w.product_id, w.start, w.buy_volume, w.sell_volume, w.notional, w.count],
    "candles": lambda c: [c.product_id, c.start, c.open, c.high, c.low, c.close, c.volume, c.notional, c.count],
    "rolling_volume": lambda r: (r.product_id, r.end, r.volume, r.notional, r.count),
    "moved": lambda m: (m.product_id, m.before, m.price),
    "price_crossing": lambda c: (c.product_id, c.direction, c.price),
}


@pytest.mark.parametrize("pipeline", ALL, ids=named)
def test_naive_loop_is_right_on_a_stream_without_faults(pipeline: Pipeline) -> None:
    messages = pipeline.stream(pipeline.products, COUNT, faults=False)
    exact, late = outputs(pipeline.ways["hub"], messages)
    naive, _ = outputs(pipeline.ways["naive"], messages)
    assert not late
    if pipeline.name == "order_book":
        # (product, ready, time, crossed, best bid, best ask), and a price alone; only the naive loop repeats them.
        tops = [(view[0], view[4] and view[4][0], view[5] and view[5][0]) for view in exact if view[1]]
        for product in {top[0] for top in tops}:
            mine, theirs = (
                [key for key, _ in groupby(top for top in each if top[0] == product)] for each in (tops, naive)
            )
            assert mine == theirs
    else:
        assert sorted(map(BRIEFLY[pipeline.name], exact)) == sorted(naive)


# ---- the report


@pytest.mark.timeout(240)  # it measures each of them
def test_ten_pipelines_at_once() -> None:
    row = compare_ten(400, 1)
    assert row["ratios"].keys() == {"a message", "a feed"}
    assert all(each > 0 for each in row["ns"].values())


@pytest.mark.timeout(240)  # it measures each row in turn
def test_report_has_rows_and_verdicts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = benchmark.run(600, 1, (1, 2))
    report.save(tmp_path / "report.json")
    saved = json.loads((tmp_path / "report.json").read_text())
    assert saved["name"] == "pipelines"
    assert [(row["pipeline"], row["products"]) for row in saved["rows"]] == [
        (name, products)
        for products in (1, 2)
        for name in ("window_volume", "candles", "rolling_volume", "moved", "price_crossing", "order_book")
    ] + [("ten at once", 10)]
    for row in saved["rows"][:-1]:
        assert row["ratio"] == pytest.approx(row["ns"]["plain"] / row["ns"]["hub"], abs=0.01)
    assert len(saved["verdicts"]) == 2 * 7 + 1
    for verdict in saved["verdicts"][:-1]:
        assert verdict["met"] == (verdict["value"] >= 0.6) or verdict["value"] == 0.6
    assert "order_book" in capsys.readouterr().out
