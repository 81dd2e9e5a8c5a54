"""The `_id` of a message, equal for all writers at all times.

| message | `_id` |
|---|---|
| market trade, trade of a snapshot | `BTC-USD/market_trade/1068572090`, `BTC-USD/prior_trade/1068572090` |
| candle | `BTC-USD/candle/1786309500/5f0c2b7a90d1e3c4` (start, and a hash of its values) |
| order | `BTC-USD/order/<order id>/5f0c2b7a90d1e3c4` (a hash of its state) |
| snapshot, update of a book | `BTC-USD/l2_update/1786309548210883/5f0c2b7a90d1e3c4` (time, a hash of the levels) |
| any other | by its time, and a hash of its fields |

Numbers of a connection are no part of an id, because two connections number one message differently.
"""

from __future__ import annotations

from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from rxfeed.market import Message, microseconds
from rxfeed.venues.coinbase_advanced import messages as m
from rxfeed.venues.venue import by_content

_encode = msgspec.json.Encoder().encode


def message_id(message: Message) -> str:
    """The message's deterministic `_id`; the module's docstring has the rules."""
    if isinstance(message, m.MarketTrade | m.PriorMarketTrade):
        return f"{message.product_id}/{message.type}/{message.trade_id}"
    content = content_of(message)
    if isinstance(message, m.CandleUpdate):
        return f"{message.product_id}/candle/{microseconds(message.start) // 1_000_000}/{_digest(content)}"
    if isinstance(message, m.OrderUpdate):
        return f"{message.product_id}/order/{message.order_id}/{_digest(content)}"
    return by_content(message, content)


def content_of(message: Message) -> bytes:
    """The fields of *message* that are equal on every connection."""
    plain = message.unstamped
    if getattr(plain, "sequence_num", -1) != -1:
        plain = replace(plain, sequence_num=-1)
    if isinstance(plain, _WITHOUT_TIME):  # they have the time of the envelope
        plain = replace(plain, time=None)
    return _encode(plain)


_WITHOUT_TIME = (m.CandleUpdate, m.OrderUpdate)


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()
