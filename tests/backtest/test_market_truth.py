"""Paper orders compared with a market that contains the real order, and properties that must always hold."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, groupby, pairwise
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import Match, Message
from rxfeed.backtest import PaperDone, PaperEvent, PaperFill, PaperMarket, PaperOpen
from rxfeed.core import BookView
from rxfeed.core.matching import SIZE_UNIT, MatchingEngine, Product, events, time_text
from rxfeed.market import Side
from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels
from rxfeed.sim.frames import Frame
from rxfeed.venues.coinbase_exchange.decode import ExchangeDecoder

BTC = "BTC-USD"
START = 1_767_355_200_000_000  # noon of 2 January 2026, in microseconds
BATCH = 50_000
UNIT = Decimal("0.00000001")  # so small that it changes nothing for others


class Op(NamedTuple):
    """What happens *pause* ms after the one before; *order* counts back to the resting order that is canceled."""

    pause: int
    kind: Literal["limit", "market", "cancel"]
    side: Side = "buy"
    price: int = 0
    size: int = 1
    order: int = 0


class RealMarket:
    """An engine, and the messages that describe its operations on *channel* and `matches`."""

    def __init__(self, channel: str = "level2") -> None:
        ids = count(1)
        self.micros = START
        self.messages: list[Message] = []
        self.offers: list[tuple[datetime, Decimal]] = []  # traded orders, and orders that rest
        self.mine: str | None = None
        self.filled: datetime | None = None  # when the test's order traded first
        self._orders: list[str] = []
        self._decoder = ExchangeDecoder()
        self._market: Any = SimpleNamespace(engines={}, publish=None, clock=lambda: time_text(self.micros))
        self.engine = self._market.engines[BTC] = MatchingEngine(
            Product(BTC), publish=self._publish, clock=self._market.clock, new_id=lambda: f"order-{next(ids)}"
        )
        for side, price in (("buy", 9_900), ("sell", 10_100)):
            self.engine.limit(side, price, SIZE_UNIT)  # type: ignore[arg-type]
        self.engine.market("buy", size=1)
        self._channels = ExchangeChannels(self._market)
        self._channels.join([(channel, BTC), ("matches", BTC), ("heartbeat", BTC)], self)

    def offer(self, frame: Frame) -> None:
        head = {126: 4, 127: 10}.get(frame.wire[1], 2)
        message = self._decoder.decode(frame.wire[head:])
        assert isinstance(message, Message)
        self.messages.append(message)

    def pass_time(self, millis: int) -> None:
        end = self.micros + 1_000 * millis
        for tick in range((self.micros // BATCH + 1) * BATCH, end + 1, BATCH):
            self.micros = tick
            self._channels.publish(events.TickEvent(tick))
        self.micros = end
        time, last = self._market.clock(), self.engine.last_trade_id
        beat = events.HeartbeatEvent(last_trade_id=last, product_id=BTC, sequence=self.engine.sequence, time=time)
        self._channels.publish(beat)  # so that every time is in a message

    def do(self, op: Op) -> None:
        if op.kind == "limit":
            self._orders.append(self.engine.limit(op.side, op.price, op.size * SIZE_UNIT))
        elif op.kind == "market":
            self.engine.market(op.side, size=op.size * SIZE_UNIT)
        elif resting := [order_id for order_id in self._orders if order_id in self.engine.orders]:
            self.engine.cancel(resting[-1 - op.order % len(resting)])

    def rest(self, side: Side, price: int) -> None:
        self.mine = self.engine.limit(side, price, 1)
        if self.mine not in self.engine.orders:
            self.filled = datetime.fromisoformat(self._market.clock())

    def _publish(self, event: Any) -> None:
        if isinstance(event, events.MatchEvent | events.OpenEvent):
            size = event.size if isinstance(event, events.MatchEvent) else event.remaining_size
            self.offers.append((datetime.fromisoformat(event.time), Decimal(size)))
        if isinstance(event, events.MatchEvent) and event.maker_order_id == self.mine:
            self.filled = datetime.fromisoformat(event.time)
        if self._market.publish is not None:
            self._market.publish(event)


def lived(script: list[Op], channel: str = "level2") -> RealMarket:
    world = RealMarket(channel)
    for op in script:
        world.pass_time(op.pause)
        world.do(op)
    world.pass_time(1_000)
    return world


def record(script: list[Op], channel: str = "level2") -> list[Message]:
    return lived(script, channel).messages


def changes_first(messages: list[Message]) -> list[Message]:
    """The messages with the book's changes before the trades of the same time, as the exchange mostly sends them."""
    return [
        message
        for _, moment in groupby(messages, key=lambda message: message.time)
        for message in sorted(moment, key=lambda message: isinstance(message, Match))
    ]


SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.integers(9_998, 10_002)
SIZES = st.integers(1, 5)


def ops(pauses: st.SearchStrategy[int], *kinds: str) -> st.SearchStrategy[list[Op]]:
    one = st.builds(Op, pauses, st.sampled_from(kinds), SIDES, PRICES, SIZES, st.integers(0, 60))
    return st.lists(one, min_size=1, max_size=40)


LIMITS = ops(st.integers(1, 30), "limit")
ALL = ops(st.sampled_from([0, 0, 1, 30]), "limit", "limit", "market", "cancel")
# One queue, of which orders leave at any place and takers take from the front.
JOIN = st.builds(Op, st.sampled_from([0, 1]), st.just("limit"), st.just("buy"), st.just(10_000), SIZES)
LEAVE = st.builds(Op, st.just(1), st.just("cancel"), order=st.integers(0, 4))
TAKE = st.builds(Op, st.just(1), st.just("limit"), st.just("sell"), st.just(10_000), st.integers(1, 3))
QUEUE = st.lists(st.one_of(JOIN, JOIN, LEAVE, TAKE), min_size=8, max_size=30)


def truth(script: list[Op], place: int, side: Side, price: int) -> RealMarket:
    """The market with the test's order in it, from the end of the time of *place* on."""
    world = RealMarket()
    for number, op in enumerate(script):
        if world.mine is None and number > place and op.pause:
            world.rest(side, price)
        world.pass_time(op.pause)
        world.do(op)
    if world.mine is None:
        world.rest(side, price)
    return world


def first_fill(messages: list[Message], sent: datetime, side: Side, price: int) -> datetime | None:
    """When a paper order that is sent at *sent* trades first."""
    market = PaperMarket(BTC)
    told: list[PaperEvent] = []
    ours = None
    for message in messages:
        told += market.step(message)
        if ours is None and market.time is not None and market.time >= sent:
            ours = market.limit(side, Decimal(price) / 100, UNIT)
    told += market.finish()
    assert ours is not None
    return next((event.time for event in told if isinstance(event, PaperFill)), None)


def moment_of(script: list[Op], place: int) -> datetime:
    micros = START + 1_000 * sum(op.pause for op in script[: place + 1])
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


@settings(deadline=None)
@given(LIMITS, st.integers(0, 39), SIDES, PRICES, st.booleans())
def test_paper_fills_equal_real_fills_without_cancels(
    script: list[Op], place: int, side: Side, price: int, swap: bool
) -> None:
    place %= len(script)
    messages = record(script)
    filled = first_fill(changes_first(messages) if swap else messages, moment_of(script, place), side, price)
    assert filled == truth(script, place, side, price).filled


@settings(deadline=None)
@given(
    st.one_of(st.tuples(ALL, SIDES, PRICES), st.tuples(QUEUE, st.just("buy"), st.just(10_000))),
    st.integers(0, 10),
    st.booleans(),
)
def test_paper_never_fills_before_the_real_order(scene: tuple[list[Op], Side, int], place: int, swap: bool) -> None:
    script, side, price = scene
    place %= len(script)
    messages = record(script)
    filled = first_fill(changes_first(messages) if swap else messages, moment_of(script, place), side, price)
    really = truth(script, place, side, price).filled
    assert filled is None or (really is not None and really <= filled)


# ---- properties


class Sent(NamedTuple):
    """An order sent after *after* messages; one without a price takes what there is, one without a size is a cancel."""

    after: int
    side: Side
    price: int | None
    size: int


SENT = st.builds(Sent, st.integers(0, 60), SIDES, st.none() | PRICES, st.integers(0, 5))
ORDERS = st.lists(SENT, max_size=12).map(lambda orders: sorted(orders, key=lambda order: order.after))


def trade(messages: list[Message], orders: list[Sent], latency: float = 0.0) -> Iterator[tuple[Any, PaperMarket]]:
    """Every event, in its order, and the market as it is then."""
    market = PaperMarket(BTC, latency=latency)
    queue = list(orders)
    for number, message in enumerate(messages):
        for event in market.step(message):
            yield event, market
        while queue and queue[0].after <= number and market.time is not None:
            side, price, size = queue.pop(0)[1:]
            if not size:
                market.cancel(f"paper-{number % 5}")
            elif price is None:
                market.market(side, size)
            else:
                market.limit(side, Decimal(price) / 100, size)
    for event in market.finish():
        yield event, market


CHANNELS = st.sampled_from(["level2", "level2_batch"])


@settings(deadline=None)
@given(ALL, CHANNELS, st.booleans())
def test_engine_without_paper_orders_holds_the_recorded_book(script: list[Op], channel: str, swap: bool) -> None:
    messages = record(script, channel)
    market = PaperMarket(BTC)
    for message in changes_first(messages) if swap else messages:
        before = market.book
        if message.time != market.time and before is not None:
            assert market.step(message) == ()
            assert_mirrored(market, before, exactly=channel == "level2")
        else:
            market.step(message)
    market.finish()
    assert market.book is not None
    assert_mirrored(market, market.book, exactly=True)


def assert_mirrored(market: PaperMarket, book: BookView, *, exactly: bool) -> None:
    """The engine's levels are the book's; in the time of a batch some may have been traded away already."""
    levels = market._engine.levels()
    if exactly:
        assert (levels["bids"], levels["asks"]) == (list(book.bids), list(book.asks))
    for mirrored, shown in ((levels["bids"], dict(book.bids)), (levels["asks"], dict(book.asks))):
        assert all(size <= shown[price] for price, size in mirrored)


@settings(deadline=None)
@given(ALL, ORDERS, CHANNELS, st.sampled_from([0.0, 0.001, 0.04]))
def test_fills_do_not_exceed_the_traded_size(
    script: list[Op], orders: list[Sent], channel: str, latency: float
) -> None:
    world = lived(script, channel)
    left: dict[str, Decimal] = {}
    done: set[str] = set()
    made = Decimal(0)
    sizes = iter([order.size for order in orders if order.size])
    sent = {f"paper-{number}": Decimal(size) for number, size in enumerate(sizes, 1)}
    for event, market in trade(world.messages, orders, latency):
        assert event.order_id not in done
        total = left.setdefault(event.order_id, sent[event.order_id])
        if isinstance(event, PaperFill):
            left[event.order_id] = total - event.size
            assert event.size > 0
            if event.maker:
                made += event.size
                assert made <= sum(size for time, size in world.offers if time <= event.time)
        assert event.remaining == left[event.order_id] >= 0
        if isinstance(event, PaperDone):
            done.add(event.order_id)
            assert (event.reason == "filled") == (event.remaining == 0)
        assert market.book is not None
        assert_below(market)


def assert_below(market: PaperMarket) -> None:
    """Fail if the engine has more at a price than the market shows."""
    for levels in market._queue._levels.values():
        for level in levels.values():
            assert 0 <= level.standing() <= max(level.shown, 0)


@settings(deadline=None)
@given(ALL, ORDERS, CHANNELS, st.sampled_from([0.0, 0.002]))
def test_second_run_is_equal(script: list[Op], orders: list[Sent], channel: str, latency: float) -> None:
    messages = record(script, channel)
    first, second = ([event for event, _ in trade(messages, orders, latency)] for _ in range(2))
    assert first == second


@settings(deadline=None)
@given(ALL, ORDERS, st.lists(st.integers(0, 90), min_size=2, max_size=4).map(sorted))
def test_latency_delays_arrival(script: list[Op], orders: list[Sent], millis: list[int]) -> None:
    messages = record(script)
    arrivals: list[dict[str, datetime]] = []
    for latency in millis:
        seen: dict[str, datetime] = {}
        for event, _ in trade(messages, orders, latency / 1_000):
            seen.setdefault(event.order_id, event.time)
        arrivals.append(seen)
    for fast, slow in pairwise(arrivals):
        assert slow.keys() <= fast.keys()
        assert all(fast[order_id] <= time for order_id, time in slow.items())
    assert list(trade(messages, orders, 10_000.0)) == []


def test_script_can_fill_an_order() -> None:
    """This shows that the comparisons above compare something."""
    script = [Op(1, "limit", "buy", 10_000, 2), Op(5, "limit", "sell", 10_000, 3), Op(5, "limit", "buy", 10_000, 2)]
    filled = first_fill(record(script), moment_of(script, 0), "buy", 10_000)
    assert filled == truth(script, 0, "buy", 10_000).filled == moment_of(script, 1)
    assert isinstance(next(event for event, _ in trade(record(script), [Sent(2, "buy", 10_000, 1)])), PaperOpen)
