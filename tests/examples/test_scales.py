"""Pictures of an hour and of a month are readable: few bars, thinned lines, labels with both ends."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.examples.conftest import importable
from tests.support.make import at


@pytest.fixture
def scales() -> Iterator[Any]:
    with importable():
        yield import_module("shared.scales")


def test_picture_has_at_most_200_bars(scales: Any) -> None:
    by_length = {60.0: [0] * 500, 120.0: [0] * 250, 300.0: [0] * 100, 600.0: [0] * 50}
    assert scales.readable(by_length) == [0] * 100
    assert scales.readable({86_400.0: [0] * 500}) == [0] * 500
    assert [scales.length_for(each) for each in (600, 12_000, 12_001, 86_400, 10**9)] == [60, 60, 120, 600, 86_400]


def test_labels_name_both_ends_and_whole_units(scales: Any) -> None:
    assert scales.dates_of(at(0), at(3600)) == "2 January 2026, 12:00 to 13:00 UTC"
    assert scales.dates_of(at(0), at(90_000)) == "2 January 2026 12:00 to 3 January 2026 13:00, UTC"
    lengths = (30, 600, 14_400, 86_400, 172_800)
    assert [scales.duration(each) for each in lengths] == ["30 s", "10 min", "4 h", "1 day", "2 days"]


def test_numbers_of_an_axis_have_equally_many_places(scales: Any) -> None:
    assert scales.places_of([0, 0.25, 0.5, 1]) == 2
    assert scales.places_of([60_000, 59_950]) == 0
    assert scales.places_of([0.1 + 0.2, 0.5]) == 1
    assert scales.places_of([]) == 0


def test_line_keeps_the_last_value_of_each_step(scales: Any) -> None:
    points = scales.Points(most=10)
    for second in range(1000):
        points.add(at(second), float(second))
    times, values = points.line()
    assert len(times) <= 10
    assert values[-1] == 999
    assert times[-1] == at(999)
    assert values == sorted(values)


def test_line_ends_where_data_is_missing(scales: Any) -> None:
    points = scales.Points()
    for second, value in [(0, 1.0), (10, 2.0), (15, None), (100, 3.0), (101, 4.0)]:
        points.add(at(second), value)
    times, values = points.line()
    assert times == [at(0), at(10), at(15), at(15), at(100), at(101)]
    assert [None if math.isnan(each) else each for each in values] == [1, 2, 2, None, 3, 4]


@given(st.lists(st.tuples(st.integers(0, 50), st.none() | st.floats(0, 1)), max_size=200))
def test_thinned_line_keeps_its_interruptions(steps: list[tuple[int, float | None]]) -> None:
    """Between the first and the last value, an interruption is drawn if there was one; values are those added."""
    with importable():
        points = import_module("shared.scales").Points(most=8)
    time: datetime = at(0)
    for step, value in steps:
        time += timedelta(seconds=step)
        points.add(time, value)
    times, values = points.line()
    assert times == sorted(times)
    assert len(times) <= 4 * 8
    drawn = [value for value in values if not math.isnan(value)]
    assert set(drawn) <= {value for _, value in steps}
    given_values = [value for _, value in steps]
    known = [place for place, value in enumerate(given_values) if value is not None]
    if known and None in given_values[known[-1] :]:
        assert math.isnan(values[-1])


def test_imbalance_of_a_month_is_drawn_in_few_spans(scales: Any) -> None:
    imbalance = import_module("plot_imbalance")
    spans = imbalance.Spans()
    for hour in range(30 * 24 * 4):
        spans.add(at(900 * hour), -0.5 if hour % 4 else 0.5)
    assert spans.length == 14_400
    assert len(spans.counts) <= 200
    assert spans.all.total() == 30 * 24 * 4
    assert imbalance.mean(spans.all) == pytest.approx(-0.25)
    assert [imbalance.quantile(spans.all, share) for share in (0.1, 0.5, 0.9)] == [-0.5, -0.5, 0.5]


def test_moves_across_a_gap_do_not_count(scales: Any) -> None:
    imbalance = import_module("plot_imbalance")
    moves = imbalance.Moves(10)
    for second, mid in [(0, 100.0), (5, 101.0), (12, 102.0), (15, None), (30, 200.0), (40, 202.0), (41, 203.0)]:
        moves.add(imbalance.Sample(at(second), mid, None if mid is None else 0.95))
    (*empty, last) = moves.bins
    assert not any(empty)
    assert last == [pytest.approx(100), pytest.approx(100)]


def test_axis_of_prices_has_the_digits_of_the_increment(scales: Any, tmp_path: Path) -> None:
    drawing = import_module("shared.drawing")
    options = argparse.Namespace(output=str(tmp_path / "axis.png"), dark=False)
    with drawing.picture(options, "prices", "", (at(0), at(60)), (1, 1)) as drawn:
        prices, volumes = drawn.axes
        prices.set_ylim(59_000, 61_000)
        volumes.set_ylim(-1.5, 2000)
        drawing.show_numbers(prices, "price", 2)
        drawing.show_numbers(volumes, "volume")
    shown = [label.get_text() for label in prices.get_yticklabels()]
    assert "60,000.00" in shown
    assert "1,000" in [label.get_text() for label in volumes.get_yticklabels()]
    assert prices.get_figure().axes[-1].get_xlabel() == "2 January 2026, 12:00 to 12:01 UTC"
