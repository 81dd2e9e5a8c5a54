"""Certificates of damaged, strange and hostile recordings: not verified where numbers are missing, and no traceback."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from rxfeed.audit import audit, repair
from rxfeed.errors import ConfigError
from rxfeed.feed import Disconnected, Gap, SequenceReset
from rxfeed.recording import marked_segments
from rxfeed.recording.events import status_line
from rxfeed.recording.format import Header, frame_line, header_line
from rxfeed.recording.timestamps import moment_of
from tests.audit.test_certificate import HOUR, PRODUCT, SECOND, heartbeat, holes, match, opening, states
from tests.audit.test_coverage import tick
from tests.support.segments import NS, packed, text_of, write

STATE = ".audit-3600"


def reset(last: int, first: int, ns: int = NS) -> bytes:
    return status_line(SequenceReset(product_id=PRODUCT, channel="matches", last=last, first=first, at=moment_of(ns)))


def lost_connection(ns: int) -> bytes:
    return status_line(Disconnected(cause=ConnectionError("gone"), at=moment_of(ns)))


# ---- clocks


def test_ids_missing_where_the_clock_was_set_back_are_missing(tmp_path: Path) -> None:
    lines = [match(1, NS), match(2, NS + 1000 * SECOND), match(5, NS + 500 * SECOND), match(6, NS + 1500 * SECOND)]
    write(tmp_path, [*opening("matches"), *lines])
    found = audit(tmp_path)
    assert (holes(found), states(found), found.status) == ([(3, 4)], ["missing"], 3)


def test_clock_that_is_set_back_between_sessions_hides_no_gap(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + 5000 * SECOND)])
    begin = NS + 4000 * SECOND
    lines = [*opening("matches", ns=begin), match(5, begin), match(6, begin + 5000 * SECOND)]
    write(tmp_path, lines, session="aa", ns=begin)
    found = audit(tmp_path)
    assert (holes(found), states(found), found.status) == ([(3, 4)], ["verified", "missing", "verified"], 3)
    assert [row.missing for row in found.rows] == [0, 2, 0]


def test_clock_that_began_in_1970_is_no_matter_of_memory(tmp_path: Path) -> None:
    products = [f"P{each}-USD" for each in range(9)]
    lines = [match(at, NS + at, each) for at, each in enumerate(products)]
    write(tmp_path, [*opening("matches", ns=10**9, products=products), match(1, 10**9, "P1-USD"), *lines])
    with pytest.raises(ConfigError, match="every: from 1970-01-01 00:00 to 2026-01-02 12:00 there are 490,932 spans"):
        audit(tmp_path)
    assert audit(tmp_path, since=moment_of(NS - HOUR)).rows


# ---- ids that begin anew


def test_restart_at_the_end_of_a_segment_counts_in_the_next(tmp_path: Path) -> None:
    """The ids from before it prove nothing about those after it."""
    write(tmp_path, [*opening("matches"), *(match(each, NS + each) for each in range(1, 101)), reset(100, 50)])
    write(tmp_path, [match(50, NS + 200), match(51, NS + 201), match(60, NS + 202)], number=2)
    found = audit(tmp_path)
    assert (holes(found), found.status) == ([(52, 59)], 3)


def test_ids_named_before_a_restart_are_not_of_those_after_it(tmp_path: Path) -> None:
    before = [match(899, NS), heartbeat(899, NS), match(900, NS + 1), heartbeat(900, NS + 1), reset(900, 5)]
    after = [heartbeat(4, NS + 1), match(5, NS + 2), heartbeat(5, NS + 3), match(6, NS + 4), heartbeat(8, NS + 5)]
    write(tmp_path, [*opening("matches", "heartbeat"), *before, *after])
    assert holes(audit(tmp_path)) == [(7, 8)]


# ---- what no id proves


def test_loss_at_the_end_that_no_id_follows_is_missing(tmp_path: Path) -> None:
    down = [lost_connection(NS + each * SECOND) for each in (100, 1800)]
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + 100 * SECOND), *down])
    found = audit(tmp_path)
    assert (states(found), found.missing, found.status) == (["missing"], (), 3)
    assert round(found.rows[0].offline_seconds) == 1700


@pytest.mark.parametrize("named", [2, 4])
def test_trade_that_is_named_after_a_loss_shows_what_is_missing(named: int, tmp_path: Path) -> None:
    down, up = lost_connection(NS + 100 * SECOND), opening("matches", "heartbeat", ns=NS + 1800 * SECOND)
    lines = [match(1, NS), match(2, NS + 100 * SECOND), down, *up, heartbeat(named, NS + 1801 * SECOND)]
    write(tmp_path, [*opening("matches", "heartbeat"), *lines])
    found = audit(tmp_path)
    assert (states(found), holes(found)) == ((["verified"], []) if named == 2 else (["missing"], [(3, 4)]))


def test_gap_of_a_quiet_product_is_found_in_a_part_of_the_recording(tmp_path: Path) -> None:
    """The trade before it is in a segment that is not read; the feed has reported the gap."""
    write(tmp_path, [*opening("matches"), match(100, NS)])
    for number in (2, 3):
        write(tmp_path, [match(number, NS + number * HOUR, "ETH-USD")], number=number)
    gap = status_line(Gap(product_id=PRODUCT, channel="matches", first=101, last=104, at=moment_of(NS + 4 * HOUR)))
    write(tmp_path, [gap, match(105, NS + 4 * HOUR)], number=4)
    found = audit(tmp_path, since=moment_of(NS + 4 * HOUR - 1))
    assert (holes(found), states(found)[-1], found.status) == ([(101, 104)], "missing", 3)
    assert holes(audit(tmp_path)) == [(101, 104)]


@pytest.mark.parametrize("hours", [-10, 10])
def test_time_without_a_recording_is_not_proven(hours: int, tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + SECOND)])
    bound = moment_of(NS + hours * HOUR)
    found = audit(tmp_path, since=bound) if hours > 0 else audit(tmp_path, until=bound)
    assert (found.rows, found.status) == ((), 3)


# ---- which files, and of which venue


def test_venue_is_that_of_the_recording(tmp_path: Path) -> None:
    """A wrong one is refused, or proves nothing; what was stored with it is not used for the right one."""
    write(tmp_path, [*opening("matches"), match(1, NS), match(5, NS + 5)])
    found = audit(tmp_path, venue="coinbase_advanced")
    assert (found.rows, found.status) == ((), 3)
    assert holes(audit(tmp_path)) == [(2, 4)]
    write(tmp_path, [match(6, NS + 6)], number=2, venue="coinbase_exchange")
    for function in (audit, repair):
        with pytest.raises(ConfigError, match="is a recording of coinbase_exchange, not of coinbase_advanced"):
            function(tmp_path, venue="coinbase_advanced")


def test_frames_of_another_venue_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, [tick(1), tick(2)])
    assert audit(tmp_path).status == 3
    (warning,) = [each.message for each in caplog.records]
    assert warning.startswith("2 frames in 1 files are no messages of coinbase_exchange, and are not counted")


def test_link_is_read_again_if_its_target_changes(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    path = write(tmp_path / "real", [*opening("matches"), match(1, NS), match(2, NS + 5)])
    (tmp_path / "links" / path.name).symlink_to(path)
    assert audit(tmp_path / "links").missing == ()
    assert marked_segments(tmp_path / "links", "audited") == {path.name: path.stat().st_size}
    write(tmp_path / "real", [*opening("matches"), match(1, NS), match(9, NS + 5)])
    assert holes(audit(tmp_path / "links")) == [(2, 8)]


def test_file_that_could_not_be_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its permissions may be changed without another size and time of change; it is not marked meanwhile."""
    path = write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + 5)])

    def refused(_: str) -> Any:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr("rxfeed.recording.reading.open_file", refused)
        found = audit(tmp_path)
        assert ([each.reason for each in found.damaged], found.status) == (["Permission denied"], 1)
        assert marked_segments(tmp_path, "audited") == {}
    assert (audit(tmp_path).status, marked_segments(tmp_path, "audited").keys()) == (0, {path.name})


# ---- what is in a file


@pytest.mark.parametrize("about", [{"channels": 5}, {"channels": "matches", "products": 7}, {"products": [[1]]}])
def test_description_of_another_type_is_not_used(about: dict[str, Any], tmp_path: Path) -> None:
    lines = [*opening("matches"), match(1, NS), match(3, NS + 5)]
    header = header_line(Header(rxfeed=1, ns=NS, session="5f0c2b7a", segment=1, about=about))
    write(tmp_path, lines).write_bytes(packed([header, *text_of(lines)[1:]]))
    assert holes(audit(tmp_path)) == [(2, 2)]


@pytest.mark.parametrize("first", [True, False])
def test_deeply_nested_frame_is_damage_or_malformed(first: bool, tmp_path: Path) -> None:
    nested = [frame_line(b'{"type":' + b"[" * 100_000 + b"]" * 100_000 + b"}", NS, 0)]
    lines = [*opening("matches"), match(1, NS), match(2, NS + 5)]
    write(tmp_path, [*nested, *lines] if first else [*lines, *nested])
    found = audit(tmp_path)
    assert found.damaged or found.status == 0
    assert found.missing == ()


# ---- the stored state


def test_state_of_any_content_is_read_anew(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(3, NS + 5)])
    audit(tmp_path)
    state = tmp_path / STATE
    whole = json.loads(state.read_bytes())
    changes = [{"every": 60 * 10**9}, {"every": 0}, {"venue": "other"}, {"pairs": 5}, {"size": 1}]
    contents = [json.dumps({**whole, "files": [{**whole["files"][0], **each}]}).encode() for each in changes]
    contents += [b"", b"null", b"\xff", b"[" * 10**6, b'{"version":5,"files":[{"x":' + b"[" * 10**6]
    contents += [b'{"version":99,"files":[]}', json.dumps({**whole, "version": 99}).encode()]
    for content in contents:
        state.write_bytes(content)
        found = audit(tmp_path)
        assert (found.read, holes(found)) == (1, [(2, 2)]), content[:80]
    assert "cannot be read" in caplog.text
    state.unlink()
    os.mkfifo(state)  # opening it for reading would wait for a writer
    assert holes(audit(tmp_path)) == [(2, 2)]


@pytest.mark.parametrize("name", [STATE, ".audited"])
def test_audit_does_without_what_cannot_be_written(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS), match(2, NS + 5)])
    (tmp_path / name).mkdir()
    assert audit(tmp_path).status == 0
    assert "Is a directory" in caplog.text
    assert not [*tmp_path.glob(".*.new")]


def test_audits_at_the_same_time_store_a_whole_state(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(1, 6):
        lines = [match(number, NS + number)]
        write(tmp_path, [*opening("matches"), *lines] if number == 1 else lines, number=number)
    barrier, found = threading.Barrier(4), list[int]()

    def work() -> None:
        barrier.wait(20)
        found.append(audit(tmp_path).status)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(20)
    assert found == [0] * 4
    assert not caplog.records
    assert audit(tmp_path).read == 0
    assert not [*tmp_path.glob("*.new"), *tmp_path.glob(".*.new")]


def test_state_that_a_killed_audit_left_is_removed(tmp_path: Path) -> None:
    write(tmp_path, [*opening("matches"), match(1, NS)])
    old, new = (tmp_path / f"{STATE}.{number}-1.new" for number in (1, 2))
    for each in (old, new):
        each.write_bytes(b"{")
    os.utime(old, (1, 1))
    audit(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)
