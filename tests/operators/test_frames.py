"""Tables of windows and candles."""

from __future__ import annotations

import sys
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
import reactivex
from reactivex import operators as ops

from rxfeed import ConfigError, TumblingVolume, fold
from rxfeed.core import Candles
from rxfeed.operators import candles, to_dataframe, to_records
from tests.support.make import heartbeat, match

STREAM = [
    match("10.5", size="0.123", time=0, trade_id=1),
    match(11, time=61, trade_id=2),
    heartbeat(180, last_trade_id=2),
]
CANDLES = fold(Candles(60, empty=True), STREAM)


def test_records_are_the_fields_as_they_are() -> None:
    record = to_records(CANDLES)[0]
    assert list(record) == list(CANDLES[0].__struct_fields__)
    assert record["open"] == Decimal("10.5")
    assert record["start"] == CANDLES[0].start  # type: ignore[union-attr]
    assert to_records([]) == []


def test_records_are_of_results_only() -> None:
    with pytest.raises(ConfigError, match="no window"):
        to_records([1])


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_a_frame_has_a_row_each_and_floats_to_compute_with(library: Any) -> None:
    pytest.importorskip(library)
    frame = to_dataframe(CANDLES, library)
    assert list(frame.columns) == list(CANDLES[0].__struct_fields__)
    assert frame["close"].to_list() if library == "polars" else frame["close"].tolist() == [10.5, 11.0, 11.0, 11.0]
    assert float(frame["volume"].sum()) == pytest.approx(1.123)
    first: datetime = frame["start"][0]
    assert first == CANDLES[0].start  # type: ignore[union-attr]
    assert first.utcoffset() is not None
    vwap = frame["vwap"].to_list() if library == "polars" else [None if v != v else v for v in frame["vwap"]]
    assert vwap == [10.5, 11.0, None, None]
    assert [bool(each) for each in frame["complete"]] == [False, True, True, False]


@pytest.mark.parametrize("library", ["polars", "pandas"])
def test_an_exact_frame_keeps_decimals(library: Any) -> None:
    pytest.importorskip(library)
    frame = to_dataframe(fold(TumblingVolume(60), STREAM), library, exact=True)
    assert list(frame["notional"]) == [Decimal("1.2915"), Decimal(11)]


def test_a_column_too_long_for_polars_is_named() -> None:
    pytest.importorskip("polars")
    long = [match("1e-20", size=10**30)]
    with pytest.raises(ConfigError, match="exact: volume"):
        to_dataframe(fold(TumblingVolume(60), [*long, match(1, size="1e-20")]), "polars", exact=True)


def test_a_column_of_nothing_is_a_column_of_floats() -> None:
    polars = pytest.importorskip("polars")
    nothing = fold(Candles(60, empty=True), [heartbeat(0), heartbeat(61)])
    assert to_dataframe(nothing, "polars")["open"].dtype == polars.Float64
    assert to_dataframe([], "polars").shape == (0, 0)


def test_kinds_do_not_mix() -> None:
    with pytest.raises(ConfigError, match="Candle, VolumeWindow"):
        to_dataframe([*CANDLES, *fold(TumblingVolume(60), STREAM)])


def test_without_a_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
    for library in (None, "polars", "pandas"):
        with pytest.raises(ConfigError, match=r"rxfeed\[frame\]"):
            to_dataframe(CANDLES, library)  # type: ignore[arg-type]


def test_no_other_library_will_do() -> None:
    with pytest.raises(ConfigError, match="dask"):
        to_dataframe(CANDLES, "dask")  # type: ignore[arg-type]


def test_in_a_pipeline() -> None:
    pytest.importorskip("polars")
    source = reactivex.from_iterable(STREAM)
    assert source.pipe(candles(60), ops.to_list(), ops.map(to_dataframe)).run().shape == (2, 12)
