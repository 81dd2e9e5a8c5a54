"""Which messages each channel of the feed has: https://docs.cdp.coinbase.com/exchange/websocket-feed/channels."""

from __future__ import annotations

from collections.abc import Iterable

from rxfeed.market import Message
from rxfeed.venues.coinbase_exchange import messages as m

# The exchange acknowledges these under other names.
ALIASES = {"level2_50": "level2_batch", "ticker_1000": "ticker_batch"}

_BOOK = frozenset((m.Snapshot, m.L2Update))
_ORDERS = frozenset((m.Received, m.Open, m.Match, m.Change, m.Done, m.Activate))

CHANNELS: dict[str, frozenset[type[Message]]] = {
    "ticker": frozenset((m.Ticker,)),
    "ticker_batch": frozenset((m.Ticker,)),
    "matches": frozenset((m.Match, m.LastMatch)),
    "level2": _BOOK,
    "level2_batch": _BOOK,
    "level3": frozenset(
        (m.Level3Schema, m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop),
    ),
    "full": _ORDERS,
    "user": _ORDERS,
    "heartbeat": frozenset((m.Heartbeat,)),
    "auctionfeed": frozenset((m.Auction,)),
    "rfq_matches": frozenset((m.RfqMatch,)),
    "status": frozenset((m.Status,)),
    "balance": frozenset((m.Balance,)),
}
"""The types of each channel's messages, by the name for subscribing."""

OF_ONE_ACCOUNT = frozenset(("user", "balance"))
"""Channels with the messages of one account only."""


def types_of(channel: str) -> frozenset[type[Message]]:
    """The types of *channel*'s messages, by either of its names; empty for a channel that is not known.

    >>> sorted(kind.__name__ for kind in types_of("level2_50"))
    ['L2Update', 'Snapshot']
    """
    return CHANNELS.get(ALIASES.get(channel, channel), frozenset())


def channels_with(types: Iterable[type[Message]]) -> list[str]:
    """The channels that have messages of any of *types* or their subclasses.

    Those of one account are left out where another channel has such messages.

    >>> channels_with([m.Match]), channels_with([m.Balance]), channels_with([Unknown])
    (['matches', 'full'], ['balance'], [])
    """
    wanted = tuple(types)
    names = [name for name, kinds in CHANNELS.items() if any(issubclass(kind, wanted) for kind in kinds)]
    return [name for name in names if name not in OF_ONE_ACCOUNT] or names
