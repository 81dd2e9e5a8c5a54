"""Numbers are exact, what does not fit is an error, and texts give the rows of messages."""

from __future__ import annotations

import os
import pickle
import re
import tracemalloc
from decimal import Context, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rxfeed.archive import export
from rxfeed.archive.machines import packed, unpacked
from rxfeed.archive.numbers import NotExact, Numbers
from rxfeed.archive.tops import BookTops
from rxfeed.errors import ConfigError
from rxfeed.feed import Gap
from rxfeed.market import Message, Origin, stamp
from rxfeed.recording import moment_of
from rxfeed.recording.events import status_line
from rxfeed.recording.format import Line, encode, frame_line
from rxfeed.venues.coinbase_exchange import L2Update, Snapshot
from tests.support import archives as a
from tests.support import segments as made
from tests.support.make import heartbeat, match, ticker

EXACT = Numbers()
FITTING = st.decimals(-(10**20), 10**20, places=12)


@given(st.lists(st.one_of(st.none(), FITTING), min_size=1))
def test_decimals_are_exact(numbers: list[Decimal | None]) -> None:
    assert EXACT.of(numbers, "price").to_pylist() == numbers
    texts = [None if number is None else str(number) for number in numbers]
    assert EXACT.of_texts(texts).to_pylist() == numbers


@given(st.integers(-(10**40) + 1, 10**40 - 1), st.integers(-40, 40))
@example(340283, 21)
@example(10**25, 0)
def test_decimal_of_a_message_is_exact_or_rejected(digits: int, exponent: int) -> None:
    number = Decimal(digits).scaleb(exponent, Context(prec=80))
    places = -min(0, int(number.normalize(Context(prec=80)).as_tuple().exponent))
    if abs(number) < 10**26 * (1 - Decimal("1E-12")) and places <= 12:
        assert EXACT.of([None, number], "price").to_pylist() == [None, number]
    else:
        with pytest.raises(ConfigError, match=re.escape(f"the price {number} does not fit")):
            EXACT.of([number], "price")


@pytest.mark.parametrize("text", ["NaN", "", "Infinity", "x", "1.0000000000001", "1e30", "0x1"])
def test_text_that_is_no_exact_number_is_rejected(text: str) -> None:
    with pytest.raises(NotExact):
        EXACT.of_texts([text])


@pytest.mark.parametrize("numbers", [EXACT, Numbers(floats=True)])
def test_size_below_zero_is_rejected(numbers: Numbers) -> None:
    assert len(numbers.of_texts(["-1"])) == 1
    with pytest.raises(NotExact, match="below zero"):
        numbers.of_texts(["1", "-0.5"], sizes=True)


def test_notional_has_all_places_of_price_and_size(tmp_path: Path) -> None:
    price, size = Decimal("12345.123456789012"), Decimal("0.000000000001")
    made.write(tmp_path, made.lines_of([match(price, size=size, trade_id=1).raw]))
    export(tmp_path, tmp_path / "out")
    ((_, notional),) = a.rows(tmp_path / "out", "candles", ["notional"])
    assert notional == price * size


def test_number_with_too_many_places_is_named(tmp_path: Path) -> None:
    made.write(tmp_path, made.lines_of([match(1, trade_id=1).raw, match(Decimal("1.5E-13"), trade_id=2).raw]))
    for tables in ("trades", ["trades", "candles"]):
        with pytest.raises(ConfigError, match=r"the price 1.5E-13 does not fit .* 12 decimal places"):
            export(tmp_path, tmp_path / "out", tables=tables)  # pyright: ignore[reportArgumentType]  # names
        assert a.files(tmp_path / "out", "trades") == []
    export(tmp_path, tmp_path / "wider", tables="trades", scale=14)
    assert [row[5] for row in a.rows(tmp_path / "wider", "trades", a.TRADE)] == [1, Decimal("1.5E-13")]


BAD = [
    b'{"type":"match","trade_id":7,"product_id":"BTC-USD","price":"NaN"}',
    match(1, trade_id=8).raw.replace(b'"price":"1"', b'"price":"NaN"'),
    match(1, trade_id=9).raw.replace(b'"size":"1"', b'"size":"-1"'),
    match(1, trade_id=10).raw.replace(b'"price":"1"', b'"price":1.5'),
    match(1, trade_id=11).raw.replace(b"00Z", b"00.123456789Z"),
    match(1, trade_id=12).raw.replace(b"12:00:00", b"12:00:60"),
    b'{"type":"news","product_id":"BTC-USD"}',
    b'{"type":"match",\n"trade_id":1}',
    b'{"type":"ticker","product_id":"BTC-USD","price":"3","best_bid":"","time":null}',
    '{"type":"ticker","product_id":"BTC-USD","price":"3","note":"\u00fc"}'.encode(),
    Snapshot(product_id="BTC-USD", bids=((Decimal(1), Decimal(2)),), asks=()).raw,
    L2Update(product_id="BTC-USD", changes=(("buy", Decimal("1.10"), Decimal(0)),)).raw,
    L2Update(product_id="A-B", changes=()).raw,
]


@settings(max_examples=12)
@given(st.lists(st.one_of(st.sampled_from(BAD), st.integers(0, 100)), min_size=1, max_size=30))
def test_texts_give_the_rows_of_messages(tmp_path_factory: pytest.TempPathFactory, chosen: list[Any]) -> None:
    """Whatever is between them: a frame that texts cannot represent is decoded as a message."""
    folder = tmp_path_factory.mktemp("frames")
    frames = [each if isinstance(each, bytes) else match(each, trade_id=each, time=each).raw for each in chosen]
    lines = [frame_line(raw, made.NS + place, 0) for place, raw in enumerate(frames)]
    made.write(folder, lines)
    messages = a.played(folder)
    export(folder, folder / "out", tables=["trades", "book_updates", "tickers"])
    assert a.by_product(a.rows(folder / "out", "trades", a.TRADE)) == a.by_product(a.trade_rows(messages))
    changes = a.rows(folder / "out", "book_updates", a.CHANGE)
    assert sorted(changes) == sorted(a.change_rows(messages))
    assert a.rows(folder / "out", "tickers", a.TICKER) == a.ticker_rows(messages)


def test_rows_go_into_the_folder_of_their_date(tmp_path: Path) -> None:
    trades = [match(1, trade_id=n, time=n * 13 * 3600, product_id="A/B") for n in range(3)]
    made.write(tmp_path, made.lines_of([each.raw for each in trades]))
    export(tmp_path, tmp_path / "out", tables="trades")
    folders = [str(path.parent.relative_to(tmp_path / "out")) for path in a.files(tmp_path / "out", "trades")]
    place = "trades/venue=coinbase_exchange/product=A%2FB/date="
    assert folders == [f"{place}2026-01-02", f"{place}2026-01-03"]
    assert [row[0] for row in a.rows(tmp_path / "out", "trades", a.TRADE)] == ["A/B"] * 3


def test_row_groups_can_be_skipped_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [match(1, trade_id=n, time=n / 100).raw for n in range(5_010)]
    monkeypatch.setattr("rxfeed.archive.partitions.GROUP", 2_000)
    monkeypatch.setattr("rxfeed.archive.rows._TOGETHER", 1_000)
    made.write(tmp_path, made.lines_of(frames, step=10**7), together=5000)
    export(tmp_path, tmp_path / "out", tables="trades")
    (path,) = a.files(tmp_path / "out", "trades")
    described = parquet.ParquetFile(path).metadata
    spans = [described.row_group(n).column(0).statistics for n in range(described.num_row_groups)]
    assert len(spans) >= 3
    assert all(one.max < other.min for one, other in pairwise(spans))
    assert described.row_group(0).column(0).compression == "ZSTD"


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many trades take about as much memory."""
    peaks: list[int] = []
    monkeypatch.setattr("rxfeed.archive.partitions.MOST", 4_000)
    monkeypatch.setattr("rxfeed.archive.partitions.GROUP", 4_000)
    monkeypatch.setattr("rxfeed.archive.rows._TOGETHER", 1_000)
    for count in (15_000, 30_000):
        folder = tmp_path / str(count)
        folder.mkdir()
        line = made.lines_of([match(1, trade_id=1).raw])
        made.write(folder, line * count, together=5000)
        tracemalloc.start()
        before = pyarrow.total_allocated_bytes()
        export(folder, folder / "out", tables="trades")
        assert pyarrow.total_allocated_bytes() - before < 1_000_000
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.3


def test_coverage_has_ids_counts_and_gaps(tmp_path: Path) -> None:
    hour = 3600 * 10**9
    lines = made.lines_of([match(1, trade_id=n, time=n).raw for n in (5, 6, 9)])
    gap = Gap(product_id="BTC-USD", channel="matches", first=7, last=8, at=moment_of(made.NS + 2 * 10**9))
    lines[2:2] = [status_line(gap)]
    lines += made.lines_of([match(1, trade_id=10, time=3600).raw, ticker(1, time=3600).raw], ns=made.NS + hour)
    made.write(tmp_path, lines)
    export(tmp_path, tmp_path / "out")
    columns = ("hour", "table_name", "count", "first_id", "last_id", "gaps", "missing")
    assert a.rows(tmp_path / "out", "coverage", columns) == [
        ("BTC-USD", made.NS // hour * hour, "trades", 3, 5, 9, 1, 2),
        ("BTC-USD", made.NS // hour * hour + hour, "trades", 1, 10, 10, 0, 0),
        ("BTC-USD", made.NS // hour * hour + hour, "tickers", 1, None, None, 0, 0),
    ]


def test_repaired_trades_are_marked(tmp_path: Path) -> None:
    """A trade that was missed, and came in the snapshot after the reconnect."""
    trade = (
        b'{"product_id":"BTC-USD","trade_id":"%d","price":"1","size":"1","time":"2026-01-02T12:00:0%dZ","side":"BUY"}'
    )
    frame = b'{"channel":"market_trades","timestamp":"","sequence_num":0,"events":[{"type":"%b","trades":[%b]}]}'
    snapshot = frame % (b"snapshot", trade % (2, 2) + b"," + trade % (1, 1))
    lines = [
        frame_line(frame % (b"update", trade % (1, 1)), made.NS, 0),
        frame_line(snapshot, made.NS + 10**9, 1, [None, 1], [1]),
        frame_line(frame % (b"update", trade % (3, 3)), made.NS + 2 * 10**9, 1),
    ]
    made.write(tmp_path, lines)
    export(tmp_path, tmp_path / "out", tables="trades", venue="coinbase_advanced")
    found = a.rows(tmp_path / "out", "trades", ["trade_id", "repaired"])
    assert found == [("BTC-USD", 1, False), ("BTC-USD", 2, True), ("BTC-USD", 3, False)]


def book(bid: int, ns: int, *, snapshot: bool = False, epoch: int = 0) -> Message:
    level = (Decimal(bid), Decimal(1))
    made_of: Any = Snapshot(product_id="BTC-USD", bids=(level,), asks=())
    if not snapshot:
        made_of = L2Update(product_id="BTC-USD", changes=(("buy", *level),))
    return stamp(made_of, Origin(b"", ns, epoch))


def test_tops_are_the_books_at_the_ends_of_spans() -> None:
    tops = BookTops(1, 100)
    messages = [book(1, 10, snapshot=True), book(2, 50), book(3, 120), book(3, 130), book(4, 510)]
    found = [(top.at_ns, int(top.bids[0][0])) for message in messages for top in tops.step(message)]
    found += [(top.at_ns, int(top.bids[0][0])) for top in tops.finish()]
    assert found == [(100, 2), (200, 3), (600, 4)]


def test_top_after_a_gap_is_not_ready() -> None:
    tops = BookTops(1, 0)
    messages = [book(1, 10, snapshot=True), book(2, 20, epoch=1), book(3, 30, snapshot=True, epoch=1)]
    found = [(top.at_ns, top.ready, len(top.bids)) for message in messages for top in tops.step(message)]
    assert found == [(10, True, 1), (20, False, 0), (30, True, 1)]


def test_state_of_machines_loads_nothing_else() -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, ("true",)

    assert unpacked(packed({"a": BookTops(1, 0)})).keys() == {"a"}
    for content in (packed(Evil()), packed(re.compile("a")), packed({"x": Path})):
        with pytest.raises(pickle.UnpicklingError):
            unpacked(content)


def test_lines_without_frames_have_no_rows(tmp_path: Path) -> None:
    lines = [encode(Line(ns=made.NS, pong=0.1)) + b"\n", frame_line(heartbeat(0).raw, made.NS, 0)]
    made.write(tmp_path, lines)
    done = export(tmp_path, tmp_path / "out")
    assert done.rows.get("trades", 0) == 0
