"""Pipelines at random, of all operators of rxfeed and some of reactivex."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from reactivex import Observable
from reactivex import operators as ops

from rxfeed import operators as rx
from rxfeed.market import Heartbeat, Ticker, Trade
from rxfeed.operators import select

PRODUCTS = ("BTC-USD", "ETH-USD")
# They depend on the reader's speed or a thread, or are no operators, so their results may differ between runs.
EXCLUDED = {"bounded", "full_book", "to_async_iterable"}


@dataclass(frozen=True)
class Step:
    """An operator, made for each pipeline, and its source text."""

    text: str
    make: Callable[[], Any] = field(compare=False, repr=False)


@dataclass(frozen=True, repr=False)
class Pipeline:
    steps: tuple[Step, ...]

    def over(self, source: Observable[Any]) -> list[Observable[Any]]:
        """What it emits, and the late streams of its operators."""
        made = [step.make() for step in self.steps]
        return [source.pipe(*made), *(each.late for each in made if isinstance(each, rx.WindowOperator))]

    def operator(self) -> Callable[[Observable[Any]], Observable[Any]]:
        return lambda source: source.pipe(*(step.make() for step in self.steps))

    def __repr__(self) -> str:
        return " | ".join(step.text for step in self.steps)


class _Between:
    """A user's machine: how many messages lie between two trades of a size above 1."""

    def __init__(self) -> None:
        self._between = 0

    def step(self, item: Any) -> tuple[int, ...]:
        self._between += 1
        if not isinstance(item, Trade) or item.size <= 1:
            return ()
        between, self._between = self._between, 0
        return (between,)

    def finish(self) -> tuple[int, ...]:
        return (self._between,)


def _step(name: str, **arguments: Any) -> Step:
    said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return Step(f"{name}({said})", lambda: getattr(rx, name)(**arguments))


def _steps(name: str, **arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.fixed_dictionaries(arguments).map(lambda drawn: _step(name, **drawn))


_seconds = st.sampled_from([0.05, 0.3, 1, 2.5, 60])
_lateness = st.sampled_from([0, 0.5, 3])
_product = st.sampled_from(PRODUCTS)
_products = st.sampled_from([None, *PRODUCTS, PRODUCTS])
_sizes = st.sampled_from(["0.01", "1", "2.5"]).map(Decimal)
_often = ("matches", "trades", "tickers", "heartbeats", "level2", "level3", "orders")
_seldom = ("last_matches", "auctions", "rfq_matches")

WINDOWS = st.one_of(
    _steps("window_volume", seconds=_seconds, lateness=_lateness, empty=st.booleans()),
    _steps("candles", seconds=_seconds, lateness=_lateness, empty=st.booleans()),
    _steps("rolling_volume", seconds=_seconds),
    _steps("trade_imbalance", seconds=st.none() | _seconds),
    _steps("tick_bars", trades=st.integers(1, 5)),
    _steps("volume_bars", volume=_sizes),
    _steps("dollar_bars", notional=st.sampled_from([100, 50_000])),
)
BOOKS = _steps("order_book", product_id=_product, depth=st.sampled_from([None, 1, 5]))
SIGNALS = st.one_of(
    _steps("price_crossing", product_id=_product, level=st.sampled_from([100, 2000, 60_000]), hysteresis=st.just(1)),
    _steps("moved", percent=st.sampled_from(["0.001", "0.1"]), within=_seconds),
    _steps("spread_wider", than=st.sampled_from(["0.01", "1"])),
)
THROTTLES = _steps("throttle_by_product", seconds=_seconds)
SELECTIONS: st.SearchStrategy[Step] = st.one_of(
    *(_steps(name, products=_products) for name in _often),
    st.one_of(
        *(_steps(name, products=_products) for name in _seldom),
        *(st.just(_step(name)) for name in ("balances", "statuses", "error_messages", "unknowns")),
    ),
    st.just(Step("select([Trade, Ticker])", lambda: select([Trade, Ticker]))),
    st.just(Step("lift(Between)", lambda: rx.lift(_Between))),
)
# The same mutable mapping at each emission: a subscriber that stores it needs a copy.
LATEST = _steps("latest_by_product", idle=st.none() | _seconds).map(
    lambda latest: Step(f"{latest.text} | map(dict)", lambda: lambda source: source.pipe(latest.make(), ops.map(dict)))
)


def _content(frame: Any) -> Any:
    return frame.schema, frame.rows()


# Frames are compared by what is in them.
FRAMES = _steps("to_frames", rows=st.sampled_from([None, 1, 7]), library=st.just("polars"), exact=st.booleans()).map(
    lambda made: Step(f"{made.text} | map(content)", lambda: lambda source: source.pipe(made.make(), ops.map(_content)))
)
STOCK = st.sampled_from(
    [
        Step("map(type name)", lambda: ops.map(lambda item: type(item).__name__)),
        Step("filter(even epoch)", lambda: ops.filter(lambda item: getattr(item, "epoch", 0) % 2 == 0)),
        Step("filter(complete)", lambda: ops.filter(lambda item: getattr(item, "complete", True))),
        Step("scan(count)", lambda: ops.scan(lambda count, _: count + 1, 0)),
        Step("distinct_until_changed()", lambda: ops.distinct_until_changed()),
        Step("distinct(repr)", lambda: ops.distinct(repr)),
        Step("pairwise()", lambda: ops.pairwise()),
        Step("take(20)", lambda: ops.take(20)),
        Step("skip(3)", lambda: ops.skip(3)),
        Step("buffer_with_count(7)", lambda: ops.buffer_with_count(7)),
    ]
)


@st.composite
def pipelines(draw: st.DrawFn, nested: bool = True) -> Pipeline:
    """Pipelines of messages and of results: each step accepts the outputs of the step before it."""
    before = draw(st.lists(THROTTLES | st.sampled_from(_MESSAGES), max_size=1))
    kind = draw(st.integers(0, 6 if nested else 4))
    match kind:
        case 0:
            made = [draw(WINDOWS), *draw(st.lists(FRAMES, max_size=1))]
        case 1:
            made = [draw(BOOKS), *draw(st.lists(SIGNALS | THROTTLES | LATEST, max_size=1))]
        case 2:
            made = [draw(SELECTIONS), *draw(st.lists(STOCK | FRAMES, max_size=1))]
        case 3:
            made = [draw(SIGNALS)]
        case 4:
            made = [draw(SELECTIONS), draw(WINDOWS | THROTTLES | LATEST)]
        case 5:
            inner, idle = draw(pipelines(nested=False)), draw(st.none() | _seconds)
            made = [Step(f"by_product({inner!r}, idle={idle})", lambda: rx.by_product(inner.operator(), idle=idle))]
        case _:
            made = [draw(LATEST | THROTTLES)]
    return Pipeline((*before, *made, *draw(st.lists(STOCK, max_size=2))))


_MESSAGES = [
    Step("filter(BTC-USD)", lambda: ops.filter(lambda message: getattr(message, "product_id", None) == "BTC-USD")),
    Step("filter(trades)", lambda: ops.filter(lambda message: isinstance(message, Trade | Heartbeat))),
]
