"""The operators that compute: each is a machine under `lift`, and its docstring is the machine's."""

from __future__ import annotations

from decimal import Decimal

from rxfeed.core import PriceCross, PriceCrossing, TumblingVolume, VolumeWindow
from rxfeed.messages import Message
from rxfeed.operators.lift import Operator, lift


def window_volume(seconds: float) -> Operator[Message, VolumeWindow]:
    """Emit a `VolumeWindow` for each product and each `[start, end)` of *seconds* in which it traded.

    Time is the trades' own, aligned to the Unix epoch: windows of 60 begin at whole minutes. A window goes out when the
    first trade past its end, or a heartbeat past it, arrives; the last ones when the stream ends. `complete` is False
    for a window that we came into the midst of, that a gap fell into, or that had not ended; a trade that comes after
    its window went out makes another, incomplete `VolumeWindow` of that span. `last_match` is no trade. O(1) a message.

        >>> trades = [match(time="12:00:10", size="2"), match(time="12:00:59", size="1"), match(time="12:01:00")]
        >>> for w in fold(TumblingVolume(60), trades):
        ...     print(w.start.time(), w.volume, w.complete)
        12:00:00 3 False
        12:01:00 1 False
    """
    TumblingVolume(seconds)  # so that bad seconds are told here, and not to each subscriber
    return lift(lambda: TumblingVolume(seconds), (TumblingVolume.looks_at, None))


def price_crossing(product_id: str, level: Decimal | str | int) -> Operator[Message, PriceCross]:
    """Emit a `PriceCross` each time *product_id*'s price, of tickers or trades, moves across *level*.

    Touching the level is not crossing it, and directions alternate. `spans_gap` marks a crossing between whose two
    prices something was missed. *level* is a Decimal, a str or an int: a float raises `ConfigError`. O(1) a message.

        >>> [c.direction for c in fold(PriceCrossing("BTC-USD", 10), [ticker(9), ticker(10), ticker(11), ticker(8)])]
        ['up', 'down']
    """
    PriceCrossing(product_id, level)
    return lift(lambda: PriceCrossing(product_id, level), (PriceCrossing.looks_at, frozenset([product_id])))
