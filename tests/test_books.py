"""Books compared with those of the local exchange under faults, and on a real recording."""

from __future__ import annotations

import gzip
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.books import level2_run, level3_run
from rxfeed import Credentials, Feed, Message, Reconnect
from rxfeed.core.book import Level2Book
from rxfeed.core.book_snapshot import Level3Snapshot, NeedSnapshot, SnapshotFailed, SnapshotTaken
from rxfeed.core.book_view import BookView
from rxfeed.core.level3_book import Level3Book
from rxfeed.core.matching import TickEvent
from rxfeed.feed import Clock, rest_snapshot
from rxfeed.market import Origin, stamp
from rxfeed.operators.book import full_book, order_book
from rxfeed.sim import Exchange, faults
from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels
from rxfeed.sim.coinbase_exchange.rest import SimulatedExchangeRest
from rxfeed.sim.frames import Frame, payload_of
from rxfeed.sim.market import Market
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import RestRequest
from rxfeed.venues.coinbase_exchange import ExchangeDecoder, L2Update, Snapshot
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps
from tests.support.amounts import amount
from tests.support.collect import Collected

BTC, ETH = "BTC-USD", "ETH-USD"
SHARED = Path(__file__).parents[2] / "shared" / "data"
Shown = tuple[tuple[Any, ...], tuple[Any, ...]]


def shown(view: BookView) -> Shown:
    return view.bids, view.asks


def own(levels: dict[str, list[tuple[Decimal, Decimal]]]) -> Shown:
    return tuple(levels["bids"]), tuple(levels["asks"])


# ---- every message of a market, without sockets


class Line:
    """Connects one channel of one product to one book, with random faults and the epochs of a feed."""

    def __init__(self, lab: Lab, channel: str, dice: random.Random, every: int) -> None:
        self.lab, self.channel, self.dice, self.every = lab, channel, dice, every
        self.view: BookView | None = None
        self.breaks = self.compared = 0
        self._decode = ExchangeDecoder().decode
        self._continuity = ExchangeGaps()
        self._late: list[Message] = []
        self._away = 0
        self._need: NeedSnapshot | None = None
        self._answer_in = 0
        level3 = channel in ("full", "level3")
        self.book: Any = Level3Book(BTC) if level3 else Level2Book(BTC)
        self._fates = ["drop", "twice", "late", "away", "garbage"] if level3 else ["twice", "away"]
        self._subscribe()

    def _subscribe(self) -> None:
        self._continuity.watch([(self.channel, BTC), ("heartbeat", BTC)])
        self.lab.channels.join([(self.channel, BTC), ("heartbeat", BTC)], self)

    def offer(self, frame: Frame) -> None:
        message = self._decode(payload_of(frame.wire))
        assert isinstance(message, Message)
        fate = self.dice.choice(self._fates) if self.dice.random() * self.every < 1 else ""
        if fate == "away":
            self._away = self.dice.randrange(1, 30)
            self.lab.leave(self)
        elif fate == "garbage":
            self._continuity.interrupted()
        if fate == "late":
            self._late.append(message)
        elif fate not in ("drop", "away"):
            self._hear(message)
        if fate == "twice":
            self._hear(message)
        if self._late and not self.dice.randrange(3):
            self._hear(self._late.pop(0))

    def turn(self) -> None:
        """After every event: come back, or give the snapshot that is asked for."""
        if self._away:
            self._away -= 1
            if not self._away:
                self._late.clear()
                self._continuity.reconnected()
                self.breaks += 1
                self._subscribe()
        if self._need is not None:
            self._answer_in -= 1
            if self._answer_in <= 0:
                need, self._need = self._need, None
                if self.dice.random() < 0.2:
                    self._take(SnapshotFailed(need.request))
                else:
                    self._take(SnapshotTaken(need.request, self.lab.snapshot()))

    def _hear(self, message: Message) -> None:
        if not isinstance(message, Snapshot) and not self._continuity.step(message):
            return
        self._take(stamp(message, Origin(b"", 0, self._continuity.epoch(BTC))))

    def _take(self, item: Any) -> None:
        for output in self.book.step(item):
            if isinstance(output, NeedSnapshot):
                self._need, self._answer_in = output, self.dice.randrange(20)
            else:
                self.view = output

    def compare(self, book: Shown, *, whole: bool) -> None:
        """*book* is the exchange's own now; of level 3, also what it was at each of the last sequences."""
        view = self.view
        if view is None or not view.ready or self._away:
            return
        if view.sequence is not None:
            book = self.lab.books[view.sequence]
        elif not whole:
            return
        assert shown(view) == book
        assert not view.crossed
        self.compared += 1


class Lab:
    """A market, its channels, and its own book at every sequence."""

    def __init__(self, seed: int) -> None:
        market = Market([BTC], seed=seed, start=datetime(2026, 1, 1, tzinfo=UTC))
        self.market, self.channels = market, ExchangeChannels(market)
        self.engine = market.engines[BTC]
        self.books: dict[int, Shown] = {}
        self.events = 0
        self._rest = SimulatedExchangeRest(Simulation(market))
        self._leaving: list[Line] = []
        self._note()
        dice = random.Random(seed)
        every = {"level2": 400, "level2_batch": 60, "full": 150, "level3": 150}
        self.lines = [Line(self, channel, dice, often) for channel, often in every.items()]
        market.publish = self._publish

    def leave(self, line: Line) -> None:
        self._leaving.append(line)

    def snapshot(self) -> Level3Snapshot:
        answer = self._rest.answer(RestRequest("GET", f"/products/{BTC}/book", {"level": "3"}))
        return Level3Snapshot.of(answer.content)

    def _note(self) -> Shown:
        book = own(self.engine.levels())
        self.books[self.engine.sequence] = book
        self.books.pop(self.engine.sequence - 500, None)
        return book

    def _publish(self, event: Any) -> None:
        self.events += 1
        tick = isinstance(event, TickEvent)
        book = self.books[self.engine.sequence] if tick else self._note()
        self.channels.publish(event)
        for line in self._leaving:
            self.channels.leave([(line.channel, BTC), ("heartbeat", BTC)], line)
        self._leaving.clear()
        for line in self.lines:
            line.compare(book, whole=tick or line.channel == "level2")
        for line in self.lines:
            line.turn()


def compare_books(events: int, seed: int) -> None:
    lab = Lab(seed)
    while lab.events < events:
        lab.market.turn()
    for line in lab.lines:
        assert line.breaks > 0, line.channel
        assert line.compared > (0.02 if line.channel == "level2_batch" else 0.5) * lab.events, line.channel
    for line in lab.lines[2:]:
        stats = line.book.stats
        assert stats.gaps + stats.breaks > 10
        assert stats.contradictions == 0
        assert stats.snapshots > 10
        assert stats.failures > 0


@pytest.mark.timeout(240)  # all books after each message
def test_books_equal_the_exchange_after_every_message() -> None:
    compare_books(amount(6_000, thorough=15_000), seed=4)  # some 16,000 messages, or 40,000, over all channels


@pytest.mark.skipif(not os.environ.get("RXFEED_SOAK"), reason="takes minutes: set RXFEED_SOAK=1")
@pytest.mark.timeout(3600)
def test_books_equal_the_exchange_over_a_million_messages() -> None:
    compare_books(1_000_000, seed=5)


# ---- over real sockets

SIGNED = Credentials("key", "c2VjcmV0", "phrase")
ORDERS = {"open", "done", "change", "match", "received", "noop"}
KINDS = [
    faults.Drop(types=ORDERS),
    faults.Drop(3, types=ORDERS),
    faults.Duplicate(types=ORDERS | {"l2update"}),
    faults.Reorder(2, types=ORDERS),
    faults.Close(1001, "going away"),
    faults.Vanish(),
    faults.MalformedFrame(),
]


def test_books_over_sockets_with_faults() -> None:
    script = faults.randomly(11, every=250, kinds=KINDS)
    options: dict[str, Any] = {
        "credentials": SIGNED,
        "clock": Clock(speed=50),
        "reconnect": Reconnect(initial=0, maximum=0),
        "stale_after": None,
        "heartbeat_timeout": 1e9,
        "pong_timeout": 1e4,
    }
    # So few orders a second that each batch of 50 ms has at most one.
    with Exchange([BTC, ETH], seed=6, rate=2, auto=False, credentials=SIGNED, faults=script) as exchange:
        take = rest_snapshot(exchange.rest_url)
        at_once = Reconnect(initial=0, maximum=0)
        feeds = {
            name: Feed([BTC, ETH], [name, "heartbeat"], url=exchange.url, **options)
            for name in ("level2", "level2_batch", "full", "level3")
        }
        books: dict[tuple[str, str], Collected[Any]] = {}
        operators: list[Any] = []
        for name, feed in feeds.items():
            for product in (BTC, ETH):
                if name in ("full", "level3"):
                    operators.append(full_book(product, take, retry=at_once))
                    books[name, product] = Collected(feed.pipe(operators[-1]))
                else:
                    books[name, product] = Collected(feed.pipe(order_book(product)))
        for feed in feeds.values():
            feed.connect()
        try:
            exchange.wait_for_clients(len(feeds))
            for _ in range(12):
                exchange.step(100)
                exchange.advance(0.06)
                settle(exchange, books)
        finally:
            for feed in feeds.values():
                feed.close()
        assert sum(operator.stats.gaps + operator.stats.breaks for operator in operators) > 5
        assert sum(operator.stats.contradictions for operator in operators) == 0
        assert exchange.rest_requests >= sum(operator.stats.snapshots for operator in operators)
        assert len(exchange.log) > 20
        for got in books.values():
            assert got.completed
            assert any(not view.ready for view in got.items)


def settle(exchange: Exchange, books: dict[tuple[str, str], Collected[Any]], timeout: float = 20) -> None:
    """Until every book is the exchange's: what was dropped at the end shows with the next message only."""
    deadline = time.monotonic() + timeout
    while True:
        now = {product: own(exchange.book(product)) for product in (BTC, ETH)}
        patience = time.monotonic() + 0.25
        while wrong := [key for key, got in books.items() if not right(got, now[key[1]])]:
            if time.monotonic() > patience:
                break
            time.sleep(0.002)
        if not wrong:
            return
        assert time.monotonic() < deadline, [(key, books[key].items[-1:]) for key in wrong]
        # No sequence shows that a level 2 book is correct after a frame that cannot be read.
        if any(key[0].startswith("level2") and lost(books[key]) for key in wrong):
            exchange.disconnect(1001, "again")
        exchange.step(3)
        exchange.advance(0.06)


def right(got: Collected[Any], book: Shown) -> bool:
    return bool(got.items) and got.items[-1].ready and shown(got.items[-1]) == book


def lost(got: Collected[Any]) -> bool:
    return bool(got.items) and not got.items[-1].ready


def test_late_subscriber_to_a_quiet_book_gets_it_at_once() -> None:
    with Exchange([BTC], seed=6, auto=False, credentials=SIGNED) as exchange:
        feed = Feed(BTC, ["full", "level2", "heartbeat"], url=exchange.url, credentials=SIGNED)
        by_price, by_order = feed.pipe(order_book(BTC)), feed.pipe(full_book(BTC, rest_snapshot(exchange.rest_url)))
        first = [Collected(by_price), Collected(by_order)]
        with feed:
            exchange.wait_for_clients()
            exchange.step(5)
            for got in first:
                got.wait_for(lambda items: right_now(items, exchange))
            late = [Collected(by_price), Collected(by_order)]
            assert [got.items for got in late] == [got.items[-1:] for got in first]
            assert exchange.rest_requests == 1


def right_now(items: list[Any], exchange: Exchange) -> bool:
    return bool(items) and shown(items[-1]) == own(exchange.book(BTC))


# ---- what it costs


@pytest.mark.alone
@pytest.mark.parametrize("run", [level2_run, level3_run])
def test_cost_of_a_message_hardly_depends_on_depth(run: Callable[[int, int], float]) -> None:
    shallow = min(run(100, 2000) for _ in range(5))
    deep = min(run(30_000, 2000) for _ in range(3))
    # Three hundred times as deep: about twice as much, and more than a hundred times for what looks at the whole book.
    assert deep < 12 * shallow


# ---- a real recording


def recorded() -> Iterator[Message]:
    decode = ExchangeDecoder().decode
    with gzip.open(SHARED / "coinbase-exchange-2021-04-17.jsonl.gz", "rt") as lines:
        for line in lines:
            frame = json.loads(line)
            if frame["dir"] == "recv":
                message = decode(frame["data"].encode())
                assert isinstance(message, Message)
                yield message


@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder with the recordings is not beside the project")
def test_level2_books_of_a_real_recording() -> None:
    machines: dict[str, Level2Book] = {}
    models: dict[str, dict[str, dict[Decimal, Decimal]]] = {}
    updates = emitted = 0
    newest: dict[str, BookView] = {}
    for message in recorded():
        product = message.product_id
        if product is None:
            continue
        for view in machines.setdefault(product, Level2Book(product)).step(message):
            newest[product] = view
            emitted += 1
        if isinstance(message, Snapshot):
            models[product] = {"buy": dict(message.bids), "sell": dict(message.asks)}
        elif isinstance(message, L2Update):
            updates += 1
            for side, price, size in message.changes:
                models[product][side][price] = size
                if not size:
                    del models[product][side][price]
        else:
            continue
        model, view = models[product], newest[product]
        assert view.best_bid == max(model["buy"].items(), default=None)
        assert view.best_ask == min(model["sell"].items(), default=None)
        assert view.bids == tuple(sorted(model["buy"].items(), reverse=True))
        assert view.asks == tuple(sorted(model["sell"].items()))
        assert view.ready
        assert not view.crossed
    assert len(models) == 10
    assert updates == 6216
    assert emitted > 6000
