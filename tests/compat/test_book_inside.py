"""What scripts use of a book's inside: its levels, its methods, held messages and `reset_book`."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict

import rxfeed.compat as cbpro
from rxfeed.compat.errors import BookEmpty
from rxfeed.compat.levels import SortedLevels
from tests.compat.test_order_book import Snapshots, filled, message, opened, snapshot

KEYS = st.integers(0, 30)
STEPS = st.lists(st.tuples(st.sampled_from(["set", "del", "pop", "popitem", "setdefault"]), KEYS), max_size=60)


@given(STEPS, KEYS, KEYS)
def test_levels_are_as_a_sorted_dict(steps: list[tuple[str, int]], low: int, high: int) -> None:
    levels, model = SortedLevels(), SortedDict()
    for step, key in steps:
        for each in (levels, model):
            if step == "set":
                each[key] = [key]
            elif step == "setdefault":
                each.setdefault(key, [])
            elif step == "popitem" and each:
                each.popitem(-1)
            elif step == "pop":
                each.pop(key, None)
            elif step == "del" and key in each:
                del each[key]
        assert list(levels.items()) == list(model.items())
        if model:
            assert (levels.peekitem(0), levels.peekitem(-1)) == (model.peekitem(0), model.peekitem(-1))
            assert (levels.keys()[0], levels.values()[-1]) == (model.keys()[0], model.values()[-1])
    assert list(levels.irange(low, high, (True, False))) == list(model.irange(low, high, (True, False)))
    assert list(levels.irange(low, reverse=True)) == list(model.irange(low, reverse=True))
    assert (levels.bisect_left(low), levels.bisect_right(low)) == (model.bisect_left(low), model.bisect_right(low))
    assert list(reversed(levels)) == list(reversed(model))
    assert levels == model == levels.copy()


def test_every_message_goes_through_the_methods_of_a_subclass() -> None:
    calls: Counter[str] = Counter()

    class Counting(cbpro.OrderBook):
        def remove(self, order: dict[str, Any]) -> None:
            calls[order["reason"]] += 1
            super().remove(order)

        def add(self, order: dict[str, Any]) -> None:
            calls["add"] += 1
            super().add(order)

    book = Counting("BTC-USD", client=Snapshots(snapshot()))
    for number in range(70):
        book.process_message(opened(10 + 2 * number, f"b{number}", "buy", "98"))
        gone = {"order_id": f"b{number}", "side": "buy", "price": "98", "reason": "canceled"}
        book.process_message(message("done", 11 + 2 * number, **gone))
    assert calls["canceled"] == 70
    assert calls["add"] == 2 + 69  # those of the snapshot, too; the first message was in it
    assert list(book._bids) == [Decimal(99)]


def test_script_may_change_a_message_that_was_held() -> None:
    book = filled(snapshot(10), snapshot(12))
    book.on_sequence_gap = lambda gap_start, gap_end: None
    late = opened(13, "b9", "buy", "99.75")
    book.process_message(late)  # after a gap: it is held
    late.clear()
    book.process_message(message("received", 14))
    assert book.ready
    assert (book._sequence, book.get_bid()) == (14, Decimal("99.75"))


def test_own_sorted_dict_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    """A `reset_book` of the script's own, as the classics' was."""

    class Own(cbpro.OrderBook):
        def reset_book(self) -> None:
            self._asks, self._bids = SortedDict(), SortedDict()
            answer = self._client.get_product_order_book(product_id=self.product_id, level=3)
            for price, size, order_id in answer["bids"]:
                self.add({"id": order_id, "side": "buy", "price": Decimal(price), "size": Decimal(size)})
            self._sequence = answer["sequence"]

    book = Own(client=Snapshots(snapshot(10), snapshot(20)))
    book.process_message(message("received", 11))
    book.process_message(opened(12, "b2", "buy", "99.5"))
    assert isinstance(book._bids, SortedDict)
    assert (book._sequence, book.get_bid(), book.ready) == (12, Decimal("99.5"), True)
    book.process_message(message("received", 20))
    assert book._sequence == 20


def test_reset_book_called_by_a_script_loads_a_snapshot_or_has_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    book = filled(snapshot(10), snapshot(30, bids=[("97", "1", "b7")]))
    book.reset_book()
    assert (book._sequence, book.get_bid()) == (30, 97)
    for _ in range(3):
        book.reset_book()
    assert "too many snapshots were requested of late" in caplog.text


@pytest.mark.parametrize("falsy", [None, "", 0, False])
def test_falsy_log_is_none(falsy: Any) -> None:
    book = cbpro.OrderBook(log_to=falsy, client=Snapshots(snapshot()))
    book.on_message(message("received", 10))
    book._log_to = falsy
    book.process_message(message("received", 11))
    assert book.ready


def test_reason_of_a_missing_snapshot_is_in_the_error() -> None:
    book = filled(OSError("no route"))
    with pytest.raises(BookEmpty, match=r"no snapshot: OSError\(.no route.\)"):
        book.get_bid()


def test_answer_without_a_book_is_in_the_error() -> None:
    book = filled({"message": "NotFound"})
    with pytest.raises(BookEmpty, match="no snapshot: the exchange answered 'NotFound'"):
        book.get_bid()


@pytest.mark.parametrize("first", [{"type": "subscriptions"}, message("ticker", 5), message("heartbeat", 5), {}])
def test_any_first_message_of_a_client_loads_the_book(first: dict[str, Any]) -> None:
    book = cbpro.OrderBook(client=Snapshots(snapshot()))
    book.on_message(first)
    assert (book.get_bid(), book.ready, book._sequence) == (99, True, 10)


def test_any_first_message_of_the_product_loads_a_plain_book() -> None:
    book = cbpro.OrderBook(client=Snapshots(snapshot()))
    book.process_message(message("ticker", 5) | {"product_id": "ETH-USD"})
    book.process_message({"type": "subscriptions"})
    assert book._sequence == -1
    book.process_message(message("ticker", 5))
    assert (book.get_bid(), book.ready) == (99, True)


def test_book_without_updates_is_loaded_anew_and_reported(caplog: pytest.LogCaptureFixture) -> None:
    """The classics requested a snapshot at each ticker with a later number."""
    book = cbpro.OrderBook(client=Snapshots(snapshot(10), snapshot(20, bids=[("97", "1", "b7")])))
    for sequence in range(10, 60, 2):
        book.process_message(message("ticker", sequence))
    assert (book.get_bid(), book._sequence) == (97, 20)
    assert len(book._client.asked) == 3  # and then with growing pauses
    assert caplog.text.count("the book gets no messages of level2_batch or full") == 1


def test_levels_become_orders_when_full_arrives() -> None:
    book = cbpro.OrderBook(client=Snapshots(snapshot(10)))
    levels = {"bids": [["98", "7"]], "asks": [["103", "1"]], "product_id": "BTC-USD"}
    book.process_message({"type": "snapshot", **levels})
    assert (book.get_bid(), book.ready) == (98, True)
    update = {"type": "l2update", "product_id": "BTC-USD", "changes": [["buy", "98", "0"], ["buy", "97", "2"]]}
    book.process_message(update)
    assert book.get_bid() == 97
    book.process_message(message("received", 11))
    assert (book.get_bid(), book.ready, book._sequence) == (99, True, 11)
    book.process_message(update)
    assert book.get_bid() == 99


def test_level2_rest_book_is_taken_if_orders_are_refused() -> None:
    class Refusing:
        def get_product_order_book(self, product_id: str, level: int = 1) -> Any:
            if level == 3:
                return {"message": "Unauthorized."}
            return {"sequence": 10, "bids": [["99", "3", 2]], "asks": [["101", "1", 1]]}

    book = cbpro.OrderBook(client=Refusing())
    book.process_message(message("ticker", 11))
    assert [order["id"] for order in book.get_bids(99) or []] == ["aggregated-buy-99"]
