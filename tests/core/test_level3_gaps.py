"""The level 3 book: gaps, unknown messages, and snapshots that come early or late."""

from __future__ import annotations

from rxfeed import Unknown
from rxfeed.core.book_snapshot import NeedSnapshot
from rxfeed.core.book_view import FullBookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.venues.coinbase_exchange import (
    ExchangeAuction,
)
from tests.core.level3_steps import (
    ASKS,
    BIDS,
    BTC,
    NAMES,
    done,
    matched,
    names,
    noop,
    opened,
    ready,
    received,
    taken,
)
from tests.support.make import heartbeat, in_epoch


def unknown(sequence: int | None) -> Unknown:
    return Unknown(type="new", product_id=BTC, sequence=sequence)


def test_unknown_type_with_the_next_sequence_changes_nothing() -> None:
    book, _ = ready(10)
    assert book.step(unknown(11)) == ()
    (view,) = book.step(matched("a", 10, 1, 12))
    assert (view.ready, view.sequence) == (True, 12)  # type: ignore[union-attr]
    assert book.step(unknown(14)) == ()
    # 13 is missing nevertheless; a number that an unknown type repeats is ignored.
    (lost, _) = book.step(opened("f", 1, 1, 15))
    assert (lost.ready, book.stats.gaps) == (False, 1)  # type: ignore[union-attr]


def test_auction_with_the_next_sequence_changes_nothing() -> None:
    book, _ = ready(10)
    assert book.step(ExchangeAuction(**NAMES, sequence=11, auction_state="collection")) == ()
    (view,) = book.step(matched("a", 10, 1, 12))
    assert (view.ready, view.sequence, book.stats.gaps) == (True, 12, 0)  # type: ignore[union-attr]


def test_unknown_type_that_repeats_a_sequence_loses_nothing() -> None:
    book, _ = ready(10)
    for sequence in (11, 5, None, 10**15):
        assert book.step(unknown(sequence)) == ()
    (view,) = book.step(matched("a", 10, 1, 11))
    assert (view.ready, view.sequence, book.stats.gaps) == (True, 11, 0)  # type: ignore[union-attr]


def test_buffered_unknown_types_show_no_gap() -> None:
    book = Level3Book(BTC)
    book.step(unknown(7))
    for item in (opened("e", 10, 4, 8), unknown(9), done("b", 10)):
        assert book.step(item) == ()
    (view,) = book.step(taken(1, 6, BIDS, ASKS))
    assert isinstance(view, FullBookView)
    assert (view.sequence, names(view), book.stats.gaps) == (10, "aecd", 0)


def test_messages_older_than_the_snapshot_are_dropped() -> None:
    book, _ = ready()
    assert book.step(opened("b", 9, 5, 10)) == book.step(done("b", 3)) == ()
    assert book.stats.stale == 2
    assert book.step(received(None)) == ()


def test_gap_starts_a_new_book_with_its_message() -> None:
    book, _ = ready()
    lost, need = book.step(opened("e", 9, 1, 12))
    assert isinstance(lost, FullBookView)
    assert (lost.ready, lost.bids, lost.best_ask, lost.sequence) == (False, (), None, None)
    assert need == NeedSnapshot(BTC, 2, 1)
    assert book.step(opened("late", 9, 1, 11)) == ()
    assert book.step(opened("f", 9, 1, 13)) == ()
    (again,) = book.step(taken(2, 10, BIDS, ASKS))  # too old: 11 is missing
    assert again == NeedSnapshot(BTC, 3, 2)
    (view,) = book.step(taken(3, 11, BIDS, ASKS))
    assert names(view) == "abcdef"
    assert (book.stats.gaps, book.stats.stale, book.stats.failures, book.stats.snapshots) == (1, 1, 1, 2)


def test_gap_while_waiting_clears_the_buffer() -> None:
    book = Level3Book(BTC)
    for sequence in (1, 2, 4, 5):
        book.step(opened(str(sequence), 9, 1, sequence))
    assert book.waiting == 2
    assert book.step(taken(1, 2)) == (NeedSnapshot(BTC, 2, 1),)
    (view,) = book.step(taken(2, 3))
    assert names(view) == "45"


def test_snapshot_ahead_of_the_channel_is_applied_later() -> None:
    book = Level3Book(BTC)
    book.step(opened("old", 9, 1, 5))
    (view,) = book.step(taken(1, 8, BIDS))
    assert isinstance(view, FullBookView)
    assert view.sequence == 8
    assert [book.step(opened("old", 9, 1, sequence)) for sequence in (6, 7, 8)] == [(), (), ()]
    (view,) = book.step(opened("new", 9, 1, 9))
    assert names(view) == "abcdnew"


def test_new_epoch_is_a_gap_and_discards_older_snapshots() -> None:
    book, _ = ready()
    lost, need = book.step(in_epoch(noop(11), 1))
    assert not lost.ready  # type: ignore[union-attr]
    assert need == NeedSnapshot(BTC, 2, 1)
    (need,) = book.step(heartbeat(3, epoch=2))
    assert book.step(taken(2, 999, BIDS)) == ()
    assert book.step(in_epoch(noop(3), 2)) == ()
    (view,) = book.step(taken(3, 3, BIDS))
    assert isinstance(view, FullBookView)
    assert view.sequence == 3
    assert book.stats.breaks == 2
