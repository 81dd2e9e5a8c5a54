"""An export has what a plain loop over the same recordings has, in the same order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rxfeed.archive import TableName, export
from rxfeed.errors import ConfigError
from tests.audit.test_certificate import HOUR, match, opening
from tests.support import archives as a
from tests.support.segments import NS, write

SHARED = Path(__file__).parents[3] / "shared" / "data"
REAL = [("coinbase-exchange-2021-04-17", "coinbase_exchange"), ("coinbase-advanced-2026-08-09", "coinbase_advanced")]
VENUES = ["coinbase_exchange", "coinbase_advanced"]


@pytest.fixture(scope="module", params=VENUES)
def recordings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sessions of a venue, each in several segments and with a lost connection."""
    folder = tmp_path_factory.mktemp(request.param)
    a.record_exchange(folder, venue=request.param, sessions=2)
    assert len(list(folder.glob("*.zst"))) > 4
    return folder


def check(source: Any, out: Path, products: list[str], seconds: float, **replay: Any) -> None:
    """*out* is a whole archive of *source* with candles of *seconds* and each change of the best level."""
    messages = a.played(source, **replay)
    trades, changes, tickers = a.trade_rows(messages), a.change_rows(messages), a.ticker_rows(messages)
    assert trades
    assert changes
    assert tickers
    assert a.by_product(a.rows(out, "trades", a.TRADE)) == a.by_product(trades)
    assert a.by_product(a.rows(out, "book_updates", a.CHANGE)) == a.by_product(changes)
    assert a.by_product(a.rows(out, "tickers", a.TICKER)) == a.by_product(tickers)
    assert sorted(a.rows(out, "candles", a.CANDLE)) == sorted(a.candle_rows(source, seconds, **replay))
    tops = [
        (product, ready, None if bid is None else (bid, bids), None if ask is None else (ask, asks))
        for product, _, _, ready, bid, bids, ask, asks in a.rows(out, "book_tops", a.TOP)
    ]
    assert a.by_product(tops) == a.by_product(a.top_rows(source, products, **replay))


def test_export_equals_a_plain_loop(recordings: Path, tmp_path: Path) -> None:
    done = export(recordings, tmp_path, every=None, seconds=1)
    assert done.segments == len(list(recordings.glob("*.zst")))
    check(recordings, tmp_path, a.PRODUCTS, 1)


@pytest.mark.parametrize(("name", "venue"), REAL)
def test_export_of_a_real_recording_equals_a_plain_loop(name: str, venue: str, tmp_path: Path) -> None:
    path = SHARED / f"{name}.jsonl.gz"
    if not path.is_file():
        pytest.skip("the folder with the recordings is not beside the project")
    export(path, tmp_path, every=None, venue=venue)
    products = sorted({str(each.product_id) for each in a.played(path, venue=venue) if each.product_id})
    check(path, tmp_path, products, 60, venue=venue)


def test_export_of_one_table_by_texts_equals_a_plain_loop(recordings: Path, tmp_path: Path) -> None:
    """Without candles and books, numbers stay texts from the frame to the array."""
    export(recordings, tmp_path, tables=["trades", "tickers", "book_updates"])
    messages = a.played(recordings)
    assert a.by_product(a.rows(tmp_path, "trades", a.TRADE)) == a.by_product(a.trade_rows(messages))
    assert a.by_product(a.rows(tmp_path, "tickers", a.TICKER)) == a.by_product(a.ticker_rows(messages))
    assert a.by_product(a.rows(tmp_path, "book_updates", a.CHANGE)) == a.by_product(a.change_rows(messages))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".rxfeed", "book_updates", "tickers", "trades"]


@pytest.mark.parametrize("tables", [["trades"], ["trades", "candles"]])
def test_export_of_products_and_a_range_equals_the_replay(
    recordings: Path, tmp_path: Path, tables: list[TableName]
) -> None:
    moments = sorted(each.received for each in a.played(recordings) if each.received_ns)
    since, until = moments[len(moments) // 4], moments[len(moments) * 3 // 4]
    chosen: dict[str, Any] = {"products": "BTC-USD", "since": since, "until": until}
    export(recordings, tmp_path, tables=tables, seconds=1, **chosen)
    expected = a.trade_rows(a.played(recordings, **chosen))
    assert expected
    assert a.rows(tmp_path, "trades", a.TRADE) == expected
    if "candles" in tables:
        assert a.rows(tmp_path, "candles", a.CANDLE) == a.candle_rows(recordings, 1, **chosen)


def test_candles_of_an_export_by_texts_equal_a_plain_loop(recordings: Path, tmp_path: Path) -> None:
    """Heartbeats and lost connections are among the trades, and the book is skipped."""
    export(recordings, tmp_path, tables="candles", seconds=1)
    assert sorted(a.rows(tmp_path, "candles", a.CANDLE)) == sorted(a.candle_rows(recordings, 1))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".rxfeed", "candles"]


def test_export_in_floats_has_the_nearest_floats(recordings: Path, tmp_path: Path) -> None:
    export(recordings, tmp_path, floats=True)
    expected = [(*row[:5], float(row[5]), float(row[6]), row[7]) for row in a.trade_rows(a.played(recordings))]
    assert a.by_product(a.rows(tmp_path, "trades", a.TRADE)) == a.by_product(expected)


def test_unknown_table_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="tables"):
        export(tmp_path, tmp_path / "out", tables=["trade"])  # pyright: ignore[reportArgumentType]  # the point


def test_clock_that_began_in_1970_makes_no_rows_up_to_now(tmp_path: Path) -> None:
    """The hours without a connection have rows near messages: ninety days after and before them, here."""
    folder = tmp_path / "recording"
    folder.mkdir()
    first = [*opening("matches", ns=HOUR), match(1, HOUR), match(2, NS), match(5, NS + 2 * HOUR)]
    write(folder, first, ns=HOUR)
    export(folder, tmp_path / "archive", every=None)
    found = a.rows(tmp_path / "archive", "coverage", ("hour", "table_name", "state", "missing"))
    trades = [row for row in found if row[2] == "trades"]
    assert len(trades) == 2 * 90 * 24 + 4
    assert [row[3:] for row in trades if row[1] >= NS] == [("missing", 2), ("missing", 0), ("missing", 0)]
