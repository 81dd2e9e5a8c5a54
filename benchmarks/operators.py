"""`python -m benchmarks.operators`: the cost of a message for each operator, by window length and products."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from reactivex.subject import Subject

from rxfeed.core import (
    Candles,
    DollarBars,
    LatestByProduct,
    PriceMoves,
    RunningImbalance,
    SlidingImbalance,
    SlidingVolume,
    SpreadWidening,
    Throttle,
    TickBars,
    TumblingVolume,
    VolumeBars,
)
from rxfeed.market import Message
from rxfeed.operators import by_product, tick_bars
from rxfeed.venues.coinbase_exchange.messages import ExchangeTicker, Match

Step = Callable[[Any], Any]

LENGTHS = (1, 10, 60, 600, 3600, 86400)
PRODUCTS = (1, 10, 100, 1000)

_NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def _by_product() -> Step:
    source: Subject[Message] = Subject()
    source.pipe(by_product(tick_bars(10), idle=60)).subscribe()
    return source.on_next


BY_LENGTH: dict[str, Callable[[float], Step]] = {
    "window_volume": lambda seconds: TumblingVolume(seconds).step,
    "window_volume, late by a minute": lambda seconds: TumblingVolume(seconds, lateness=60).step,
    "window_volume, lateness": lambda seconds: TumblingVolume(60, lateness=seconds).step,
    "candles": lambda seconds: Candles(seconds).step,
    "rolling_volume": lambda seconds: SlidingVolume(seconds).step,
    "trade_imbalance": lambda seconds: SlidingImbalance(seconds).step,
    "moved": lambda seconds: PriceMoves(50, seconds).step,
    "throttle_by_product": lambda seconds: Throttle(seconds).step,
}
ALL: dict[str, Callable[[], Step]] = {
    "window_volume": lambda: TumblingVolume(60).step,
    "candles": lambda: Candles(60).step,
    "rolling_volume": lambda: SlidingVolume(60).step,
    "trade_imbalance(60)": lambda: SlidingImbalance(60).step,
    "trade_imbalance": lambda: RunningImbalance().step,
    "tick_bars": lambda: TickBars(10).step,
    "volume_bars": lambda: VolumeBars(10).step,
    "dollar_bars": lambda: DollarBars(100_000).step,
    "moved": lambda: PriceMoves(50, 60).step,
    "spread_wider": lambda: SpreadWidening(5).step,
    "latest_by_product": lambda: LatestByProduct(60).step,
    "throttle_by_product": lambda: Throttle(1).step,
    "by_product(tick_bars)": _by_product,
}


def stream(products: int, count: int) -> list[Message]:
    """Alternating trades and tickers, ten a second of each product."""
    made: list[Message] = []
    for number in range(count):
        turn, product = divmod(number, products)
        # A price that moves up and down over many scales.
        price = Decimal(10_000 + turn * 7919 % 613 + turn % 1009)
        moment, name = _NOON + timedelta(milliseconds=100 * turn), f"P{product}-USD"
        if turn % 4:
            made.append(
                Match(
                    product_id=name,
                    trade_id=turn,
                    sequence=turn,
                    side="buy" if turn % 3 else "sell",
                    price=price,
                    size=Decimal("0.75"),
                    time=moment,
                    maker_order_id="",
                    taker_order_id="",
                )
            )
        else:
            spread = Decimal(turn % 11)
            made.append(
                ExchangeTicker(
                    product_id=name, sequence=turn, price=price, time=moment, best_bid=price, best_ask=price + spread
                )
            )
    return made


def nanoseconds(step: Step, messages: list[Message], known: int) -> float:
    """Nanoseconds a message, after the first message of each product."""
    rest = iter(messages)
    for message in islice(rest, known):
        step(message)
    started = time.perf_counter()
    for message in rest:
        step(message)
    return (time.perf_counter() - started) / (len(messages) - known) * 1e9


def calls(step: Step, messages: list[Message], known: int) -> float:
    """Function calls a message, of Python and of C, after the first message of each product: independent of time."""
    rest = iter(messages)
    for message in islice(rest, known):
        step(message)
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        for message in rest:
            step(message)
    finally:
        sys.setprofile(None)
    return count / (len(messages) - known)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.operators", description=__doc__)
    parser.add_argument("--messages", type=int, default=50_000, help="per run (default %(default)s)")
    parser.add_argument("--runs", type=int, default=3, help="of which the fastest counts (default %(default)s)")
    options = parser.parse_args()

    def fastest(make: Callable[[], Step], messages: list[Message], known: int) -> float:
        return min(nanoseconds(make(), messages, known) for _ in range(options.runs))

    print(f"{'ns a message, by seconds:':>32}" + "".join(f"{seconds:>10,}" for seconds in LENGTHS))
    messages = stream(1, options.messages)
    for name, of_length in BY_LENGTH.items():
        costs = [fastest(lambda: of_length(seconds), messages, 1) for seconds in LENGTHS]  # noqa: B023
        print(f"{name:>32}" + "".join(f"{cost:>10,.0f}" for cost in costs))
    print(f"{'ns a message, by products:':>32}" + "".join(f"{products:>10,}" for products in PRODUCTS))
    streams = [stream(products, options.messages) for products in PRODUCTS]
    for name, make in ALL.items():
        costs = [fastest(make, messages, 4 * products) for messages, products in zip(streams, PRODUCTS, strict=True)]
        print(f"{name:>32}" + "".join(f"{cost:>10,.0f}" for cost in costs))


if __name__ == "__main__":
    main()
