"""The pipelines as plain loops: specialised code for one task, without a library.

They have the guarantees of the operators (exact sums, epochs, heartbeats, late trades, limits of event time) and the
same outputs. The usual path of a message is inline in the loop; the rest is in
`benchmarks.states`. The caller of a loop has set `EXACT` as the thread's decimal context. `benchmarks.naive` has the
loops without the guarantees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from benchmarks.book_states import Book
from benchmarks.states import PRICED, Ahead, Candled, Crossing, Rolling, Traded, Watch, take
from rxfeed.core import Late
from rxfeed.core.numbers import ZERO
from rxfeed.venues.coinbase_exchange.messages import ExchangeHeartbeat, LastMatch, Match

MINUTE = timedelta(seconds=60)
Out = Callable[[Any], object]
S = TypeVar("S", bound=Watch)


def window_volume(messages: Iterable[Any], out: Out, late: Out) -> None:
    products: dict[str, Traded] = {}
    ahead = Ahead()
    for message in messages:
        if type(message) is Match:
            product = products.get(message.product_id)
            # Nearly every trade is in the window of the trade before it.
            if product and product.start <= message.time < product.until and message.epoch == product.epoch:
                if message.trade_id > product.known:
                    product.known = message.trade_id
                if message.side == "sell":
                    product.bought += message.size
                else:
                    product.sold += message.size
                product.notional += message.price * message.size
                product.count += 1
                continue
        _rarely(products, Traded, ahead, message, out, late)
    _finish(products, out)


def candles(messages: Iterable[Any], out: Out, late: Out) -> None:
    products: dict[str, Candled] = {}
    ahead = Ahead()
    for message in messages:
        if type(message) is Match:
            product = products.get(message.product_id)
            if product and product.start <= message.time < product.until and message.epoch == product.epoch:
                if message.trade_id > product.known:
                    product.known = message.trade_id
                price = message.price
                if price > product.high:
                    product.high = price
                elif price < product.low:
                    product.low = price
                place = (message.time, message.trade_id)
                if place >= product.last:
                    product.close, product.last = price, place
                elif place < product.first:
                    product.open, product.first = price, place
                product.volume += message.size
                product.notional += price * message.size
                product.count += 1
                continue
        _rarely(products, Candled, ahead, message, out, late)
    _finish(products, out)


def _rarely(products: dict[str, S], state: type[S], ahead: Ahead, message: Any, out: Out, late: Out) -> None:
    if not isinstance(message, Match | LastMatch | ExchangeHeartbeat):
        return
    product, outputs = take(products.get(message.product_id), state, message, MINUTE, ahead)
    if product is not None:
        products[message.product_id] = product
    for output in outputs:
        (late if type(output) is Late else out)(output)


def _finish(products: dict[str, S], out: Out) -> None:
    for product in products.values():
        for output in product.finish():
            out(output)


def rolling_volume(messages: Iterable[Any], out: Out, late: Out) -> None:
    products: dict[str, Rolling] = {}
    ahead = Ahead()
    for message in messages:
        if type(message) is Match:
            product = products.get(message.product_id)
            if product and product.newest <= message.time <= ahead.limit and message.epoch == product.epoch:
                if message.trade_id > product.known:
                    product.known = message.trade_id
                product.now = message.time
                out(product.add(message))
                continue
        elif type(message) is not LastMatch:
            continue
        _rarely(products, Rolling, ahead, message, out, late)


def crossing(product_id: str, level: Decimal, messages: Iterable[Any], out: Out) -> None:
    """Of one product; the side that the price is on is a local."""
    state = Crossing(product_id, level)
    above, epoch = False, None
    for message in messages:
        if message.product_id != product_id or type(message) not in PRICED:
            continue
        # An unchanged price crosses nothing.
        if message.epoch == epoch and (message.price > level if above else ZERO < message.price < level):
            state.before = message.price
            continue
        for output in state.take(message):
            out(output)
        above, epoch = state.side > 0, state.epoch if state.side and not state.gap else None


def crossings(levels: dict[str, Decimal], messages: Iterable[Any], out: Out) -> None:
    """Of many products."""
    states = {product_id: Crossing(product_id, level) for product_id, level in levels.items()}
    for message in messages:
        if type(message) in PRICED and (state := states.get(message.product_id)):
            for output in state.take(message):
                out(output)


def book(product_ids: Iterable[str], messages: Iterable[Any], out: Out, *, kept: bool) -> None:
    """Of one product or many; *kept*: the outputs do not change later, like the views of `order_book`."""
    books = {product_id: Book(product_id, kept=kept) for product_id in product_ids}
    for message in messages:
        state = books.get(message.product_id)
        if state is not None:
            for output in state.take(message):
                out(output)
