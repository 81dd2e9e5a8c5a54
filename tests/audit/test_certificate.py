"""Certificates of recordings: what is proven, what is missing, and what is read again."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxfeed.audit import Audit, audit, repair
from rxfeed.audit.proof import Proof
from rxfeed.audit.reading import read_file
from rxfeed.audit.records import FileRecord, Named, NumberRun, PairRecord
from rxfeed.errors import ConfigError
from rxfeed.feed import Connected, Disconnected, Gap, SequenceReset, Subscribed
from rxfeed.market import ChannelSubscription
from rxfeed.recording import Part, catalogue, marked_segments
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line
from rxfeed.recording.timestamps import moment_of
from tests.support import archives as a
from tests.support.segments import NS, write

SECOND = 10**9
HOUR = 3600 * SECOND
PRODUCT = "BTC-USD"


def match(number: int, ns: int, product: str = PRODUCT, sequence: int = 0) -> bytes:
    raw = (
        b'{"type":"match","trade_id":%d,"maker_order_id":"m","taker_order_id":"t","side":"buy","size":"1",'
        b'"price":"10","product_id":"%b","sequence":%d,"time":"2026-01-02T12:00:00.000000Z"}'
    )
    return frame_line(raw % (number, product.encode(), sequence), ns, 0)


def heartbeat(last: int, ns: int) -> bytes:
    raw = b'{"type":"heartbeat","product_id":"BTC-USD","sequence":1,"last_trade_id":%d,"time":"2026-01-02T12:00:00Z"}'
    return frame_line(raw % last, ns, 0)


def order(sequence: int, ns: int) -> bytes:
    raw = b'{"type":"open","product_id":"BTC-USD","sequence":%d,"time":"2026-01-02T12:00:00Z","order_id":"o"}'
    return frame_line(raw % sequence, ns, 0)


def opening(*channels: str, ns: int = NS, products: Iterable[str] = (PRODUCT,)) -> list[bytes]:
    listed = tuple(ChannelSubscription(name, tuple(products)) for name in channels)
    return [
        status_line(Connected(url="ws://there", at=moment_of(ns))),
        status_line(Subscribed(channels=listed, at=moment_of(ns))),
    ]


def holes(found: Audit) -> list[tuple[int, int]]:
    return [(each.first, each.last) for each in found.missing]


def states(found: Audit, channel: str = "matches") -> list[str]:
    return [row.state for row in found.rows_of(PRODUCT, channel)]


def test_consecutive_ids_verify_segments_and_sessions(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), *(match(each, NS + each * SECOND) for each in (1, 2, 3))])
    write(tmp_path, [match(each, NS + HOUR + each * SECOND) for each in (4, 5)], number=2)
    later = NS + 3 * HOUR
    write(tmp_path, [*opening("matches", ns=later), match(6, later + SECOND)], session="aa", ns=later)
    found = audit(tmp_path)
    assert (states(found), found.missing, found.status) == (["verified"] * 4, (), 0)
    assert [row.messages for row in found.rows_of(PRODUCT, "matches")] == [3, 2, 0, 1]
    assert found.sessions == 2


def test_missing_ids_are_listed_with_their_times(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + SECOND), match(5, NS + 2 * HOUR + SECOND)])
    found = audit(tmp_path)
    (missing,) = found.missing
    assert (missing.first, missing.last, missing.count) == (3, 4, 2)
    assert missing.after == moment_of(NS + SECOND)
    assert missing.before == moment_of(NS + 2 * HOUR + SECOND)
    assert states(found) == ["missing", "missing", "missing"]
    assert [row.missing for row in found.rows_of(PRODUCT, "matches")] == [2, 0, 0]
    assert found.status == 3


def test_product_that_was_not_recorded_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + SECOND)])
    assert audit(tmp_path, products=[PRODUCT]).rows
    assert not caplog.records
    assert audit(tmp_path, products=[PRODUCT, "BTC-USDD"]).status == 0
    (warning,) = [each.message for each in caplog.records]
    assert warning == "products: the recording has nothing of BTC-USDD in this time; it has BTC-USD"


def test_ids_of_another_session_fill_the_gap(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(4, NS + 3 * SECOND)])
    write(tmp_path, [*opening("matches"), *(match(each, NS + each * SECOND) for each in (1, 2, 3))], session="aa")
    assert audit(tmp_path).missing == ()


def test_heartbeat_shows_that_the_last_trade_is_missing(tmp_path: Path) -> None:
    lines = [*opening("matches", "heartbeat"), heartbeat(6, NS), match(7, NS), heartbeat(8, NS + 1), match(8, NS + 2)]
    write(tmp_path, [*lines, heartbeat(8, NS + 3), heartbeat(10, NS + 4)])
    found = audit(tmp_path)
    assert holes(found) == [(9, 10)]
    assert states(found, "heartbeat") == ["unverifiable"]


def test_restart_of_the_ids_is_no_gap(tmp_path: Path) -> None:
    restart = status_line(SequenceReset(product_id=PRODUCT, channel="matches", last=900, first=5, at=moment_of(NS)))
    before = [match(each, NS + each) for each in (898, 899, 900)]
    write(tmp_path, [*opening("matches"), *before, restart, *(match(each, NS + HOUR + each) for each in (5, 6, 8))])
    assert holes(audit(tmp_path)) == [(7, 7)]


def test_wrong_number_is_left_out(tmp_path: Path) -> None:
    restart = status_line(SequenceReset(product_id=PRODUCT, channel="matches", last=10**15, first=4, at=moment_of(NS)))
    before = [match(each, NS + each) for each in (1, 2, 3, 10**15)]
    write(tmp_path, [*opening("matches"), *before, restart, *(match(each, NS + 9 + each) for each in (4, 5, 7))])
    assert holes(audit(tmp_path)) == [(6, 6)]


def test_full_is_verified_by_sequence(tmp_path: Path) -> None:
    lines = [order(1, NS), match(70, NS + 1, sequence=2), order(3, NS + 2), order(5, NS + 3), match(71, NS + 4, "x", 6)]
    write(tmp_path, [*opening("full"), *lines])
    found = audit(tmp_path)
    assert [(each.channel, each.first, each.last) for each in found.missing] == [("full", 4, 4)]
    assert states(found, "matches") == ["verified"]


def test_offline_and_not_subscribed_hours_are_distinguished(tmp_path: Path) -> None:
    down = status_line(Disconnected(cause=ConnectionError("gone"), at=moment_of(NS + HOUR)))
    up = opening("ticker", "matches", ns=NS + 3 * HOUR)
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + HOUR - 1), down, *up, match(4, NS + 4 * HOUR)])
    found = audit(tmp_path)
    assert states(found, "matches") == ["missing", "offline", "offline", "missing", "missing"]
    assert states(found, "ticker") == ["not subscribed", "offline", "offline", "unverifiable", "unverifiable"]
    assert [row.offline_seconds for row in found.rows_of(PRODUCT, "ticker")] == [0, 3600, 3600, 0, 0]


def test_each_of_several_connections_has_a_part_of_the_subscription(tmp_path: Path) -> None:
    """The acknowledgement of one does not end what another one has, and neither does its loss."""

    def of(connection: int, channel: str, ns: int) -> list[bytes]:
        listed = (ChannelSubscription(channel, (PRODUCT,)),)
        return [
            status_line(Connected(url="ws://there", connection=connection, at=moment_of(ns))),
            status_line(Subscribed(channels=listed, connection=connection, at=moment_of(ns))),
        ]

    down = [Disconnected(cause=ConnectionError("gone"), connection=each, at=moment_of(NS + HOUR)) for each in (1, 2)]
    lines = [*of(1, "matches", NS), *of(2, "ticker", NS), match(1, NS), match(2, NS + HOUR - 1)]
    lines += [*map(status_line, down), *of(2, "ticker", NS + 2 * HOUR), *of(1, "matches", NS + 3 * HOUR)]
    write(tmp_path, [*lines, match(4, NS + 4 * HOUR)])
    found = audit(tmp_path)
    assert states(found, "ticker") == ["unverifiable", "offline", *["unverifiable"] * 3]
    assert states(found, "matches") == ["missing", "offline", "offline", "missing", "missing"]


@pytest.mark.parametrize("venue", ["coinbase_exchange", "coinbase_advanced"])
def test_audit_finds_the_gaps_of_the_feed(venue: str, tmp_path: Path) -> None:
    a.record_exchange(tmp_path, venue=venue, steps=200)
    found = audit(tmp_path)
    total = catalogue(tmp_path).total
    counted = sum(each.count for each in found.missing if "trades" in each.channel or "matches" in each.channel)
    assert counted == total.gapped
    repaired = sum(row.repaired for row in found.rows)
    assert (repaired > 0) == (venue == "coinbase_advanced")
    assert found.status == 3  # the books, if not the trades
    names = {path.name for path in tmp_path.glob("*.zst")}
    assert marked_segments(tmp_path, "audited").keys() == names


def test_audit_reads_only_what_has_changed(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS)])
    changed = write(tmp_path, [match(2, NS + SECOND)], number=2)
    first = audit(tmp_path)
    again = audit(tmp_path)
    assert (first.read, again.read) == (2, 0)
    assert again.rows == first.rows
    write(tmp_path, [match(3, NS + 2 * SECOND), match(4, NS + 3 * SECOND)], number=3)
    assert (audit(tmp_path).read, audit(tmp_path).read) == (1, 0)
    changed.unlink()
    write(tmp_path, [match(2, NS + SECOND), match(9, NS + SECOND)], number=2)
    found = audit(tmp_path)
    assert (found.read, holes(found)) == (1, [(5, 8)])
    (tmp_path / ".audit-3600").write_bytes(b"no json")
    assert audit(tmp_path).read == 3
    assert audit(tmp_path, store=False).read == 3


def test_damaged_and_open_files_are_reported(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), b"no json\n", match(2, NS)])
    write(tmp_path, [match(3, NS + SECOND)], number=3, ended=False)
    found = audit(tmp_path)
    assert [(Path(each.path).name[-16:], each.line) for each in found.damaged] == [
        ("-00001.jsonl.zst", 5),
        ("-00003.jsonl.zst", 3),
        ("-00003.jsonl.zst", 1),
    ]
    assert found.status == 1


def test_gap_of_a_connection_is_of_all_its_channels(tmp_path: Path) -> None:
    tick = b'{"channel":"ticker","timestamp":"2026-01-02T12:00:00Z","sequence_num":%d,"events":[{"type":"update",'
    tick += b'"tickers":[{"type":"ticker","product_id":"BTC-USD","price":"1"}]}]}'
    gap = Gap(product_id=None, channel="sequence_num", first=4, last=5, at=moment_of(NS + HOUR))
    lines = [frame_line(tick % 3, NS, 0, [0]), status_line(gap), frame_line(tick % 6, NS + HOUR, 1, [1])]
    write(tmp_path, [*opening("ticker"), *lines], venue="coinbase_advanced")
    found = audit(tmp_path)
    assert states(found, "ticker") == ["verified", "missing"]
    assert holes(found) == [(4, 5)]


def test_range_and_products_select_rows(tmp_path: Path) -> None:
    others = [match(each, NS + each * HOUR, "ETH-USD") for each in (0, 1, 2, 3)]
    own = [match(each, NS + each * HOUR + 1) for each in (0, 1, 3)]
    write(tmp_path, [*opening("matches", products=[PRODUCT, "ETH-USD"]), *sorted([*others, *own], key=len)])
    since, until = moment_of(NS + HOUR), moment_of(NS + 2 * HOUR)
    found = audit(tmp_path, products=PRODUCT, since=since, until=until)
    assert {row.product for row in found.rows} == {PRODUCT}
    assert [(row.start, row.end - row.start, row.state) for row in found.rows] == [
        (since, timedelta(hours=1), "missing")
    ]
    with pytest.raises(ConfigError, match="every"):
        audit(tmp_path, every=1.5)


def test_segments_deleted_during_an_audit_leave_no_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder deletes the oldest ones, one before it is read and one after; the rest is audited and marked."""
    paths = [
        write(tmp_path, [match(each, NS + each * SECOND) for each in (2 * number, 2 * number + 1)], number=number)
        for number in range(1, 5)
    ]

    def read(part: Part, *args: Any) -> FileRecord:
        if Path(part.path) == paths[1]:
            paths[0].unlink()
            paths[1].unlink()
        return read_file(part, *args)

    monkeypatch.setattr("rxfeed.audit.range_files.read_file", read)
    found = audit(tmp_path)
    assert (found.missing, found.damaged, found.files) == ((), (), 2)
    assert marked_segments(tmp_path, "audited").keys() == {path.name for path in paths[2:]}


# ---- ids, against a model


@st.composite
def sessions(draw: st.DrawFn) -> list[list[int]]:
    return draw(st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=12, unique=True).map(sorted), max_size=5))


@settings(deadline=None)
@given(sessions(), st.lists(st.integers(1, 45), max_size=3))
def test_holes_are_the_ids_that_no_session_has(ids: list[list[int]], names: list[int]) -> None:
    files: list[tuple[FileRecord, PairRecord]] = []
    for place, numbers in enumerate(ids):
        record = FileRecord("f", 1, 1, HOUR, "v", str(place), 1, place)
        runs = [NumberRun(each, each, place * 100 + at, place * 100 + at, at) for at, each in enumerate(numbers)]
        files.append((record, PairRecord("matches", PRODUCT, runs=runs)))
    if files:
        files[-1][1].named = [Named(each, 1000 + at, 50 + at) for at, each in enumerate(sorted(names))]
    came = {each for numbers in ids for each in numbers}
    expected = [each for each in range(min(came), max([*came, *names])) if each not in came] if came else []
    if came and names and max(names) > max(came):
        expected.append(max(names))
    found: Any = [each for hole in Proof(files).holes() for each in range(hole.first, hole.last + 1)]
    assert found == expected


@settings(deadline=None)
@given(sessions(), st.lists(st.tuples(st.integers(0, 4), st.integers(1, 45)), max_size=5))
def test_missing_id_belongs_before_the_first_line_that_shows_it(
    ids: list[list[int]], names: list[tuple[int, int]]
) -> None:
    """A later session may name the ids again, or have some of those after them."""
    files: list[tuple[FileRecord, PairRecord]] = []
    shown: list[tuple[int, int, int, bool]] = []
    for place, numbers in enumerate(ids):
        named = sorted(number for session, number in names if session == place)
        record = FileRecord("f", 1, 1, HOUR, "v", str(place), 1, place)
        runs = [NumberRun(each, each, each, each, 10 * at) for at, each in enumerate(numbers)]
        marks = [Named(each, each, 10 * at + 5) for at, each in enumerate(named)]
        shown += [(place, run.line, run.first, True) for run in runs]
        shown += [(place, mark.line, mark.number, False) for mark in marks]
        files.append((record, PairRecord("matches", PRODUCT, runs=runs, named=marks)))
    came = {number for _, _, number, is_run in shown if is_run}
    for hole in Proof(files).holes():
        end = next(number for number in range(hole.last, 50) if number + 1 in came or number == 49)
        for each in range(hole.first, hole.last + 1):
            first = min((at, line) for at, line, n, is_run in shown if (n > each if is_run else each <= n <= end))
            assert (hole.place.session, hole.place.line) == (str(first[0]), first[1])


# ---- a range of a recording


def test_last_trade_long_before_the_range_shows_a_gap_between_sessions(tmp_path: Path) -> None:
    """An earlier audit has stored it, and the files from there to the range are not read again."""
    write(tmp_path, [*opening("matches", products=[PRODUCT, "ETH-USD"]), *(match(each, NS + each) for each in (1, 2))])
    for number in (2, 3, 4):
        ns = NS + number * HOUR
        write(tmp_path, [match(number, ns, "ETH-USD")], number=number, ns=ns)
    begin = NS + 5 * HOUR
    write(tmp_path, [*opening("matches", ns=begin), match(9, begin + SECOND)], session="aa", ns=begin)
    assert holes(audit(tmp_path)) == [(3, 8)]
    found = audit(tmp_path, since=moment_of(begin))
    assert (holes(found), states(found), found.status, found.read) == ([(3, 8)], ["missing"], 3, 0)
    (gap,) = repair(tmp_path, since=moment_of(begin), dry_run=True).gaps
    assert (gap.product, gap.first, gap.last) == (PRODUCT, 3, 8)


def test_files_before_the_range_count_as_far_as_they_are_known(tmp_path: Path) -> None:
    """What is between two known ones may have the trades that are not in either."""
    for number in (1, 2, 3, 4, 5):
        ns = NS + number * HOUR
        lines = (
            [match(number, ns), match(number, ns, "ETH-USD")] if number in (1, 3) else [match(number, ns, "ETH-USD")]
        )
        write(tmp_path, [*(opening("matches", ns=ns) if number == 1 else []), *lines], number=number, ns=ns)
    audit(tmp_path)
    write(tmp_path, [match(3, NS + 3 * HOUR), match(2, NS + 3 * HOUR)], number=3, ns=NS + 3 * HOUR)
    write(tmp_path, [match(4, NS + 6 * HOUR)], number=6, ns=NS + 6 * HOUR)
    found = audit(tmp_path, since=moment_of(NS + 6 * HOUR))
    assert (holes(found), found.read) == ([], 1)


_SEGMENTS = st.lists(
    st.tuples(st.booleans(), st.lists(st.tuples(st.sampled_from([PRODUCT, "ETH-USD"]), st.integers(1, 3)), max_size=4)),
    min_size=1,
    max_size=7,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_SEGMENTS, st.integers(0, 7), st.integers(1, 7))
def test_audit_of_a_range_finds_the_gaps_of_the_range(
    tmp_path: Path, segments: list[tuple[bool, list[tuple[str, int]]]], since: int, length: int
) -> None:
    """All of them if the whole recording was audited before, and none that is no gap otherwise.

    Each trade comes one to three ids after the one before it.
    """
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    last, session, number = {PRODUCT: 0, "ETH-USD": 0}, 0, 0
    came: set[tuple[str, int]] = set()
    for place, (begins, trades) in enumerate(segments):
        begins = begins or not place
        session, number = (session + 1, 1) if begins else (session, number + 1)
        ns = NS + place * HOUR
        lines = opening("matches", ns=ns, products=last) if begins else []
        for at, (product, step) in enumerate(trades):
            last[product] += step
            came.add((product, last[product]))
            lines.append(match(last[product], ns + at * SECOND, product))
        write(folder, lines, session=f"{session:08}", number=number, ns=ns)
    begin, end = (moment_of(NS + each * HOUR) for each in (since, since + length))
    alone = audit(folder, since=begin, until=end, store=False)
    assert not came & {(each.product, id_) for each in alone.missing for id_ in range(each.first, each.last + 1)}
    whole = audit(folder)
    part = audit(folder, since=begin, until=end)
    found = {(each.product, each.first, each.last) for each in part.missing}
    assert found == {
        (each.product, each.first, each.last) for each in whole.missing if each.before >= begin and each.after < end
    }
    assert part.read == 0
