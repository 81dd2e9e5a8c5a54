"""The `_id` of a message, equal for all writers at all times.

| message | `_id` |
|---|---|
| match, last_match, rfq_match with a trade id | `BTC-USD/match/1081862675` |
| ticker with a sequence | `BTC-USD/ticker/37475248783` |
| received, open, done, change of `full` | `BTC-USD/full/open/38292760991` (by sequence) |
| of `level3` | `BTC-USD/level3/open/57560479456` (by sequence) |
| heartbeat | `BTC-USD/heartbeat/1790733802000000/136999334560` (time in Unix microseconds, sequence) |
| any other with a time: l2update, snapshot, auction, balance | `BTC-USD/l2update/1787628957198335/5f0c2b7a90d1e3c4` |
| any other: subscriptions, error, status, unknown | `subscriptions/1787628957200123456/5f0c2b7a90d1e3c4` |

If a message has no id of its own, the last part is a hash of the frame. With the exchange's time before it, the `_id`
is equal for all recorders that received the same bytes. With the receipt (Unix nanoseconds) before it, each recorder
stores the message once. A `match` and the `last_match` of the same trade are two messages, since the second is no new
trade. The user's own messages (those with a user or profile id) have `user/<that id>/` after the product.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from rxfeed.market import EPOCH, MICROSECOND, Message, microseconds
from rxfeed.venues.coinbase_exchange import messages as m


def message_id(message: Message) -> str:
    """The message's deterministic `_id`; the module's docstring has the rules.

    >>> from rxfeed.testing import trade
    >>> from rxfeed.venues import message_id
    >>> message_id(trade(trade_id=7))
    'BTC-USD/match/7'
    """
    return _RULES.get(type(message), _by_content)(message)


def _by_content(message: Message) -> str:
    digest = blake2b(message.raw, digest_size=8).hexdigest()
    at = message.received_ns if message.time is None else microseconds(message.time)
    what = f"{message.type}/{at}/{digest}"
    return what if message.product_id is None else f"{message.product_id}/{what}"


def _by_trade(kind: str) -> Callable[[m.Match | m.LastMatch], str]:
    def rule(message: m.Match | m.LastMatch) -> str:
        owner = message.user_id or message.profile_id
        if owner is None:
            return f"{message.product_id}/{kind}/{message.trade_id}"
        return f"{message.product_id}/user/{owner}/{kind}/{message.trade_id}"

    return rule


def _by_sequence(kind: str) -> Callable[[m.Received | m.Open | m.Done | m.Change], str]:
    def rule(message: m.Received | m.Open | m.Done | m.Change) -> str:
        owner = message.user_id or message.profile_id
        if message.sequence is None:
            return _by_content(message)
        if owner is None:
            return f"{message.product_id}/full/{kind}/{message.sequence}"
        return f"{message.product_id}/user/{owner}/{kind}/{message.sequence}"

    return rule


def _of_level3(
    kind: str,
) -> Callable[[m.Level3Open | m.Level3Done | m.Level3Match | m.Level3Change | m.Level3Noop], str]:
    return lambda message: f"{message.product_id}/level3/{kind}/{message.sequence}"


def _l2update(message: m.L2Update) -> str:
    if message.time is None:
        return _by_content(message)
    # As _by_content, but faster, since most messages of a feed are of this type.
    digest = blake2b(message.raw, digest_size=8).hexdigest()
    return f"{message.product_id}/l2update/{(message.time - EPOCH) // MICROSECOND}/{digest}"


def _ticker(message: m.ExchangeTicker) -> str:
    if message.sequence is None:
        return _by_content(message)
    return f"{message.product_id}/ticker/{message.sequence}"


def _heartbeat(message: m.ExchangeHeartbeat) -> str:
    return f"{message.product_id}/heartbeat/{microseconds(message.time)}/{message.sequence}"


def _rfq_match(message: m.RfqMatch) -> str:
    if message.trade_id is None:
        return _by_content(message)
    return f"{message.product_id}/rfq_match/{message.trade_id}"


_RULES: dict[type, Callable[[Any], str]] = {
    m.Match: _by_trade("match"),
    m.LastMatch: _by_trade("last_match"),
    m.RfqMatch: _rfq_match,
    m.ExchangeTicker: _ticker,
    m.L2Update: _l2update,
    m.ExchangeHeartbeat: _heartbeat,
    m.Received: _by_sequence("received"),
    m.Open: _by_sequence("open"),
    m.Done: _by_sequence("done"),
    m.Change: _by_sequence("change"),
    m.Level3Open: _of_level3("open"),
    m.Level3Done: _of_level3("done"),
    m.Level3Match: _of_level3("match"),
    m.Level3Change: _of_level3("change"),
    m.Level3Noop: _of_level3("noop"),
}
