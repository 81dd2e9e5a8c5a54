"""AcknowledgementWatch: requested subscriptions that are not acknowledged."""

from __future__ import annotations

import math

from rxfeed.core import AcknowledgementWatch, Pair

A: Pair = ("matches", "A-B")
C: Pair = ("matches", "C-D")


def watch_of(*pairs: Pair, reported: set[Pair] | None = None) -> AcknowledgementWatch:
    watch = AcknowledgementWatch(3.0, set() if reported is None else reported)
    watch.requested(pairs, 0.0)
    return watch


def test_last_request_of_a_series_begins_the_time_limit() -> None:
    watch = watch_of(A, C)
    watch.sent(2.0)
    watch.acknowledged([C])
    assert (watch.remaining(4.0), watch.step(4.0, False)) == (1.0, ())
    assert watch.step(5.0, False) == (C,)
    assert (watch.remaining(6.0), watch.step(6.0, False)) == (math.inf, ())


def test_acknowledged_pairs_have_no_time_limit() -> None:
    watch = watch_of(A)
    watch.acknowledged([])
    assert (watch.remaining(1.0), watch.step(9.0, True)) == (math.inf, ())


def test_pair_is_reported_once_on_all_connections() -> None:
    reported: set[Pair] = set()
    assert watch_of(A, reported=reported).step(3.0, False) == (A,)
    assert watch_of(A, C, reported=reported).step(3.0, False) == (C,)


def test_rejection_has_the_reason_until_the_next_request() -> None:
    watch = watch_of(A)
    watch.rejected()
    assert (watch.remaining(1.0), watch.step(4.0, False)) == (math.inf, ())
    watch.requested([C], 5.0)
    assert watch.step(8.0, False) == (C,)


def test_server_that_never_acknowledges_but_sends_data_is_fine() -> None:
    assert watch_of(A).step(3.0, True) == ()
    assert watch_of(A).step(3.0, False) == (A,)
    watch = watch_of(A)
    watch.acknowledged([A])
    assert watch.step(3.0, True) == (A,)
