"""Signals: events of a price or a spread, from tickers and trades of a feed, or from the views of a book."""

from __future__ import annotations

from decimal import Decimal

from reactivex import operators as ops

from rxfeed.core import (
    MAX_AHEAD,
    PriceCross,
    PriceCrossing,
    Priced,
    PriceMove,
    PriceMoves,
    Seconds,
    SpreadWidening,
    WideSpread,
)
from rxfeed.operators.dated_ahead import reporting
from rxfeed.operators.lift import lift
from rxfeed.operators.source import MessageFilter, Operator, declare


def price_crossing(
    product_id: str, level: Decimal | str | int, *, hysteresis: Decimal | str | int = 0, once: bool = False
) -> Operator[Priced, PriceCross]:
    """Emit a `PriceCross` each time *product_id*'s price, of tickers, trades or a book's mid, moves across *level*.

        prices   --9--10--11--8--
        emitted  ---------up--down-       price_crossing("BTC-USD", 10)

        >>> import reactivex
        >>> from rxfeed import price_crossing
        >>> from rxfeed.testing import ticker
        >>> prices = [ticker(9), ticker(10), ticker(11), ticker(8)]
        >>> _ = reactivex.from_iterable(prices).pipe(price_crossing("BTC-USD", 10)).subscribe(
        ...     lambda c: print(c.direction, c.before, c.price))
        up 9 11
        down 11 8

    *hysteresis*: a price at most so far from the level, in the quote currency, is on neither side. Touching the level
    is not crossing it, and directions alternate. *once*: the stream completes with the first crossing. At a gap (a new
    epoch, a book that was not ready) the price before it still counts; then `spans_gap` is True, because the level may
    have been crossed more often. *level* is a Decimal, a str or an int above zero; a float raises `ConfigError`. Prices
    that are not above zero are skipped: for a product with negative prices, such as a spread, compare the prices in
    your own pipeline. O(1) a message.
    """

    def machine() -> PriceCrossing:
        return PriceCrossing(product_id, level, hysteresis=hysteresis, once=once)

    machine()
    message_filter = MessageFilter(PriceCrossing.accepts, frozenset([product_id]), "price_crossing", books=True)
    crossing = lift(machine, message_filter)
    return declare(lambda source: crossing(source).pipe(ops.take(1)), message_filter) if once else crossing


def moved(
    percent: Decimal | str | int, within: Seconds, *, max_ahead: Seconds | None = MAX_AHEAD
) -> Operator[Priced, PriceMove]:
    """Emit a `PriceMove` when a product's price has moved by *percent* or more within the last *within* seconds.

        prices   -100--104--105--106--
        emitted  -----------5%--------    moved(5, within=60)

        >>> import reactivex
        >>> from rxfeed import moved
        >>> from rxfeed.testing import ticker
        >>> prices = [ticker(100, time=0), ticker(104, time=20), ticker(105, time=40), ticker(106, time=50)]
        >>> _ = reactivex.from_iterable(prices).pipe(moved(5, within=60)).subscribe(
        ...     lambda m: print(m.direction, m.percent, m.before, m.price))
        up 5 100 105

    A price, of tickers, trades or a book's mid, is valid until the next one. So a jump after a quiet hour is compared
    with the price of an hour ago. After a move, the comparison restarts at its price. At a gap, the prices before it
    still count, and `spans_gap` of the move is True. Prices are skipped if they are older than the newest, not above
    zero, or dated more than *max_ahead* seconds after their receipt (60; `None`: no limit).
    Amortised O(1) a message for any *within*; memory: by the products and the prices of the last *within* seconds.
    """
    machine = reporting("moved", lambda: PriceMoves(percent, within, max_ahead=max_ahead))
    return lift(machine, MessageFilter(PriceMoves.accepts, None, "moved", books=True))


def spread_wider(
    than: Decimal | str | int, *, percent: bool = False, hysteresis: Decimal | str | int = 0, once: bool = False
) -> Operator[Priced, WideSpread]:
    """Emit a `WideSpread` when the spread of a product's best bid and ask, of tickers or a book, exceeds *than*.

        spread   -1--3--4--1--3--
        emitted  ----3--------3--         spread_wider(2)

        >>> import reactivex
        >>> from decimal import Decimal
        >>> from rxfeed import spread_wider
        >>> from rxfeed.testing import ticker
        >>> quotes = [ticker(10, best_bid=Decimal(9), best_ask=Decimal(ask)) for ask in (10, 12, 13, 10, 12)]
        >>> _ = reactivex.from_iterable(quotes).pipe(spread_wider(2)).subscribe(lambda w: print(w.spread, w.best_ask))
        3 12
        3 12

    *than* and *hysteresis* are in the quote currency, or with *percent* in percent of the mid. A spread that is wide at
    the start is emitted. The next one is emitted after the spread was at most *than* minus *hysteresis*; with *once*,
    there is no next one for that product. Quotes with an empty side, or with a price that is not above zero, are
    skipped. `spans_gap`: there was a gap since the quote before, so the spread may have been wide already. O(1) a
    message; memory: by the number of products.
    """

    def machine() -> SpreadWidening:
        return SpreadWidening(than, percent=percent, hysteresis=hysteresis, once=once)

    machine()
    return lift(machine, MessageFilter(SpreadWidening.accepts, None, "spread_wider", books=True))
