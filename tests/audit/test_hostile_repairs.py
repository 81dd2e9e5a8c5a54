"""Files of repairs that are damaged, edited, or of no use: what a replay does not play, the audit does not count."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from rxfeed import Replay, window_volume
from rxfeed.audit import Audit, audit, repair
from rxfeed.core import VolumeWindow
from rxfeed.errors import ConfigError
from rxfeed.feed import Gap, Repaired
from rxfeed.market import Ticker, Trade
from rxfeed.recording.events import status_line
from rxfeed.recording.format import (
    REST,
    Header,
    LostNumbers,
    end_line,
    frame_line,
    header_line,
    inserted_line,
    lost_line,
)
from rxfeed.recording.timestamps import moment_of
from tests.audit.test_certificate import PRODUCT, SECOND, holes, match, opening
from tests.support.collect import Collected
from tests.support.make import ticker
from tests.support.segments import NS, packed, write

MISSING = range(13, 17)
PLACE = 17
"""The line of the trade after the missing ones."""
LISTED = {PRODUCT: [[13, 16]]}


def frame(number: int, size: int = 1) -> bytes:
    """A trade a second, each with its number."""
    raw = b'{"type":"match","trade_id":%d,"maker_order_id":"m","taker_order_id":"t","side":"buy","size":"%d",'
    raw += b'"price":"10","product_id":"BTC-USD","sequence":0,"time":"%b"}'
    return raw % (number, size, moment_of(NS + number * SECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ").encode())


def trade(number: int, before: int = PLACE) -> bytes:
    return inserted_line(frame(number), NS + 16 * SECOND, before)


def lost(first: int, last: int) -> bytes:
    return lost_line(LostNumbers(PRODUCT, first, last), NS, PLACE)


def received(folder: Path) -> None:
    """A recording of the trades 1 to 59, of which some were missed."""
    gap = Gap(product_id=PRODUCT, channel="matches", first=13, last=16, at=moment_of(NS + 17 * SECOND))
    before = [frame_line(frame(each), NS + each * SECOND, 0) for each in range(1, 13)]
    after = [frame_line(frame(each), NS + each * SECOND, 1) for each in range(17, 60)]
    write(folder, [*opening("matches"), *before, status_line(gap), *after])


def completed(
    folder: Path,
    lines: Sequence[bytes],
    listed: Any = LISTED,
    *,
    of: tuple[str, int] = ("5f0c2b7a", 1),
    session: str = "abcdabcd",
    cut: int = 0,
) -> Path:
    """The file of a repair, with *lines*, of which the header lists the ids *listed*."""
    about = {"repaired": listed}
    header = Header(rxfeed=1, ns=NS, session=session, segment=1, venue="coinbase_exchange", source=REST, of=of)
    text = [header_line(Header(**{**_fields(header), "about": about})), *lines]
    path = folder / f"20260102T120000.000000Z-{session}-00001.jsonl.zst"
    whole = packed(text, 1) + packed([end_line(NS, len(lines), NS, NS)])
    path.write_bytes(whole[: len(whole) - cut])
    return path


def _fields(header: Header) -> dict[str, Any]:
    return {name: getattr(header, name) for name in header.__struct_fields__}


class Played:
    def __init__(self, folder: Path, *, merge: bool = False) -> None:
        replay = Replay(folder, merge=merge)
        messages, status = Collected(replay), Collected(replay.status)
        windows = Collected(replay.pipe(window_volume(10)))
        replay.serve()
        self.ids = [each.trade_id for each in messages.items if isinstance(each, Trade)]
        self.gaps = [(each.first, each.last) for each in status.items if isinstance(each, Gap)]
        self.repaired = [(each.first, each.last) for each in status.items if isinstance(each, Repaired)]
        second = moment_of(NS + 10 * SECOND)
        (self.window,) = (each for each in windows.items if isinstance(each, VolumeWindow) and each.start == second)


def repaired_rows(found: Audit) -> int:
    return sum(row.repaired for row in found.rows)


WHOLE = [trade(each) for each in MISSING]


def test_repair_is_played_and_counted(tmp_path: Path) -> None:
    received(tmp_path)
    completed(tmp_path, WHOLE)
    found, played = audit(tmp_path), Played(tmp_path)
    assert (holes(found), repaired_rows(found), found.status) == ([], 4, 0)
    assert (played.gaps, played.repaired, played.ids) == ([], [(13, 16)], [*range(1, 60)])
    assert (played.window.complete, played.window.count, played.window.repaired) == (True, 10, 4)


# The lines of the file, the ids that are used of them, and if the file counts as damaged.
EDITED: dict[str, tuple[list[bytes], list[int], bool]] = {
    "fewer": (WHOLE[:1], [13], False),
    "none": ([lost(90, 91)], [], False),
    "twice": ([WHOLE[0], *WHOLE], [13], True),
    "twice, at two places": ([*WHOLE, trade(14, 20)], [*MISSING], True),
    "not in order": ([*WHOLE[1:], WHOLE[0]], [14, 15, 16], True),
    "places not in order": ([trade(13, 18), *WHOLE[1:]], [13], True),
    "no place": ([each.replace(b'"before":17,', b"") for each in WHOLE], [], True),
    "the header as place": ([trade(each, 1) for each in MISSING], [], True),
    "not marked": ([each.replace(b'"repaired":[0],', b"") for each in WHOLE], [], True),
    "an id of another type": ([WHOLE[0], WHOLE[1].replace(b":14,", b':"14",'), *WHOLE[2:]], [13], True),
    "lost in reverse": ([*WHOLE[:2], lost(16, 15)], [13, 14], True),
    "lost that came": ([lost(1, 1000), *WHOLE], [*MISSING], False),
}


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("name", EDITED)
def test_edited_repair_counts_as_far_as_it_is_played(name: str, merge: bool, tmp_path: Path) -> None:
    lines, used, damaged = EDITED[name]
    received(tmp_path)
    completed(tmp_path, lines)
    found, played = audit(tmp_path), Played(tmp_path, merge=merge)
    left = [number for number in MISSING if number not in used]
    assert [each for first, last in holes(found) for each in range(first, last + 1)] == left
    assert (bool(found.damaged), repaired_rows(found)) == (damaged, len(used))
    assert [each for first, last in played.gaps for each in range(first, last + 1)] == left
    assert sorted(played.ids) == [each for each in range(1, 60) if each not in left]
    assert (played.window.complete, played.window.count) == (not left, 10 - len(left))


@pytest.mark.parametrize("cut", [20, 150, 400])
def test_truncated_repair_counts_as_far_as_it_is_played(cut: int, tmp_path: Path) -> None:
    received(tmp_path)
    completed(tmp_path, WHOLE, cut=cut)
    found, played = audit(tmp_path), Played(tmp_path)
    assert (len(found.damaged), found.status) == (1, 1)
    assert holes(found) == played.gaps
    assert [*range(1, 60)] == sorted(
        [*played.ids, *(each for first, last in played.gaps for each in range(first, last + 1))]
    )
    assert played.window.complete == (not played.gaps)


@pytest.mark.parametrize("listed", [5, {PRODUCT: "x"}, {PRODUCT: [[1]]}, {}])
def test_header_that_lists_no_ranges_fails_no_replay(listed: Any, tmp_path: Path) -> None:
    received(tmp_path)
    completed(tmp_path, WHOLE, listed)
    assert Played(tmp_path).ids == [*range(1, 60)]
    assert holes(audit(tmp_path)) == []


def test_repair_of_a_segment_that_is_not_there_does_not_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    received(tmp_path)
    completed(tmp_path, WHOLE, of=("ffffffff", 1))
    found = audit(tmp_path)
    assert (holes(found), found.status) == ([(13, 16)], 3)
    assert "its trades are not counted, since the segment that they complete is not there" in caplog.text
    played = Played(tmp_path)
    assert (played.gaps, played.repaired, played.window.complete) == ([(13, 16)], [], False)


def test_only_the_epoch_of_trades_rises_where_some_are_lost(tmp_path: Path) -> None:
    """A book would have to begin anew."""
    ticker = b'{"type":"ticker","sequence":1,"product_id":"BTC-USD","price":"1","time":"2026-01-02T12:00:00.000000Z"}'
    tickers = [frame_line(ticker, NS + each * SECOND, 0) for each in (16, 18)]
    trades = [frame_line(frame(each), NS + each * SECOND, each // 17) for each in (12, 17)]
    write(tmp_path, [*opening("matches", "ticker"), trades[0], tickers[0], trades[1], tickers[1]])
    completed(tmp_path, [lost_line(LostNumbers(PRODUCT, 13, 16), NS, 6)])
    replay = Replay(tmp_path)
    messages = Collected(replay)
    replay.serve()
    assert [each.epoch for each in messages.items if isinstance(each, Ticker)] == [0, 0]
    assert [each.epoch for each in messages.items if isinstance(each, Trade)] == [0, 2]


def test_two_repairs_of_one_segment_do_not_both_count(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    received(tmp_path)
    completed(tmp_path, WHOLE[:2], {PRODUCT: [[13, 14]]})
    completed(tmp_path, WHOLE[2:], {PRODUCT: [[15, 16]]}, session="abcdabce")
    assert holes(audit(tmp_path)) == [(13, 14)]
    assert "its trades are not counted, since another file completes the same segment" in caplog.text
    caplog.clear()
    assert Played(tmp_path).gaps == [(13, 14)]
    assert "its trades are not played, since another file completes the same segment" in caplog.text


@pytest.mark.parametrize("merge", [False, True])
def test_trades_behind_the_last_line_are_played_at_the_end(merge: bool, tmp_path: Path) -> None:
    """They are missed where they belong, so that no window is complete without them."""
    received(tmp_path)
    completed(tmp_path, [trade(each, 1000) for each in MISSING])
    played = Played(tmp_path, merge=merge)
    assert sorted(played.ids) == [*range(1, 60)]
    assert not played.window.complete or played.window.count == 10


def test_trades_behind_the_damage_of_a_segment_are_played(tmp_path: Path) -> None:
    received(tmp_path)
    (segment,) = tmp_path.glob("*.zst")
    before = [frame_line(frame(each), NS + each * SECOND, 0) for each in range(1, 13)]
    segment.write_bytes(packed([header_line(Header(rxfeed=1, ns=NS, session="5f0c2b7a", segment=1)), *before]))
    completed(tmp_path, WHOLE)
    replay = Replay(tmp_path)
    messages = Collected(replay)
    replay.serve()
    assert [each.trade_id for each in messages.items if isinstance(each, Trade)] == [*range(1, 17)]


# ---- repairs of such recordings


@contextlib.contextmanager
def exchange(answers: Callable[[str], bytes]) -> Iterator[str]:
    """The URL of a REST API that answers each path so."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = answers(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def item(number: int, **changed: object) -> dict[str, object]:
    at = moment_of(NS + number * SECOND).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"trade_id": number, "price": "10", "size": "1", "side": "buy", "time": at, **changed}


def all_trades(_: str) -> bytes:
    return json.dumps([item(each) for each in range(59, 0, -1)]).encode()


@pytest.mark.parametrize("cut", [20, 150, 400, 700])
def test_damaged_repair_is_written_again(cut: int, tmp_path: Path) -> None:
    received(tmp_path)
    with exchange(all_trades) as url:
        repair(tmp_path, rest_url=url)
        (path,) = (each for each in tmp_path.glob("*.zst") if "5f0c2b7a" not in each.name)
        whole = path.read_bytes()
        path.write_bytes(whole[:-cut])
        assert audit(tmp_path).status == 1
        assert repair(tmp_path, rest_url=url).files == (str(path),)
    assert path.read_bytes() == whole
    assert audit(tmp_path).status == 0


def test_second_repair_at_the_same_time_is_refused(tmp_path: Path) -> None:
    received(tmp_path)
    refused: list[str] = []

    def answer(path: str) -> bytes:
        with pytest.raises(ConfigError) as info:
            repair(tmp_path, rest_url="http://127.0.0.1:1")
        refused.append(str(info.value))
        return all_trades(path)

    with exchange(answer) as url:
        assert repair(tmp_path, rest_url=url).repaired == 4
    assert [each for each in refused if "is being repaired by another process" not in each] == []
    assert refused
    assert repair(tmp_path, rest_url="http://127.0.0.1:1").gaps == ()


def test_repair_of_a_damaged_recording_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    received(tmp_path)
    (tmp_path / "20260102T130000.000000Z-aaaaaaaa-00001.jsonl.zst").write_bytes(b"")
    repair(tmp_path, dry_run=True)
    assert "repair: 20260102T130000.000000Z-aaaaaaaa-00001.jsonl.zst cannot be read from line 1 on" in caplog.text


def test_whole_copy_of_a_segment_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    received(tmp_path)
    (path,) = tmp_path.glob("*.zst")
    path.with_name("00-copy.jsonl.zst").write_bytes(path.read_bytes()[:-40])
    assert (holes(audit(tmp_path)), audit(tmp_path).damaged) == ([(13, 16)], ())
    assert f"{path} is read, and {path.with_name('00-copy.jsonl.zst')} is not" in caplog.text


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    """A mark would let a recorder delete the segment."""
    received(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert repair(tmp_path, dry_run=True).missing == 4
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_repair_of_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        repair(tmp_path / "nowhere")


@pytest.mark.parametrize("merge", [False, True])
def test_repaired_trades_hide_no_later_loss_of_their_product(merge: bool, tmp_path: Path) -> None:
    """Another product has a higher epoch; that of this one rises once more, after the repaired trades."""
    other = frame_line(ticker(1, product_id="ETH-USD").raw, NS, 5)
    trades = [frame_line(frame(each), NS + each * SECOND, int(each > 12)) for each in (*range(1, 13), 17, 18)]
    tickers = [frame_line(ticker(each, sequence=0, time=each).raw, NS + each * SECOND, each - 18) for each in (19, 20)]
    write(tmp_path, [*opening("matches"), other, *trades, *tickers])
    place = 2 + len(opening("matches")) + 1 + 12
    completed(tmp_path, [trade(each, place) for each in MISSING])
    replay = Replay(tmp_path, merge=merge)
    got = Collected(replay)
    replay.serve()
    assert [each.trade_id for each in got.items if isinstance(each, Trade)] == [*range(1, 19)]
    first, second = (each.epoch for each in got.items if isinstance(each, Ticker) and each.product_id == PRODUCT)
    assert second > first


def test_repair_before_the_range_makes_no_trade_missing(tmp_path: Path) -> None:
    """The segments with the trades between the two are not read."""
    received(tmp_path)
    for number in (2, 3, 4):
        ns = NS + number * 3600 * SECOND
        own = {2: (60, 61), 4: (62, 63)}.get(number, ())
        lines = [match(number, ns, "ETH-USD"), *(frame_line(frame(each), ns, 1) for each in own)]
        write(tmp_path, lines, number=number, ns=ns)
    completed(tmp_path, [trade(each) for each in MISSING])
    begin = moment_of(NS + 4 * 3600 * SECOND)
    assert audit(tmp_path, since=begin, store=False).missing == ()
    assert repair(tmp_path, since=begin, dry_run=True).gaps == ()
    assert audit(tmp_path).missing == audit(tmp_path, since=begin).missing == ()


def test_gaps_within_a_page_are_requested_together(tmp_path: Path) -> None:
    gone = [*range(4, 59, 4)]
    came = [frame_line(frame(each), NS + each * SECOND, 0) for each in range(1, 60) if each not in gone]
    write(tmp_path, [*opening("matches"), *came])
    with exchange(all_trades) as url:
        done = repair(tmp_path, rest_url=url)
    assert [(gap.first, gap.repaired) for gap in done.gaps] == [(each, 1) for each in gone]
    assert done.requests == 1
    assert audit(tmp_path).missing == ()
