"""The classic order book, in both shapes, against snapshots and messages of the local exchange."""

from __future__ import annotations

import io
import json
import pickle
import threading
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

import rxfeed.compat as cbpro
from rxfeed import ConfigError, Credentials
from rxfeed.compat.snapshot import Pace
from rxfeed.sim import Exchange, faults
from tests.legacy.conftest import Rest, level3

KEYS = Credentials("key", "c2VjcmV0", "phrase")
AUTH = {"auth": True, "api_key": "key", "api_secret": "c2VjcmV0", "api_passphrase": "phrase"}


class Snapshots:
    """Replaces the REST client: returns each of *answers* in turn, and then repeats the last."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def get_product_order_book(self, product_id: str, level: int = 1) -> Any:
        self.asked.append((product_id, level))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer() if callable(answer) else answer


def snapshot(sequence: int = 10, bids: Any = (("99", "1", "b1"),), asks: Any = (("101", "2", "a1"),)) -> dict[str, Any]:
    return {"sequence": sequence, "bids": [list(row) for row in bids], "asks": [list(row) for row in asks]}


def message(kind: str, sequence: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "sequence": sequence, "product_id": "BTC-USD"} | fields


def opened(sequence: int, order_id: str, side: str, price: str, size: str = "1") -> dict[str, Any]:
    return message("open", sequence, order_id=order_id, side=side, price=price, remaining_size=size)


def filled(*answers: Any, **settings: Any) -> cbpro.OrderBook:
    """A plain book that is ready at sequence 10 or so."""
    book = cbpro.OrderBook("BTC-USD", client=Snapshots(*answers or (snapshot(),)), **settings)
    book.process_message(message("received", 10))
    return book


# ---- master's shape: a plain object


def test_first_message_loads_the_snapshot() -> None:
    book = filled()
    assert book.ready
    assert book._client.asked == [("BTC-USD", 3)]
    assert (book.get_bid(), book.get_ask()) == (Decimal(99), Decimal(101))
    book.process_message(opened(11, "b2", "buy", "99.5"))
    book.process_message(opened(12, "b3", "buy", "99.50", "3"))
    assert [order["id"] for order in book.get_bids(Decimal("99.5")) or []] == ["b2", "b3"]
    book.process_message(message("match", 13, maker_order_id="b2", size="0.25", price="99.5", side="buy"))
    assert book.get_bids(99.5) == [
        {"id": "b2", "side": "buy", "price": Decimal("99.5"), "size": Decimal("0.75")},
        {"id": "b3", "side": "buy", "price": Decimal("99.5"), "size": Decimal(3)},
    ]
    book.process_message(message("change", 14, order_id="b3", side="buy", price="99.5", new_size="2"))
    book.process_message(message("done", 15, order_id="b2", side="buy", price="99.5", reason="canceled"))
    assert book.get_current_book() == {
        "sequence": 15,
        "asks": [[Decimal(101), Decimal(2), "a1"]],
        "bids": [[Decimal(99), Decimal(1), "b1"], [Decimal("99.5"), Decimal(2), "b3"]],
    }
    ticker = book.get_current_ticker()
    assert ticker is not None
    assert ticker["sequence"] == 13
    assert book.get_asks(Decimal(5)) is None


def test_other_products_and_repetitions_change_nothing() -> None:
    book = filled()
    before = book.get_current_book()
    book.process_message(opened(11, "x", "buy", "100") | {"product_id": "ETH-USD"})
    book.process_message(opened(10, "x", "buy", "100"))
    book.process_message(message("heartbeat", 99))
    book.process_message(message("ticker", 11, price="1"))
    assert book.get_current_book() == before


@pytest.mark.parametrize("error", [IndexError, ValueError, AttributeError])
def test_empty_book_raises_the_error_of_cbpro(error: type[Exception]) -> None:
    """The wheel's sortedcontainers raises IndexError, a tree of the time before it ValueError, None AttributeError."""
    for book in (cbpro.OrderBook(client=Snapshots()), filled(snapshot(bids=(), asks=()))):
        for read in (book.get_bid, book.get_ask):
            with pytest.raises(error, match="BTC-USD: no order"):
                read()


def test_gap_is_reported_and_repaired_without_loss(capsys: pytest.CaptureFixture[str]) -> None:
    gaps: list[tuple[int, int]] = []

    class Book(cbpro.OrderBook):
        def on_sequence_gap(self, gap_start: int, gap_end: int) -> None:
            gaps.append((gap_start, gap_end))
            super().on_sequence_gap(gap_start, gap_end)

    book = Book(client=Snapshots(snapshot(), snapshot(13, bids=[("98", "1", "b9")])))
    book.process_message(message("received", 10))
    book.process_message(opened(14, "b7", "buy", "98.5"))  # both versions of cbpro lost this one
    assert gaps == [(10, 14)]
    assert book.ready
    assert (book.get_bid(), book._sequence) == (Decimal("98.5"), 14)
    assert capsys.readouterr().out == ""  # as master: the wheel prints, but only as a client


def test_on_sequence_gap_may_do_nothing() -> None:
    book = filled(snapshot(), snapshot(20))
    book.on_sequence_gap = lambda gap_start, gap_end: None
    book.process_message(message("received", 15))
    assert not book.ready
    book.process_message(message("received", 16))
    assert book.ready
    assert book._sequence == 20


def test_old_snapshot_is_requested_again_without_loss() -> None:
    ready: list[int] = []
    book = cbpro.OrderBook(client=Snapshots(snapshot(5), snapshot(10)))
    book.on_ready = lambda: ready.append(book._sequence)
    book.process_message(opened(11, "b2", "buy", "99.5"))
    assert not book.ready
    assert book.get_bid() == 99  # better than nothing: it can be read
    book.process_message(opened(12, "b3", "buy", "99.75"))
    assert book.ready
    assert ready == [12]
    assert book.get_bid() == Decimal("99.75")
    assert len(book.get_current_book()["bids"]) == 3


def test_messages_during_the_snapshot_request_are_buffered() -> None:
    asked, answer = threading.Event(), threading.Event()

    def slow() -> dict[str, Any]:
        asked.set()
        assert answer.wait(30)
        return snapshot(20)

    book = filled(snapshot(10), slow)
    book.process_message(message("received", 20))  # a gap: it waits a moment, no longer
    assert asked.is_set()
    for sequence in range(21, 30):
        book.process_message(opened(sequence, f"b{sequence}", "buy", str(sequence + 100)))
    assert not book.ready
    assert book.get_bid() == 99  # the book of before
    assert book._client.asked == [("BTC-USD", 3)] * 2
    answer.set()
    fetch = book.__dict__["_OrderBook__rxfeed"].fetch
    assert fetch.done.wait(30)
    book.process_message(message("received", 30))
    assert book.ready
    assert (book._sequence, book.get_bid()) == (30, Decimal(129))


def test_failed_snapshot_is_retried_with_back_off(caplog: pytest.LogCaptureFixture) -> None:
    book = filled(OSError("no route"))
    for sequence in range(11, 60):
        book.process_message(message("received", sequence))
    assert len(book._client.asked) == Pace.BURST
    assert "no snapshot: OSError('no route')" in caplog.text


def test_back_off_doubles_up_to_a_minute_and_resets() -> None:
    pace, now, tries = Pace(), 0.0, []
    while now < 300:
        if pace.due(now):
            pace.tried(now)
            tries.append(now)
        now += 0.5
    pauses = [b - a for a, b in pairwise(tries)]
    assert pauses == [0.5, 0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    pace.tried(now + 1_000)
    assert pace.due(now + 1_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"price": "abc"},
        {"price": "NaN"},
        {"side": "up"},
        {"remaining_size": None},
    ],
)
def test_inconsistent_messages_raise_no_assertion(wrong: dict[str, Any]) -> None:
    """Both versions of cbpro raised an AssertionError here. A message that cannot be read counts as missed."""
    book = filled(snapshot(), snapshot(11))
    book.process_message(opened(11, "b2", "buy", "99.5") | wrong)
    assert book.ready
    assert book._sequence == 11
    assert len(book._client.asked) == 2


def test_match_of_an_order_not_first_or_missing() -> None:
    book = filled(snapshot(bids=[("99", "1", "b1"), ("99", "1", "b2")]))
    book.process_message(message("match", 11, maker_order_id="b2", size="1", price="99", side="buy"))
    book.process_message(message("match", 12, maker_order_id="nobody", size="1", price="99", side="buy"))
    book.process_message(message("done", 13, order_id="b2", reason="filled"))  # without a price, as market orders'
    assert [order["id"] for order in book.get_bids(99) or []] == ["b1"]
    assert book.ready


def test_modified_order_moves() -> None:
    book = filled(snapshot(bids=[("99", "1", "b1"), ("99", "1", "b2")]))
    change = {"order_id": "b1", "side": "buy", "reason": "modify_order"}
    book.process_message(message("change", 11, **change, new_size="2", new_price="99"))
    assert [order["id"] for order in book.get_bids(99) or []] == ["b2", "b1"]
    book.process_message(message("change", 12, **change, new_size="2", new_price="98"))
    assert [order["size"] for order in book.get_bids(98) or []] == [Decimal(2)]
    book.process_message(message("change", 13, order_id="b2", side="buy", old_funds="3", new_funds="2"))
    assert book.ready


def test_reset_book_and_the_log() -> None:
    log = io.BytesIO()
    book = filled(snapshot(), snapshot(50), log_to=log)
    book.process_message(message("received", 11) | {"product_id": "ETH-USD"})
    book.reset_book()
    assert book._sequence == 50
    log.seek(0)
    assert pickle.load(log) == message("received", 10)
    assert log.read() == b""  # as master: of its product alone
    with pytest.raises(ConfigError):
        cbpro.OrderBook(log_to="a path")


# ---- the wheel's shape: a client


class Book(cbpro.OrderBook):
    """Lets a test wait for it."""

    def __init__(self, *given: Any, **settings: Any) -> None:
        super().__init__(*given, **settings)
        self.changed = threading.Condition()
        self.times_ready = 0

    def on_ready(self) -> None:
        self.times_ready += 1

    def on_message(self, message: Any) -> None:
        super().on_message(message)
        with self.changed:
            self.changed.notify_all()

    def reach(self, sequence: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.ready and self._sequence >= sequence, 30)


def test_book_equals_the_exchange_book_order_by_order(capsys: pytest.CaptureFixture[str]) -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False, credentials=KEYS) as exchange, Rest(exchange) as rest:
        book = Book("BTC-USD", client=cbpro.PublicClient(rest.url), url=exchange.url, **AUTH)
        book.start()
        exchange.wait_for_clients()
        exchange.step(500)
        book.reach(exchange.sequence("BTC-USD"))
        ours, theirs = book.get_current_book(), level3(exchange, "BTC-USD")
        levels = exchange.book("BTC-USD")
        book.close()
    assert ours["sequence"] == theirs["sequence"]
    for side in ("bids", "asks"):
        expected = [[Decimal(price), Decimal(size), order_id] for price, size, order_id in theirs[side]]
        assert sorted(ours[side]) == sorted(expected)
    assert book.get_bid() == levels["bids"][0][0] == ours["bids"][-1][0]
    assert book.get_ask() == levels["asks"][0][0] == ours["asks"][0][0]
    assert book.error is None
    assert book.times_ready == 1
    assert capsys.readouterr().out == "-- Subscribed to OrderBook! --\n\n\n-- OrderBook Socket Closed! --\n"


def test_faults_of_the_feed_are_repaired(capsys: pytest.CaptureFixture[str]) -> None:
    script = [faults.Duplicate(3, after=50), faults.Drop(2, after=100), faults.Reorder(3, after=250)]
    with (
        Exchange(["BTC-USD"], seed=5, auto=False, credentials=KEYS, faults=script) as exchange,
        Rest(exchange) as rest,
    ):
        book = Book("BTC-USD", client=cbpro.PublicClient(rest.url), url=exchange.url, **AUTH)
        book.start()
        exchange.wait_for_clients()
        exchange.step(5)
        book.reach(exchange.sequence("BTC-USD"))
        exchange.step(300)
        book.reach(exchange.sequence("BTC-USD"))
        ours, theirs = book.get_current_book(), level3(exchange, "BTC-USD")
        book.close()
    assert sorted(row[2] for row in ours["bids"]) == sorted(row[2] for row in theirs["bids"])
    assert book.error is None
    assert "Error: messages missing (" in capsys.readouterr().out  # the wheel's words, as the wheel's shape


def test_wheel_client_logs_every_message() -> None:
    log = io.BytesIO()
    with Exchange(["BTC-USD"], seed=5, auto=False, credentials=KEYS) as exchange:
        book = Book(log_to=log, client=Snapshots(snapshot()), url=exchange.url, **AUTH)
        with book.changed:
            book.start()
            assert book.changed.wait(30)
        book.close()
    log.seek(0)
    assert pickle.load(log)["type"] == "subscriptions"


def test_product_is_accepted_in_every_form() -> None:
    assert cbpro.OrderBook().product_id == "BTC-USD"
    assert cbpro.OrderBook(None).product_id == "BTC-USD"  # as the wheel's own console has it
    assert cbpro.OrderBook(["ETH-USD"]).product_id == "ETH-USD"
    book = cbpro.OrderBook("ETH-USD")
    book.product_id = "LTC-USD"
    assert book.products == "LTC-USD"


def test_public_client_requests_follow_the_reference() -> None:
    with Exchange(["BTC-USD"], seed=5, auto=False) as exchange, Rest(exchange) as rest:
        answer = cbpro.PublicClient(rest.url + "/").get_product_order_book("BTC-USD", level=3)
    assert json.dumps(sorted(answer)) == '["asks", "bids", "sequence"]'
