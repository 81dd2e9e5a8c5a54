"""What a folder of recordings holds."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rxfeed import ConfigError, Feed, Reconnect, catalogue, record
from rxfeed.errors import ConnectionLost
from rxfeed.feed import Connected, ConnectionRemoved, Disconnected, Gap
from rxfeed.market import Malformed
from rxfeed.recording import Catalogue, Damage, RecordedSession, RecordingSummary
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line, malformed_line
from rxfeed.recording.timestamps import moment_of
from rxfeed.sim import Exchange, faults
from tests.support.collect import Collected
from tests.support.segments import NS, lines_of, packed, text_of, write

SECOND = 10**9
MATCH = (
    b'{"type":"match","trade_id":%d,"maker_order_id":"m","taker_order_id":"t","side":"sell","size":"1","price":"2",'
    b'"product_id":"%s","sequence":2,"time":"2026-08-25T03:35:57.198335Z"}'
)


def trade(number: int, product: bytes = b"BTC-USD") -> bytes:
    return MATCH % (number, product)


def only(found: Catalogue) -> RecordedSession:
    (session,) = found.sessions
    assert {name: getattr(found.total, name) for name in RecordingSummary.__struct_fields__} == {
        name: getattr(session, name) for name in RecordingSummary.__struct_fields__
    }
    return session


def at(second: float) -> Any:
    return moment_of(NS + round(second * SECOND))


def up(second: float, connection: int = 0) -> bytes:
    return status_line(Connected(url="ws://there", at=at(second), connection=connection))


def down(second: float, connection: int = 0) -> bytes:
    return status_line(Disconnected(cause=ConnectionLost("gone"), at=at(second), connection=connection))


def frame(second: float, raw: bytes = trade(1), connection: int = 0) -> bytes:
    return frame_line(raw, NS + round(second * SECOND), 0, connection=connection)


def offline(found: RecordingSummary) -> list[tuple[float, float]]:
    return [tuple((each - at(0)) / timedelta(seconds=1) for each in (span.first, span.last)) for span in found.offline]  # pyright: ignore[reportReturnType]


def test_catalogue_of_a_recorded_feed_with_faults(tmp_path: Path) -> None:
    script = [
        faults.Drop(3, types={"match"}, after=30),
        faults.MalformedFrame(after=60),
        faults.Refuse(seconds=0.3, after=199, connection=1),
        faults.Close(1001, "going away", after=200, connection=1),
    ]
    with Exchange(seed=4, auto=False, faults=script) as exchange:
        channels = ["matches", "ticker", "heartbeat"]
        feed = Feed(["BTC-USD", "ETH-USD"], channels, url=exchange.url, reconnect=Reconnect(initial=0.05, maximum=0.05))
        said = Collected(feed)
        segments = Collected(feed.pipe(record(tmp_path, segment_bytes=8_000, flush_seconds=0.01)))
        with feed:
            while feed.stats.messages < 600:
                exchange.step(10)
        segments.wait_for_end()
    session = only(catalogue(tmp_path))
    stats = feed.stats
    assert session.kind == "segment"
    assert session.about["channels"] == sorted(channels)
    assert session.channels == tuple(sorted(channels))
    assert session.files == len(segments.items) > 1
    assert session.size == sum(each.bytes for each in segments.items)
    assert session.unpacked == sum(each.uncompressed for each in segments.items)
    assert session.messages == stats.messages
    assert session.by_type == Counter(each.type for each in said.items)
    products = Counter(each.product_id for each in said.items if each.product_id is not None)
    assert {name: each.messages for name, each in session.products.items()} == products
    for name, each in session.products.items():
        times = [message.received for message in said.items if message.product_id == name]
        assert (each.span.first, each.span.last) == (min(times), max(times))
    assert session.malformed == stats.malformed > 0
    assert (session.gaps, session.gapped) == (stats.gaps, stats.gapped)
    assert session.gapped >= 3
    assert len(session.offline) == 1
    assert session.offline_seconds > 0.04
    assert session.damaged == ()


# ---- spans


def test_offline_time_lies_between_two_connections(tmp_path: Path) -> None:
    write(tmp_path, [up(0), frame(1), down(2), up(5), frame(6), down(7), up(7.5), frame(8), down(9)])
    session = only(catalogue(tmp_path))
    assert offline(session) == [(2, 5), (7, 7.5)]
    assert session.offline_seconds == 3.5
    assert session.span is not None
    assert (session.span.first, session.span.last, session.span.seconds) == (at(1), at(8), 7)


def test_recording_may_start_and_end_within_a_connection(tmp_path: Path) -> None:
    write(tmp_path, [frame(1), down(2), up(3), frame(4)])
    assert offline(only(catalogue(tmp_path))) == [(2, 3)]


def test_several_connections_are_offline_if_none_is_open(tmp_path: Path) -> None:
    lines = [up(0, 1), up(0, 2), frame(1, connection=1), down(2, 2), up(3, 2), down(4, 1), down(5, 2), up(7, 2)]
    write(tmp_path, [*lines, up(8, 1), frame(9, connection=1)])
    assert offline(only(catalogue(tmp_path))) == [(5, 7)]


def test_first_connection_has_a_number_once_there_are_two(tmp_path: Path) -> None:
    """The second one is removed, and is not open any more."""
    lines = [up(0), frame(1), down(2), up(3), frame(4), up(5, 2), frame(6, connection=2)]
    removed = status_line(ConnectionRemoved(connection=2, at=at(7)))
    write(tmp_path, [*lines, removed, down(8, 1), up(9, 1), frame(10, connection=1)])
    assert offline(only(catalogue(tmp_path))) == [(2, 3), (8, 9)]


def test_connection_that_is_replaced_stays_open(tmp_path: Path) -> None:
    """Its replacement opens before it is closed."""
    write(tmp_path, [up(0), frame(1), down(2), up(3), frame(4), up(6), frame(7)])
    assert offline(only(catalogue(tmp_path))) == [(2, 3)]


def test_recording_may_begin_during_several_connections(tmp_path: Path) -> None:
    lines = [frame(1, connection=1), frame(2, connection=2), down(3, 2), frame(4, connection=1), up(5, 2), down(6, 1)]
    write(tmp_path, [*lines, down(7, 2), up(8, 1), frame(9, connection=1)])
    assert offline(only(catalogue(tmp_path))) == [(7, 8)]


def test_sessions_are_offline_if_none_has_a_connection(tmp_path: Path) -> None:
    write(tmp_path, [up(0), frame(1), down(10), up(20), frame(30), down(31)], session="aaaaaaaa")
    write(tmp_path, [up(5), frame(6), frame(14), down(15), up(18), frame(25)], session="bbbbbbbb", ns=NS + 1)
    write(tmp_path, [up(40), frame(41), frame(50)], session="cccccccc", ns=NS + 40 * SECOND)
    found = catalogue(tmp_path)
    assert [offline(each) for each in found.sessions] == [[(10, 20)], [(15, 18)], []]
    assert offline(found.total) == [(15, 18), (31, 40)]
    assert found.overlapping
    assert [each.session for each in found.sessions] == ["aaaaaaaa", "bbbbbbbb", "cccccccc"]


def test_sessions_after_one_another_do_not_overlap(tmp_path: Path) -> None:
    write(tmp_path, [frame(1), frame(2)], session="aaaaaaaa")
    write(tmp_path, [frame(2), frame(3)], session="bbbbbbbb", ns=NS + 2 * SECOND)
    assert not catalogue(tmp_path).overlapping


def test_session_without_messages(tmp_path: Path) -> None:
    write(tmp_path, [up(0), down(1)])
    session = only(catalogue(tmp_path))
    assert (session.span, session.messages, session.products, session.offline) == (None, 0, {}, ())


# ---- what is counted

frames = st.lists(
    st.tuples(st.sampled_from(["match", "text", "array", "other", "malformed", "gap"]), st.integers(0, 3)), max_size=60
)


@given(frames, st.integers(1, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
def test_every_line_counts_once(tmp_path: Path, said: list[tuple[str, int]], files: int) -> None:
    for each in tmp_path.iterdir():
        each.unlink()
    lines, types, products, gapped, malformed = list[bytes](), Counter[str](), Counter[str](), 0, 0
    for place, (kind, number) in enumerate(said):
        ns, product = NS + place * SECOND, f"P-{number}"
        if kind == "malformed":
            malformed += 1
            lines.append(malformed_line(Malformed(b"\xff", "no", ns)))
        elif kind == "gap":
            gapped += number + 1
            lines.append(status_line(Gap(product_id=product, channel="matches", first=5, last=5 + number)))
        else:
            raw = trade(number, product.encode())
            name = "match"
            if kind == "text":
                raw = raw.replace(b",", b",\n")
            elif kind == "array":
                name, raw = "level3 noop", b'["noop","%s","1","2026-08-25T03:35:57.198335Z"]' % product.encode()
            elif kind == "other":
                name, raw = "news", b'{"type":"news","product_id":"%s","text":"\xc3\xa9"}' % product.encode()
            lines.append(frame_line(raw, ns, 0))
            types[name] += 1
            products[product] += 1
    size = -(-len(lines) // files) or 1
    for number, begin in enumerate(range(0, max(len(lines), 1), size), 1):
        write(tmp_path, lines[begin : begin + size], number=number)
    session = only(catalogue(tmp_path))
    assert session.by_type == types
    assert list(session.by_type.values()) == sorted(types.values(), reverse=True)
    assert {name: each.messages for name, each in session.products.items()} == products
    assert (session.messages, session.malformed, session.gapped) == (types.total(), malformed, gapped)


def test_catalogue_of_older_recordings(tmp_path: Path) -> None:
    numbers = [1, 2, 5, 6]
    ack = b'{"type":"subscriptions","channels":[{"name":"matches","product_ids":["BTC-USD"]}]}'
    raws = [ack, *map(trade, numbers), b"nonsense"]
    older = [json.dumps({"t": 1.5 + place, "dir": "recv", "data": raw.decode()}) for place, raw in enumerate(raws)]
    older.insert(0, json.dumps({"t": 1, "dir": "sent", "data": "subscribe"}))
    text = "\n".join(older).encode()
    (tmp_path / "older.jsonl.gz").write_bytes(gzip.compress(text))
    plain = b"\n".join(raws[:-1]) + b"\n"
    (tmp_path / "plain.jsonl").write_bytes(plain)
    second, first = catalogue(
        tmp_path
    ).sessions  # the acknowledgement, which has no time, is the first of the plain ones
    assert [first.kind, second.kind] == ["older", "plain"]
    for session in (first, second):
        assert session.by_type == {"match": 4, "subscriptions": 1}
        assert (session.gaps, session.gapped) == (1, 2)
        assert session.channels == ("matches",)
    assert (first.malformed, first.unpacked) == (1, len(text))
    assert second.unpacked == len(plain)


# ---- what is damaged


def test_truncated_segment_counts_up_to_its_end(tmp_path: Path) -> None:
    path = write(tmp_path, lines_of([trade(n) for n in range(100)]), together=10)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    session = only(catalogue(tmp_path))
    assert 0 < session.messages < 100
    (damage,) = session.damaged
    # The header is a line, too.
    assert damage == Damage(str(path), session.messages + 2, session.unpacked, "it ends within a compressed frame")
    assert session.size == len(content) // 2


def test_catalogue_of_a_segment_that_is_being_written(tmp_path: Path) -> None:
    path = write(tmp_path, lines_of([trade(1), trade(2)]), ended=False)
    (damage,) = only(catalogue(tmp_path)).damaged
    assert (damage.path, damage.line) == (str(path), 4)
    assert "still being written" in damage.reason


def test_invalid_line_is_named_and_other_segments_count(tmp_path: Path) -> None:
    bad = write(tmp_path, [*lines_of([trade(1), trade(2)]), b'{"ns":"soon"}\n', frame(5)], number=1)
    write(tmp_path, lines_of([trade(7)]), number=2)
    session = only(catalogue(tmp_path))
    assert session.messages == 3
    (damage,) = session.damaged
    assert (damage.path, damage.line) == (str(bad), 4)


def test_invalid_event_is_named(tmp_path: Path) -> None:
    write(tmp_path, [b'{"ns":1,"status":{"type":"Gap","first":"x"}}\n'])
    (damage,) = only(catalogue(tmp_path)).damaged
    assert damage.line == 2


def test_missing_segment_and_foreign_file_are_reported(tmp_path: Path) -> None:
    write(tmp_path, [frame(1)], number=1)
    third = write(tmp_path, [frame(3)], number=3)
    foreign = tmp_path / "z.jsonl"
    foreign.write_text("hello\n")
    found = catalogue(tmp_path)
    assert [(each.path, each.line) for each in found.total.damaged] == [(str(foreign), 1), (str(third), 1)]
    by_session = {each.session: each for each in found.sessions}
    assert "segments 2 to 2" in by_session["5f0c2b7a"].damaged[0].reason
    assert by_session[str(foreign)].kind is None
    assert found.total.messages == 2


def test_segment_present_twice_counts_once(tmp_path: Path) -> None:
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        write(folder, [frame(1)])
    assert only(catalogue([tmp_path / "here", tmp_path / "there"])).messages == 1


def test_missing_or_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        catalogue(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="has no"):
        catalogue(tmp_path)


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    import tracemalloc

    def peak(count: int) -> int:
        path = tmp_path / "one.jsonl.zst"
        path.write_bytes(packed(text_of(lines_of([trade(n) for n in range(count)])), together=500))
        tracemalloc.start()
        assert only(catalogue(path)).messages == count
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    few = peak(4_000)
    assert peak(20_000) < 1.5 * few
