"""Tables of windows, candles, messages and books."""

from __future__ import annotations

import dataclasses
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
import reactivex
from reactivex import operators as ops

from rxfeed import ConfigError, fold
from rxfeed.core import Candles, Level2Book, TumblingVolume
from rxfeed.dataframes import to_dataframe, to_records
from rxfeed.market import Message, Origin, stamp
from rxfeed.operators import candles, to_frames
from rxfeed.testing import book
from rxfeed.venues.coinbase_exchange import L2Update, Snapshot, Status
from rxfeed.venues.coinbase_exchange.decode import ExchangeDecoder
from rxfeed.venues.coinbase_exchange.messages import Activate
from tests.support.collect import Collected
from tests.support.make import at, heartbeat, match, ticker

STREAM = [
    match("10.5", size="0.123", time=0, trade_id=1),
    match(11, time=61, trade_id=2),
    heartbeat(180, last_trade_id=2),
]
CANDLES = fold(Candles(60, empty=True), STREAM)
LIBRARIES = ("polars", "pandas", "arrow")
BOOK = [
    Snapshot(
        product_id="BTC-USD",
        time=at(0),
        bids=((Decimal("9.5"), Decimal(2)),),
        asks=((Decimal(11), Decimal(1)), (Decimal(12), Decimal(4))),
    ),
    L2Update(product_id="BTC-USD", time=at(1), changes=(("buy", Decimal("9.5"), Decimal(0)),)),
]


def library_of(name: str) -> Any:
    return pytest.importorskip({"arrow": "pyarrow"}.get(name, name))


def cells(frame: Any, column: str) -> list[Any]:
    """The cells of a column as Python has them, null as `None`, whatever the library."""
    if hasattr(frame, "to_pylist"):
        return frame[column].to_pylist()
    values = frame[column].to_list()
    return [None if str(value) in ("nan", "<NA>", "NaT", "None") else value for value in values]


def columns(frame: Any) -> list[str]:
    return list(getattr(frame, "column_names", frame.columns))


def test_records_have_the_fields_unchanged() -> None:
    record = to_records(CANDLES)[0]
    assert list(record) == list(CANDLES[0].__struct_fields__)
    assert record["open"] == Decimal("10.5")
    assert record["start"] == CANDLES[0].start  # type: ignore[union-attr]
    assert to_records([]) == []


def test_records_are_of_results_only() -> None:
    for item in (1, "text", {1, 2}):
        with pytest.raises(ConfigError, match="not a window"):
            to_records([item])


@pytest.mark.parametrize("library", LIBRARIES)
def test_frame_has_a_row_for_each_item_and_floats(library: Any) -> None:
    library_of(library)
    frame = to_dataframe(CANDLES, library)
    assert columns(frame) == list(CANDLES[0].__struct_fields__)
    assert cells(frame, "close") == [10.5, 11.0, 11.0, 11.0]
    assert sum(cells(frame, "volume")) == pytest.approx(1.123)
    assert cells(frame, "start") == [at(0), at(60), at(120), at(180)]
    assert cells(frame, "start")[0].utcoffset() == timedelta(0)
    assert cells(frame, "vwap") == [10.5, 11.0, None, None]
    assert cells(frame, "complete") == [False, True, True, False]


@pytest.mark.parametrize("library", LIBRARIES)
def test_exact_frame_keeps_decimals(library: Any) -> None:
    library_of(library)
    frame = to_dataframe(CANDLES, library, exact=True)
    assert cells(frame, "notional") == [Decimal("1.2915"), Decimal(11), 0, 0]
    assert cells(frame, "vwap") == [Decimal("10.5"), Decimal(11), None, None]
    assert all(isinstance(cell, Decimal) for cell in cells(frame, "notional"))


@pytest.mark.parametrize("library", LIBRARIES)
def test_times_are_utc_to_the_microsecond(library: Any) -> None:
    library_of(library)
    moment = datetime(2026, 1, 2, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    frame = to_dataframe([ticker(1, time=moment), ticker(1)], library)
    assert cells(frame, "time")[0] == moment
    kind = {
        "polars": lambda: str(frame.schema["time"]),
        "pandas": lambda: str(frame["time"].dtype),
        "arrow": lambda: str(frame.schema.field("time").type),
    }[library]()
    assert kind in (
        "Datetime(time_unit='us', time_zone='UTC')",
        "datetime64[us, UTC]",
        "timestamp[us, tz=UTC]",
    )


def test_column_too_long_for_a_decimal_is_named() -> None:
    pytest.importorskip("polars")
    pyarrow = pytest.importorskip("pyarrow")
    long = fold(TumblingVolume(60), [match("1e-20", size=10**30), match(1, size="1e-20")])
    with pytest.raises(ConfigError, match="exact: column volume needs more than 38 digits"):
        to_dataframe(long, "polars", exact=True)
    table = to_dataframe(long, "arrow", exact=True)
    assert table.schema.field("volume").type == pyarrow.decimal256(76, 20)
    assert table.schema.field("buy_volume").type == pyarrow.decimal256(76, 20)
    assert cells(table, "volume") == [Decimal(f"1{30 * '0'}.{19 * '0'}1")]
    with pytest.raises(ConfigError, match="exact: column size needs more than 76 digits"):
        to_dataframe([match(size="1e-40"), match(size=10**40)], "arrow", exact=True)


def test_arrow_decimals_have_128_bits_if_they_fit() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    table = to_dataframe([match("0.00001305", size=1), match("12345.1", size=1)], "arrow", exact=True)
    assert table.schema.field("price").type == pyarrow.decimal128(38, 8)
    assert cells(table, "price") == [Decimal("0.00001305"), Decimal("12345.1")]


def test_type_has_the_same_columns_for_any_values() -> None:
    polars = pytest.importorskip("polars")
    nothing = fold(Candles(60, empty=True), [heartbeat(0), heartbeat(61)])
    assert to_dataframe(nothing, "polars")["open"].dtype == polars.Float64
    bare, full = ticker(1), ticker(2, side="buy", trade_id=2**40, best_bid=Decimal(1))
    library_of("arrow")
    for library in ("polars", "arrow"):
        one, other = (to_dataframe([each], library).schema for each in (bare, full))
        assert one == other
    assert to_dataframe([bare], "polars").schema["side"] == polars.String


def test_no_items_make_a_frame_without_columns() -> None:
    for library in LIBRARIES:
        library_of(library)
        assert to_dataframe([], library).shape == (0, 0)


# ---- messages and books


@pytest.mark.parametrize("library", LIBRARIES)
def test_message_rows_have_receipt_time_and_epoch(library: Any) -> None:
    library_of(library)
    came = stamp(match(10, trade_id=7), Origin(b"", 1_700_000_000_000_001_999, 3))
    frame = to_dataframe([came, match(11, trade_id=8)], library)
    assert columns(frame)[:2] == ["product_id", "time"]
    assert cells(frame, "price") == [10.0, 11.0]
    assert cells(frame, "trade_id") == [7, 8]
    assert cells(frame, "received") == [datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC), None]
    assert cells(frame, "epoch") == [3, 0]
    assert not [name for name in columns(frame) if name.startswith("_")]


@pytest.mark.parametrize("library", LIBRARIES)
def test_integers_and_booleans_keep_their_type_beside_nulls(library: Any) -> None:
    library_of(library)
    frame = to_dataframe([ticker(1, trade_id=2**53 + 1), ticker(1)], library)
    assert cells(frame, "trade_id") == [2**53 + 1, None]
    orders = [Activate(product_id="BTC-USD", order_id="a", timestamp=Decimal(1), private=flag) for flag in (True, None)]
    assert cells(to_dataframe(orders, library), "private") == [True, None]


@pytest.mark.parametrize("library", LIBRARIES)
def test_level2_makes_a_row_for_each_level(library: Any) -> None:
    library_of(library)
    frame = to_dataframe(BOOK, library)
    assert cells(frame, "side") == ["buy", "sell", "sell", "buy"]
    assert cells(frame, "price") == [9.5, 11.0, 12.0, 9.5]
    assert cells(frame, "size") == [2.0, 1.0, 4.0, 0.0]
    assert cells(frame, "snapshot") == [True, True, True, False]
    assert cells(frame, "time") == [at(0), at(0), at(0), at(1)]
    assert to_records(BOOK)[3]["size"] == Decimal(0)


@pytest.mark.parametrize("library", LIBRARIES)
def test_book_view_row_has_best_prices_and_sizes(library: Any) -> None:
    library_of(library)
    frame = to_dataframe(fold(Level2Book("BTC-USD"), BOOK), library)
    assert cells(frame, "best_bid") == [9.5, None]
    assert cells(frame, "best_bid_size") == [2.0, None]
    assert cells(frame, "best_ask_size") == [1.0, 1.0]


def test_every_message_type_converts_or_raises_the_reason() -> None:
    library_of("polars")
    frames = {
        "match": b'"product_id":"A-B","time":"2026-01-02T12:00:00Z","trade_id":1,"sequence":1,"side":"buy","price":"1",'
        b'"size":"1","maker_order_id":"m","taker_order_id":"t"',
        "received": b'"product_id":"A-B","order_id":"o","side":"buy","time":"2026-01-02T12:00:00Z","sequence":1',
        "done": b'"product_id":"A-B","order_id":"o","side":"buy","time":"2026-01-02T12:00:00Z","reason":"filled"',
        "error": b'"message":"no"',
        "new": b'"product_id":"A-B"',
        "balance": b'"account_id":"a","currency":"A","holds":"1","available":"2","timestamp":"2026-01-02T12:00:00Z"',
    }
    for kind, fields in frames.items():
        message = ExchangeDecoder().decode(b'{"type":"%s",%s}' % (kind.encode(), fields))
        assert isinstance(message, Message)
        assert len(to_dataframe([message], "polars")) == 1
    with pytest.raises(ConfigError, match=r"Status\.products has more than one value"):
        to_dataframe([Status(products=(), currencies=())], "polars")


class Quote(NamedTuple):
    mid: Decimal
    label: str | None
    either: int | str


@pytest.mark.parametrize("library", LIBRARIES)
def test_user_named_tuples_convert(library: Any) -> None:
    library_of(library)
    frame = to_dataframe([Quote(Decimal("1.5"), None, 2), Quote(Decimal(2), "b", 3)], library)
    assert cells(frame, "mid") == [1.5, 2.0]
    assert cells(frame, "label") == [None, "b"]
    assert cells(frame, "either") == [2, 3]


def test_mixed_item_types_are_rejected() -> None:
    with pytest.raises(ConfigError, match="Candle, VolumeWindow"):
        to_dataframe([*CANDLES, *fold(TumblingVolume(60), STREAM)])


def test_missing_library_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("polars", "pandas", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)
    wanted = {
        None: r'"rxfeed\[frame\]" \(in a clone of rxfeed: pip install "\.\[frame\]"\)$',
        "polars": r'"rxfeed\[frame\]" ',
        "pandas": "pandas$",
        "arrow": r'"rxfeed\[arrow\]" \(in a clone of rxfeed: pip install "\.\[arrow\]"\)$',
    }
    for library, told in wanted.items():
        with pytest.raises(ConfigError, match=f"pip install {told}"):
            to_dataframe(CANDLES, library)  # type: ignore[arg-type]
        with pytest.raises(ConfigError, match=f"pip install {told}"):
            to_frames(10, library)  # type: ignore[arg-type]


def test_unknown_library_is_rejected() -> None:
    with pytest.raises(ConfigError, match="dask"):
        to_dataframe(CANDLES, "dask")  # type: ignore[arg-type]


# ---- in a pipeline


def test_frames_in_a_pipeline() -> None:
    pytest.importorskip("polars")
    source = reactivex.from_iterable(STREAM)
    assert source.pipe(candles(60), ops.to_list(), ops.map(to_dataframe)).run().shape == (2, 13)


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_have_the_batch_size_and_a_rest(library: Any) -> None:
    library_of(library)
    trades = [match(price) for price in range(1, 8)]
    got = Collected(reactivex.from_iterable(trades).pipe(to_frames(3, library)))
    got.wait_for_end()
    assert [cells(frame, "price") for frame in got.items] == [[1, 2, 3], [4, 5, 6], [7]]
    whole = reactivex.from_iterable(trades).pipe(to_frames(None, library)).run()
    assert cells(whole, "price") == [1, 2, 3, 4, 5, 6, 7]
    assert reactivex.empty().pipe(to_frames(3, library), ops.count()).run() == 0


def test_stream_that_fails_emits_what_came_before() -> None:
    pytest.importorskip("polars")
    broken = reactivex.concat(reactivex.of(match(1), match(2), match(3)), reactivex.throw(OSError("gone")))
    got = Collected(broken.pipe(to_frames(2, "polars")))
    got.wait_for_end()
    assert [len(frame) for frame in got.items] == [2, 1]
    assert isinstance(got.error, OSError)


def test_item_that_does_not_convert_ends_the_stream() -> None:
    pytest.importorskip("polars")
    got = Collected(reactivex.of(match(1), heartbeat(1)).pipe(to_frames(2, "polars")))
    got.wait_for_end()
    assert isinstance(got.error, ConfigError)
    for rows in (0, -1, 1.5, True, "9"):
        with pytest.raises(ConfigError, match="rows"):
            to_frames(rows)  # type: ignore[arg-type]


@dataclasses.dataclass
class Fill:
    price: Decimal
    maker: bool
    time: datetime | None = None


@pytest.mark.parametrize("library", LIBRARIES)
def test_dataclasses_dicts_and_tuples_convert(library: Any) -> None:
    library_of(library)
    assert columns(to_dataframe([Fill(Decimal("1.5"), True)], library)) == ["price", "maker", "time"]
    frame = to_dataframe([{"price": Decimal("1.5")}, {"price": None, "size": 2}], library)
    assert columns(frame) == ["price", "size"]
    assert columns(to_dataframe([(1, "a"), (2, "b")], library)) == ["column_0", "column_1"]
    assert to_records([{"a": 1}]) == [{"a": 1}]


def test_cells_of_dicts_have_one_type() -> None:
    frame = to_dataframe([{"price": Decimal("1.5")}, {"price": 2}, {}], "polars")
    assert frame["price"].to_list() == [1.5, 2.0, None]
    with pytest.raises(ConfigError, match="'levels' has more than one value"):
        to_dataframe([{"levels": [1, 2]}], "polars")


@pytest.mark.parametrize("library", LIBRARIES)
def test_frames_of_books_have_mid_spread_and_imbalance(library: Any) -> None:
    library_of(library)
    views = fold(Level2Book("BTC-USD"), [book([(99, 3)], [(101, 1)])])
    assert columns(to_dataframe(views, library))[-3:] == ["mid", "spread", "imbalance"]
    record = to_records(views)[0]
    assert (record["mid"], record["spread"], record["imbalance"]) == (100, 2, Decimal("0.5"))
