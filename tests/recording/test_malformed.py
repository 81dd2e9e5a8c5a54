"""Recorded frames that are no message, or that this version does not accept as one."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed import Malformed, Replay, heartbeats, level2, matches, order_book, tickers
from rxfeed.core import Merge
from rxfeed.core.merge_items import ReceivedItem
from rxfeed.market import Message
from rxfeed.recording import catalogue
from rxfeed.recording.format import decode_line, malformed_frame, malformed_line
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from tests.support.collect import Collected
from tests.support.make import match, ticker
from tests.support.segments import NS, lines_of, write

NAMES = st.none() | st.text(max_size=10)
TIME = b'"time":"2026-01-02T00:00:59.9999998Z"}'
BEAT = b'{"type":"heartbeat","product_id":"A-B","sequence":1,"last_trade_id":1,' + TIME
LEAP = BEAT.replace(b"59.9999998", b"60.5")


@given(st.binary(max_size=40), st.text(max_size=20), st.integers(0, 2**62), NAMES, NAMES)
def test_malformed_line_holds_all_of_its_frame(raw: bytes, reason: str, ns: int, product: Any, kind: Any) -> None:
    frame = Malformed(raw, reason, ns, product, kind)
    assert malformed_frame(decode_line(malformed_line(frame))) == frame


def test_malformed_frame_is_played_with_its_product_and_type(tmp_path: Path) -> None:
    named, nameless = Malformed(b"{}", "no", NS, "A-B", "match"), Malformed(b"[]", "no", NS + 1)
    write(tmp_path, [malformed_line(each) for each in (named, nameless)])
    replay = Replay(tmp_path)
    bad = Collected(replay.malformed)
    replay.serve()
    assert bad.items == [named, nameless]


@pytest.mark.parametrize("value", ['"sNaN"', '"9e999999"', '"1e999999"', "1e400", '"' + "7" * 150 + '"'])
@pytest.mark.parametrize("name", ["activate", "ticker", "match"])
def test_impossible_frame_is_malformed_in_a_replay(tmp_path: Path, name: str, value: str) -> None:
    fields: dict[str, Any] = {"type": name, "product_id": "A-B", "order_id": "o", "timestamp": "@", "price": "@"}
    bad = json.dumps(fields).replace('"@"', value).encode()
    write(tmp_path, lines_of([ticker(1, product_id="A-B").raw, bad, ticker(2, product_id="A-B").raw]))
    replay = Replay(tmp_path)
    got, malformed = Collected[Any](replay), Collected(replay.malformed)
    replay.serve()
    assert [(each.price, each.epoch) for each in got.items] == [(1, 0), (2, 1)]
    assert [(each.product_id, each.type, each.raw) for each in malformed.items] == [("A-B", name, bad)]
    assert catalogue(tmp_path).total.messages + catalogue(tmp_path).total.malformed == 3


@pytest.mark.parametrize("frame", [b'{"type":5}', b'{"type":"match","product_id":7}', b"[1e400]", b"{}"])
def test_frame_without_a_type_is_counted_as_malformed_by_ls(tmp_path: Path, frame: bytes) -> None:
    write(tmp_path, lines_of([ticker(1).raw, frame, ticker(2).raw]))
    total = catalogue(tmp_path).total
    assert total.by_type["ticker"] == 2
    assert not total.damaged


def test_replayed_book_is_not_ready_after_an_impossible_update(tmp_path: Path) -> None:
    snapshot = b'{"type":"snapshot","product_id":"A-B","bids":[["9","1"]],"asks":[]}'
    update = b'{"type":"l2update","product_id":"A-B","changes":[["buy","%s","%s"]]}'
    write(tmp_path, lines_of([snapshot, update % (b"8", b"-1"), update % (b"7", b"1"), snapshot]))
    replay = Replay(tmp_path)
    views = Collected(replay.pipe(order_book("A-B")))
    replay.serve()
    assert [view.ready for view in views.items] == [True, False, True]


@pytest.mark.parametrize("operator", [heartbeats(), level2(), matches(), tickers(), lambda source: source])
@pytest.mark.parametrize("plain", [True, False], ids=["plain", "segment"])
def test_times_of_a_replay_are_truncated_to_microseconds(tmp_path: Path, operator: Any, plain: bool) -> None:
    update = b'{"type":"l2update","product_id":"A-B","changes":[],' + TIME
    trade = b'{"time":"2026-01-02T00:00:59.9999998Z",' + match().raw[1:].replace(b'"time"', b'"before"')
    quote = b'{"time":"2026-01-02T00:00:59.9999998Z",' + ticker(1).raw[1:].replace(b'"time"', b'"before"')
    frames = [BEAT, update, trade, quote, LEAP]
    if plain:
        (tmp_path / "plain.jsonl").write_bytes(b"\n".join(frames) + b"\n")
    else:
        write(tmp_path, lines_of(frames))
    replay = Replay(tmp_path)
    got = Collected[Message](replay.pipe(operator))
    replay.serve()
    assert got.items
    for message in got.items:
        assert message.time == datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)
    if plain:
        assert {each.received for each in got.items} == {datetime(2026, 1, 2, 0, 0, 59, 999999, UTC)}


def test_merging_raises_the_epoch_of_the_malformed_product_alone() -> None:
    first = [match(trade_id=1, product_id=product) for product in ("A-B", "C-D")]
    after = [match(trade_id=2, product_id=product, time=1) for product in ("A-B", "C-D")]
    items: list[Any] = [*first, Malformed(b"{}", "no", 5, "A-B", "match"), *after]
    merge, found = Merge(ExchangeMerging(), 1), []
    for place, item in enumerate(items):
        found += merge.step(ReceivedItem(0, place, item))
    found += merge.finish()
    epochs = [(each.item.product_id, each.epoch) for each in found if isinstance(each.item, Message)]
    assert epochs == [("A-B", 0), ("C-D", 0), ("A-B", 1), ("C-D", 0)]
