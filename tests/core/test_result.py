"""Results as text: `str` is short, `repr` has all digits, and notebooks get a table."""

from __future__ import annotations

from decimal import Decimal

from rxfeed import BookView, Candle, fold
from rxfeed.core import Candles, Level2Book, TumblingVolume, table
from rxfeed.testing import book, trade


def windows_of_thirds() -> list[Candle]:
    return [each for each in fold(Candles(60), [trade("0.10"), trade("0.20", 2)]) if isinstance(each, Candle)]


def test_str_rounds_a_quotient_to_the_places_of_prices() -> None:
    (candle,) = windows_of_thirds()
    assert candle.vwap == Decimal("0.1666666666666666666666666667")
    assert " vwap 0.17 " in str(candle)
    assert "vwap=0.1666666666666666666666666667," in repr(candle)


def test_str_of_a_window_has_prices_places_without_a_price() -> None:
    (window,) = fold(TumblingVolume(60), [trade("60000.10", "0.5"), trade("60000.20", "0.3")])
    assert " vwap 60000.14 " in str(window)


def test_times_are_iso_and_the_end_is_short() -> None:
    (candle,) = windows_of_thirds()
    assert str(candle).startswith("Candle BTC-USD 2026-01-02T12:00:00Z..12:01:00Z open 0.10 ")
    assert "start=2026-01-02T12:00:00Z, end=2026-01-02T12:01:00Z" in repr(candle)
    assert str(candle).endswith("incomplete")
    assert "datetime" not in repr(candle)


def test_book_view_shows_no_levels_but_the_best() -> None:
    (view,) = fold(Level2Book("BTC-USD"), [book([(99, 1), (98, 2)], [("100.5", 3)])])
    assert isinstance(view, BookView)
    assert str(view) == "BookView BTC-USD ready time 2026-01-02T12:00:00Z best_bid 99 x 1 best_ask 100.5 x 3"
    assert "best_bid=(99, 1), best_ask=(100.5, 3))" in repr(view)


def test_table_for_notebooks_is_escaped() -> None:
    (candle,) = windows_of_thirds()
    shown = candle._repr_html_()
    assert "<td>0.17</td>" in shown
    assert shown.startswith("<table><caption")
    assert "&lt;b&gt;" in table("<b>", [("<i>", "<u>")])
    assert "<u>" not in table("<b>", [("<i>", "<u>")])
