"""The pipelines as simple loops, which do not detect missed or late messages.

Sums are exact if the thread's decimal context is. The outputs are right on a feed without faults, except for the first
and the last window, and are emitted at the next trade only.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from rxfeed.market import Message
from rxfeed.venues.coinbase_exchange.messages import ExchangeTicker, L2Update, Match, Snapshot

Out = Callable[[Any], object]
MINUTE = timedelta(seconds=60)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def window_volume(messages: Iterable[Message], out: Out) -> None:
    """`[product_id, start, bought, sold, notional, count]`."""
    windows: dict[str, list[Any]] = {}
    for message in messages:
        if type(message) is not Match:
            continue
        window = windows.get(message.product_id)
        if window is None or message.time >= window[1] + MINUTE:
            if window is not None:
                out(window)
            start = message.time - (message.time - _EPOCH) % MINUTE
            window = windows[message.product_id] = [message.product_id, start, Decimal(0), Decimal(0), Decimal(0), 0]
        window[2 if message.side == "sell" else 3] += message.size
        window[4] += message.price * message.size
        window[5] += 1
    for window in windows.values():
        out(window)


def candles(messages: Iterable[Message], out: Out) -> None:
    """`[product_id, start, open, high, low, close, volume, notional, count]`."""
    windows: dict[str, list[Any]] = {}
    for message in messages:
        if type(message) is not Match:
            continue
        price = message.price
        window = windows.get(message.product_id)
        if window is None or message.time >= window[1] + MINUTE:
            if window is not None:
                out(window)
            start = message.time - (message.time - _EPOCH) % MINUTE
            sums = (Decimal(0), Decimal(0), 0)
            window = windows[message.product_id] = [message.product_id, start, price, price, price, price, *sums]
        if price > window[3]:
            window[3] = price
        elif price < window[4]:
            window[4] = price
        window[5] = price
        window[6] += message.size
        window[7] += price * message.size
        window[8] += 1
    for window in windows.values():
        out(window)


def rolling_volume(messages: Iterable[Message], out: Out) -> None:
    """`(product_id, end, volume, notional, count)`, without high and low."""
    rolled: dict[str, list[Any]] = {}
    for message in messages:
        if type(message) is not Match:
            continue
        sums = rolled.get(message.product_id)
        if sums is None:
            sums = rolled[message.product_id] = [deque(), Decimal(0), Decimal(0)]
        end, size, worth = message.time, message.size, message.price * message.size
        trades, start = sums[0], end - MINUTE
        while trades and trades[0][0] <= start:
            _, gone, before = trades.popleft()
            sums[1] -= gone
            sums[2] -= before
        trades.append((end, size, worth))
        sums[1] += size
        sums[2] += worth
        out((message.product_id, end, sums[1], sums[2], len(trades)))


def crossing(levels: dict[str, Decimal], messages: Iterable[Message], out: Out) -> None:
    """`(product_id, direction, price)`."""
    sides: dict[str, bool] = {}
    for message in messages:
        if type(message) is ExchangeTicker and message.product_id in levels:
            price, level = message.price, levels[message.product_id]
            if price == level:
                continue
            above = price > level
            if sides.get(message.product_id, above) != above:
                out((message.product_id, "up" if above else "down", price))
            sides[message.product_id] = above


def moved(messages: Iterable[Message], out: Out) -> None:
    """`(product_id, before, price)`: moves by a percent within a minute."""
    held: dict[str, list[Any]] = {}
    for message in messages:
        if type(message) is not ExchangeTicker or message.time is None:
            continue
        time, price = message.time, message.price
        before = held.get(message.product_id)
        if before is None:
            held[message.product_id] = [price, deque(), deque()]
            continue
        last, lows, highs = before
        for prices, further in ((lows, last.__lt__), (highs, last.__gt__)):
            while prices and prices[0][1] <= time - MINUTE:
                prices.popleft()
            while prices and further(prices[-1][0]):
                prices.pop()
            prices.append((last, time))
        before[0] = price
        for extreme in (lows[0][0], highs[0][0]):
            if abs(price - extreme) * 100 >= extreme:
                out((message.product_id, extreme, price))
                lows.clear()
                highs.clear()
                break


def book(messages: Iterable[Message], out: Out) -> None:
    """`(product_id, best bid, best ask)`."""
    books: dict[str, dict[str, Any]] = {}
    for message in messages:
        if type(message) is Snapshot:
            sides = {"buy": dict(message.bids), "sell": dict(message.asks)}
            books[message.product_id] = sides | {"bids": sorted(sides["buy"]), "asks": sorted(sides["sell"])}
        elif type(message) is not L2Update:
            continue
        sides = books[message.product_id]
        for side, price, size in getattr(message, "changes", ()):
            sizes, prices = sides[side], sides["bids" if side == "buy" else "asks"]
            if size:
                if price not in sizes:
                    insort(prices, price)
                sizes[price] = size
            elif price in sizes:
                del sizes[price]
                del prices[bisect_left(prices, price)]
        bids, asks = sides["bids"], sides["asks"]
        out((message.product_id, bids[-1] if bids else None, asks[0] if asks else None))
