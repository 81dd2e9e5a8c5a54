"""Which times of several connections count as received, offline or missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from rxfeed.audit import audit, certified, last_of, read_file
from rxfeed.feed import Connected, Connecting, ConnectionRemoved, Disconnected, FeedStatus, Subscribed
from rxfeed.market import ChannelSubscription
from rxfeed.recording import find, moment_of, ordered
from rxfeed.recording.events import status_line
from rxfeed.recording.format import frame_line
from tests.support.segments import NS, write

SECOND = 10**9
BTC, ETH = "BTC-USD", "ETH-USD"
ADVANCED = "coinbase_advanced"


def at(second: float) -> int:
    return NS + int(second * SECOND)


def line(kind: type[FeedStatus], second: float, connection: int = 0, **fields: object) -> bytes:
    return status_line(kind(at=moment_of(at(second)), connection=connection, **fields))


def up(second: float, connection: int = 0) -> bytes:
    return line(Connected, second, connection, url="ws://there")


def down(second: float, connection: int = 0) -> bytes:
    return line(Disconnected, second, connection, cause=ConnectionError("gone"))


def subscribed(second: float, connection: int = 0, *products: str) -> bytes:
    return line(Subscribed, second, connection, channels=(ChannelSubscription("ticker", products),))


def opened(second: float, connection: int = 0, *products: str) -> list[bytes]:
    return [up(second, connection), subscribed(second, connection, *products)]


def tick(second: float, connection: int = 0, product: str = BTC) -> bytes:
    raw = b'{"channel":"ticker","timestamp":"2026-01-02T12:00:00Z","sequence_num":1,"events":[{"type":"update",'
    raw += b'"tickers":[{"type":"ticker","product_id":"%b","price":"1"}]}]}'
    return frame_line(raw % product.encode(), at(second), 0, [0], connection=connection)


def letters(folder: Path, product: str = BTC) -> str:
    """The first letter of the state of each second."""
    rows = audit(folder, every=1, store=False).rows_of(product, "ticker")
    return "".join(row.state[0] for row in rows)


def offline(folder: Path, product: str = BTC) -> list[float]:
    return [row.offline_seconds for row in audit(folder, every=1, store=False).rows_of(product, "ticker")]


def test_loss_of_one_connection_is_that_of_its_products(tmp_path: Path) -> None:
    lines = [*opened(0, 1, BTC), *opened(0, 2, ETH), down(1.5, 2), *opened(3.5, 2, ETH), tick(4.9, 1)]
    write(tmp_path, lines, venue=ADVANCED)
    assert letters(tmp_path) == "vvvvv"
    assert letters(tmp_path, ETH) == "vmomv"
    assert offline(tmp_path) == [0] * 5
    assert offline(tmp_path, ETH) == [0, 0.5, 1, 0.5, 0]


def test_loss_of_one_of_two_equal_connections_misses_nothing(tmp_path: Path) -> None:
    """Only from 3.5 to 4.5 there is no connection."""
    lines = [*opened(0, 1, BTC), *opened(0, 2, BTC), down(1.5, 2), *opened(2.5, 2, BTC), down(3, 1), down(3.5, 2)]
    write(tmp_path, [*lines, *opened(4.5, 1, BTC), tick(5.9, 1)], venue=ADVANCED)
    assert letters(tmp_path) == "vvvmmv"
    assert offline(tmp_path) == [0, 0, 0, 0.5, 0.5, 0]


def test_connection_without_a_number_is_the_first_one_later(tmp_path: Path) -> None:
    lines = [*opened(0, 0, BTC), *opened(1, 2, ETH), down(2, 1), *opened(3, 1, BTC), tick(3.9, 1)]
    write(tmp_path, lines, venue=ADVANCED)
    assert letters(tmp_path) == "vvov"
    assert letters(tmp_path, ETH) == "nvvv"


def test_pair_of_a_removed_connection_is_not_missed(tmp_path: Path) -> None:
    lines = [*opened(0, 1, BTC), *opened(0, 2, ETH), line(ConnectionRemoved, 1, 2), tick(1.9, 1)]
    write(tmp_path, [*lines, down(2, 1), *opened(3, 1, BTC), tick(3.9, 1)], venue=ADVANCED)
    assert letters(tmp_path) == "vvov"
    assert letters(tmp_path, ETH) == "vnon"


def test_pair_that_is_added_and_removed_is_not_missed(tmp_path: Path) -> None:
    lines = [*opened(0, 0, BTC), subscribed(1, 0, BTC, ETH), subscribed(2, 0, BTC), subscribed(3, 0, BTC, ETH)]
    write(tmp_path, [*lines, tick(3.9)], venue=ADVANCED)
    assert (letters(tmp_path), letters(tmp_path, ETH)) == ("vvvv", "nvnv")


@pytest.mark.parametrize("fails", [False, True])
def test_time_before_the_first_connection_counts_if_it_failed(fails: bool, tmp_path: Path) -> None:
    lines = [line(Connecting, 0, url="ws://there"), *([down(0.1)] if fails else []), *opened(0.5, 0, BTC), tick(1.9)]
    write(tmp_path, lines, venue=ADVANCED)
    assert letters(tmp_path) == ("mv" if fails else "vv")


def test_recording_that_begins_during_connections_has_them_all(tmp_path: Path) -> None:
    """The files before it were deleted: of connection 1 there are only frames, of 2 only its loss."""
    lines = [tick(0, 1), tick(0.1, 2, ETH), down(1, 2), *opened(2, 2, ETH), tick(2.9, 1), down(3, 1)]
    write(tmp_path, [*lines, *opened(4, 1, BTC), tick(4.9, 1)], venue=ADVANCED)
    assert (letters(tmp_path), letters(tmp_path, ETH)) == ("vvvov", "vovvv")


def test_loss_continues_over_the_files_of_a_session(tmp_path: Path) -> None:
    """Also where the certificate of the second file is made from the end of the first one alone."""
    write(tmp_path, [*opened(0, 1, BTC), *opened(0, 2, ETH), down(0.5, 2), tick(1.9, 1)], venue=ADVANCED)
    write(tmp_path, [tick(2, 1), *opened(3, 2, ETH), tick(3.9, 1)], number=2, venue=ADVANCED)
    assert (letters(tmp_path), letters(tmp_path, ETH)) == ("vvvv", "moov")
    first, second = (read_file(part, SECOND) for part in ordered(find([tmp_path])))
    last = last_of([first])
    assert last is not None
    rows, _ = certified([last, second], at(2), at(3.9), SECOND, [ETH])
    assert [row.state for row in rows if row.channel == "ticker"] == ["offline", "verified"]


def test_missing_file_is_a_loss_of_all_connections(tmp_path: Path) -> None:
    write(tmp_path, [*opened(0, 1, BTC), *opened(0, 2, ETH), tick(0.9, 1)], venue=ADVANCED)
    write(tmp_path, [tick(2, 1), tick(2, 2, ETH), tick(2.9, 1)], number=3, ns=at(2), venue=ADVANCED)
    assert (letters(tmp_path), letters(tmp_path, ETH)) == ("mov", "mov")
