"""Messages of several connections as one stream: each once, in order, and no gap that a connection can fill."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rxfeed.core import Arbitration, ArbitrationOutput, BookMoved, Delivered, Missed, Restarted, SnapshotNeeded
from rxfeed.market import ChannelSubscription, Message, Origin, stamp
from rxfeed.testing import book, book_update, heartbeat, prior_trade, ticker, trade
from rxfeed.venues import venue
from rxfeed.venues.coinbase_advanced.messages import AdvancedSubscriptions
from rxfeed.venues.coinbase_exchange.messages import ExchangeSubscriptions

PATIENCE = 2.0
PRODUCT = "BTC-USD"
VENUES = {"coinbase_exchange": ("matches", "level2"), "coinbase_advanced": ("market_trades", "level2")}
both_venues = pytest.mark.parametrize("name", VENUES)


def acknowledgement(name: str, channels: Iterable[str] | None = None) -> Message:
    channels = VENUES[name] if channels is None else channels
    listed = tuple(ChannelSubscription(each, (PRODUCT,)) for each in channels)
    return (
        ExchangeSubscriptions(channels=listed)
        if name == "coinbase_exchange"
        else AdvancedSubscriptions(channels=listed)
    )


class Scene:
    """An `Arbitration` of connections 1 to *count*, which are open and subscribed, and all its outputs."""

    def __init__(self, name: str = "coinbase_exchange", count: int = 2) -> None:
        self.name = name
        merging = venue(name).merging
        assert merging is not None
        self.machine = Arbitration(merging, PATIENCE)
        self.out: list[ArbitrationOutput] = []
        self.now = 0.0
        channels = VENUES[name]
        self.machine.watch([(channel, PRODUCT) for channel in channels])
        for number in range(1, count + 1):
            self.machine.join(number)
            self.open(number)
        self.out.clear()
        self.machine.copies = 0

    def open(self, number: int) -> None:
        self.machine.opened(number)
        self.bring(number, acknowledgement(self.name))

    def close(self, number: int) -> None:
        self.out += self.machine.closed(number)

    def bring(self, number: int, *messages: Message) -> None:
        for message in messages:
            self.out += self.machine.step(number, message, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.out += self.machine.due(self.now)

    def trade(self, number: int, trade_id: int, time: float | None = None) -> None:
        self.bring(number, self.made(trade_id, time))

    def made(self, trade_id: int, time: float | None = None) -> Message:
        at = trade_id / 1000 if time is None else time
        return trade(trade_id=trade_id, time=at, venue=self.name)  # pyright: ignore[reportArgumentType]

    @property
    def messages(self) -> list[Any]:
        return [each.message for each in self.out if isinstance(each, Delivered)]

    @property
    def ids(self) -> list[int]:
        return [each.trade_id for each in self.messages if hasattr(each, "trade_id")]

    def subscribed(self, number: int, *channels: str) -> None:
        self.bring(number, acknowledgement(self.name, channels))
        self.out.clear()

    def epochs_of(self, *fields: str) -> list[int]:
        """The epochs of the messages with these *fields*."""
        delivered: list[Delivered] = self.of(Delivered)
        return [each.epoch for each in delivered if all(hasattr(each.message, field) for field in fields)]

    @property
    def epochs(self) -> list[int]:
        return [each.epoch for each in self.out if isinstance(each, Delivered)]

    def of(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.out if isinstance(each, kind)]


# ---- trades


@both_venues
def test_arbitration_outputs_the_first_arrival(name: str) -> None:
    scene = Scene(name)
    for number, trade_id in ((1, 5), (1, 6), (2, 5), (2, 6), (2, 7), (1, 7), (1, 8)):
        scene.trade(number, trade_id)
    assert scene.ids == [5, 6, 7, 8]
    assert set(scene.epochs) == {0}
    assert scene.machine.copies == 3


@both_venues
def test_arbitration_fills_a_hole_from_another_connection(name: str) -> None:
    scene = Scene(name)
    for number, trade_id in ((1, 1), (2, 1), (1, 3), (1, 4)):
        scene.trade(number, trade_id)
    assert scene.ids == [1]
    assert scene.machine.remaining(0.5) == PATIENCE - 0.5
    scene.trade(2, 2)
    assert scene.ids == [1, 2, 3, 4]
    assert scene.of(Missed) == []
    assert scene.machine.remaining(0.5) is None


@both_venues
def test_arbitration_reports_what_none_brought_in_time(name: str) -> None:
    scene = Scene(name)
    scene.trade(1, 1)
    scene.close(2)
    scene.trade(1, 4)
    scene.wait(PATIENCE - 0.1)
    assert scene.ids == [1]
    scene.wait(0.1)
    assert scene.of(Missed) == [Missed(PRODUCT, VENUES[name][0], 2, 3)]
    assert scene.ids == [1, 4]
    assert scene.epochs == [0, 1]


@both_venues
def test_arbitration_reports_at_once_what_all_are_past(name: str) -> None:
    scene = Scene(name)
    for number, trade_id in ((1, 1), (2, 1), (1, 3), (2, 4)):
        scene.trade(number, trade_id)
    assert scene.of(Missed) == [Missed(PRODUCT, VENUES[name][0], 2, 2)]
    assert scene.ids == [1, 3, 4]


@both_venues
def test_arbitration_takes_the_trade_before_a_subscription_for_a_new_one(name: str) -> None:
    """Connection 1 is lost with trade 3 in flight; connection 2 began after it, and has it as a prior trade."""
    scene = Scene(name, count=1)
    scene.trade(1, 2)
    scene.machine.join(2)
    scene.open(2)
    prior = prior_trade(trade_id=3, time=0.003, venue=name)  # pyright: ignore[reportArgumentType]
    scene.bring(2, prior_trade(trade_id=2, time=0.002, venue=name), prior)  # pyright: ignore[reportArgumentType]
    scene.close(1)
    scene.trade(2, 4)
    assert scene.ids == [2, 3, 4]
    assert [type(each) for each in scene.messages if hasattr(each, "trade_id")] == [type(scene.made(1))] * 3
    assert scene.of(Missed) == []
    assert [each.prior for each in scene.of(Delivered)].count(prior) == 1


def test_arbitration_reports_a_restart_once() -> None:
    scene = Scene()
    for number in (1, 2):
        for trade_id in (100, 101):
            scene.trade(number, trade_id, trade_id / 1000)
    for number in (1, 2):
        for trade_id in (1, 2, 3, 4):
            scene.trade(number, trade_id, 10 + trade_id)
    assert scene.ids == [100, 101, 1, 2, 3, 4]
    assert len(scene.of(Restarted)) == 1


Step = tuple[str, int]
steps = st.lists(
    st.tuples(st.sampled_from(("trade", "bring", "bring", "bring", "skip", "down", "up", "wait")), st.integers(1, 3)),
    max_size=60,
)


class SlowModel:
    """What has to be output, computed anew from everything that was brought; *lines*: up, and the place of each."""

    def __init__(self, count: int) -> None:
        self.place = dict.fromkeys(range(1, count + 1), 0)  # the exchange's numbers up to it were sent to it
        self.brought = dict.fromkeys(range(1, count + 1), -1)
        self.up = dict.fromkeys(range(1, count + 1), True)
        self.head = 0
        self.now = 0.0
        self.arrivals: list[tuple[int, float]] = []
        self.out: list[int | tuple[int, int]] = []
        self.last: int | None = None

    def bring(self, line: int) -> int | None:
        if not self.up[line] or self.place[line] >= self.head:
            return None
        self.place[line] += 1
        number = self.brought[line] = self.place[line]
        if self.last is None:
            self.last = number
            self.out.append(number)
        else:
            self.arrivals.append((number, self.now))
        self.update()
        return number

    def update(self) -> None:
        assert self.last is not None or not self.arrivals
        while self.last is not None:
            waiting = [(number, at) for number, at in self.arrivals if number > self.last]
            if not waiting:
                return
            lowest = min(number for number, _ in waiting)
            first: dict[int, float] = {}
            for number, at in waiting:
                first.setdefault(number, at)
            past = all(self.up[line] and self.brought[line] > self.last for line in self.up)
            if lowest > self.last + 1 and not past and self.now < min(first.values()) + PATIENCE:
                return
            if lowest > self.last + 1:
                self.out.append((self.last + 1, lowest - 1))
            self.out.append(lowest)
            self.last = lowest


@given(steps, st.integers(2, 3))
def test_arbitration_agrees_with_a_slow_model(steps: list[Step], count: int) -> None:
    scene, model = Scene(count=count), SlowModel(count)
    for kind, line in steps:
        line = min(line, count)
        if kind == "trade":
            model.head += 1
        elif kind == "bring":
            number = model.bring(line)
            if number is not None:
                scene.trade(line, number)
        elif kind == "skip" and model.place[line] < model.head:
            model.place[line] += 1
        elif kind == "down" and model.up[line]:
            model.up[line], model.brought[line] = False, -1
            scene.close(line)
        elif kind == "up" and not model.up[line]:
            model.up[line], model.place[line] = True, model.head
            scene.open(line)
        elif kind == "wait":
            model.now += line / 2
            model.update()
            scene.wait(line / 2)
    found = [
        (each.first, each.last) if isinstance(each, Missed) else each.message.trade_id  # pyright: ignore
        for each in scene.out
        if isinstance(each, Missed) or (isinstance(each, Delivered) and hasattr(each.message, "trade_id"))
    ]
    assert found == model.out
    numbers = [number for number in found if isinstance(number, int)]
    assert numbers == sorted(set(numbers))


# ---- epochs and other messages


@both_venues
def test_arbitration_keeps_epochs_if_one_of_two_is_lost(name: str) -> None:
    scene = Scene(name)
    for trade_id in range(1, 20):
        scene.trade(1, trade_id)
        scene.trade(2, trade_id)
        if trade_id == 5:
            scene.close(1)
            scene.open(1)
        if trade_id == 10:
            scene.close(2)
            scene.open(2)
    assert set(scene.epochs) == {0}
    scene.close(1)
    scene.close(2)
    scene.open(2)
    scene.trade(2, 20)
    assert scene.epochs[-1] == 1


def test_arbitration_doubts_a_connection_that_was_not_heard_from() -> None:
    """Connection 2 is broken while 1 reconnects, and that is detected later: both may have missed something."""
    scene = Scene()
    scene.subscribed(1, "matches", "ticker")
    scene.subscribed(2, "matches", "ticker")
    scene.bring(1, ticker(1, time=1, sequence=1))
    scene.trade(1, 1)
    scene.close(1)
    scene.open(1)
    scene.close(2)
    scene.bring(1, ticker(1, time=2, sequence=5))
    assert scene.epochs_of("best_bid") == [0, 1]


def test_arbitration_raises_epochs_of_what_no_other_covers() -> None:
    scene = Scene()
    scene.subscribed(1, "matches", "ticker")
    scene.subscribed(2, "level2")
    scene.trade(1, 1)
    scene.bring(1, ticker(1, time=1, sequence=1))
    scene.close(1)
    scene.open(1)
    scene.bring(1, ticker(1, time=2, sequence=5))
    scene.trade(1, 2)
    assert scene.epochs_of("best_bid") == [0, 1]
    assert scene.epochs_of("trade_id", "maker_order_id") == [0, 0]


@both_venues
@pytest.mark.parametrize("missing", [0, 1])
def test_arbitration_raises_epochs_of_trades_if_numbers_are_missing(missing: int, name: str) -> None:
    """All connections may have missed something; the next trade shows whether they did."""
    scene = Scene(name, count=3)
    scene.trade(1, 1)
    scene.close(1)
    scene.close(2)
    scene.open(1)
    scene.trade(1, 2 + missing)
    scene.wait(PATIENCE)
    assert [(each.first, each.last) for each in scene.of(Missed)] == [(2, 2)][:missing]
    assert scene.epochs_of("trade_id") == [0, missing]


@both_venues
def test_arbitration_drops_copies_of_messages_without_numbers(name: str) -> None:
    scene = Scene(name)
    one, two = (ticker(price, time=price, venue=name) for price in (1, 2))  # pyright: ignore
    for number, message in ((1, one), (2, one), (2, two), (1, two)):
        scene.bring(number, message)
    assert scene.messages == [one, two]


def test_arbitration_drops_tickers_that_come_late() -> None:
    """A connection that was stuck for long brings what the other one brought before the memory of copies."""
    scene = Scene("coinbase_advanced")
    prices = (1, 20, 40)
    tickers = [ticker(price, time=price, venue="coinbase_advanced") for price in prices]
    for price, message in zip(prices, tickers, strict=True):
        stamp(message, Origin(b"", price * 10**9, 0))
        scene.bring(1, message)
    late = [ticker(price, time=price, venue="coinbase_advanced") for price in prices]
    for message in late:
        stamp(message, Origin(b"", 41 * 10**9, 0))
        scene.bring(2, message)
    assert scene.messages == tickers
    assert scene.machine.copies == len(late)


def test_arbitration_holds_heartbeats_behind_missing_trades() -> None:
    scene = Scene()
    scene.trade(1, 1)
    scene.trade(1, 3)
    beat = heartbeat(5, last_trade_id=3)
    scene.bring(1, beat)
    assert beat not in scene.messages
    scene.trade(2, 2)
    assert scene.ids == [1, 2, 3]
    assert scene.messages[-1] is beat
    scene.bring(2, heartbeat(4, last_trade_id=2), heartbeat(5, last_trade_id=3), heartbeat(6, last_trade_id=3))
    assert [each.time for each in scene.messages if each.type == "heartbeat"] == [beat.time, heartbeat(6).time]


# ---- books


@both_venues
def test_book_follows_one_connection_and_moves_at_a_snapshot(name: str) -> None:
    scene = Scene(name)
    of: dict[int, Any] = {1: {"venue": name, "time": 1}, 2: {"venue": name, "time": 2}}
    scene.bring(1, book(**of[1]))
    scene.bring(2, book(**of[2]), book_update(("buy", 1, 1), **of[2]))
    scene.bring(1, book_update(("buy", 2, 1), **of[1]))
    assert len(scene.messages) == 2
    scene.close(1)
    assert scene.of(SnapshotNeeded) == [SnapshotNeeded(PRODUCT, 2)]
    scene.bring(2, book_update(("buy", 3, 1), **of[2]))
    assert len(scene.messages) == 2
    again = book(**of[2])
    scene.bring(2, again, book_update(("buy", 4, 1), **of[2]))
    assert scene.of(BookMoved) == [BookMoved(PRODUCT, 2)]
    assert scene.messages[2] is again
    assert scene.epochs == [0, 0, 1, 1]
    scene.trade(2, 1)
    assert scene.epochs[-1] == 0


def test_book_moves_at_once_to_the_connection_that_replaces_one() -> None:
    scene = Scene(count=1)
    scene.bring(1, book())
    scene.machine.join(2, leaving=[1])
    scene.open(2)
    first, update = book(), book_update(("buy", 3, 1))
    scene.bring(2, first, update)
    scene.bring(1, book_update(("buy", 2, 1)))
    assert [each for each in scene.messages if each.product_id][1:] == [first, update]
    scene.out += scene.machine.leave(1)
    scene.bring(2, book_update(("buy", 5, 1)))
    assert set(scene.epochs) == {0}


@both_venues
def test_book_leaves_a_connection_that_is_silent_for_long(name: str) -> None:
    scene = Scene(name)
    of: dict[str, Any] = {"venue": name}
    scene.bring(1, book(**of))
    update = book_update(("buy", 2, 1), **of)
    scene.wait(60)  # a quiet market is no silence
    for _ in range(20):
        scene.bring(2, update)
        scene.wait(0.5)
        scene.bring(1, heartbeat(1, venue=name))  # pyright: ignore[reportArgumentType]
    assert scene.of(SnapshotNeeded) == []
    for _ in range(12):
        scene.bring(2, update)
        scene.wait(0.5)
    assert scene.of(SnapshotNeeded) == [SnapshotNeeded(PRODUCT, 2)]
    scene.bring(2, book(**of), update)
    assert scene.of(BookMoved) == [BookMoved(PRODUCT, 2)]
    assert scene.epochs[-2:] == [1, 1]


def test_book_that_may_have_missed_something_waits_for_a_snapshot() -> None:
    scene = Scene("coinbase_advanced")
    of: dict[str, Any] = {"venue": "coinbase_advanced"}
    scene.bring(1, book(**of))
    scene.out += scene.machine.lost(1, None)
    scene.trade(1, 1)
    snapshot = book(**of)
    scene.bring(2, snapshot)
    scene.bring(1, book_update(("buy", 2, 1), **of))
    assert scene.messages[-1] is snapshot
    assert [each.epoch for each in scene.of(Delivered) if each.message.product_id] == [0, 0, 1]


@both_venues
def test_interruptions_are_what_no_other_connection_brings(name: str) -> None:
    scene = Scene(name)
    machine = scene.machine
    scene.trade(1, 1)
    scene.close(1)
    scene.trade(2, 2)
    assert machine.interruptions == 0
    scene.open(1)
    scene.bring(1, book(venue=name))  # pyright: ignore[reportArgumentType]
    scene.close(1)
    assert machine.interruptions == 1  # its book
    scene.open(1)
    scene.bring(1, acknowledgement(name, []))
    scene.close(2)
    assert machine.interruptions == 2
