"""Which channels and products each of several collectors was receiving, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed import messages as m

Pair = tuple[str, str | None]
"""A channel and one of its products; `None` for a channel without products."""

LEVEL2 = frozenset(("level2", "level2_batch", "level2_50"))
ALIASES = {"level2_50": "level2_batch", "ticker_1000": "ticker_batch"}
"""Channels that the exchange acknowledges under another name than that of the request."""
# A missed heartbeat is no missed market data. Level2 is followed at one collector, not merged.
_NOT_MISSED = LEVEL2 | {"heartbeat"}
_ORDERS = (m.Received, m.Open, m.Change, m.Done)
# The channel of a message type, for collectors without an acknowledgement in the recording.
_CHANNELS: dict[type[m.Message], str] = {
    m.Match: "matches",
    m.LastMatch: "matches",
    m.Ticker: "ticker",
    m.Snapshot: "level2",
    m.L2Update: "level2",
    m.Heartbeat: "heartbeat",
    m.Auction: "auctionfeed",
    m.RfqMatch: "rfq_matches",
    m.Balance: "balance",
    m.Status: "status",
    **dict.fromkeys(_ORDERS, "full"),
    **dict.fromkeys((m.Level3Open, m.Level3Done, m.Level3Match, m.Level3Change, m.Level3Noop), "level3"),
}
CHANNELS_OF: dict[type[m.Message], frozenset[str]] = {
    **{kind: frozenset((channel,)) for kind, channel in _CHANNELS.items()},
    m.Match: frozenset(("matches", "full", "user")),
    m.Ticker: frozenset(("ticker", "ticker_batch")),
    **dict.fromkeys((m.Snapshot, m.L2Update), frozenset(("level2", "level2_batch"))),
    **dict.fromkeys((*_ORDERS, m.Activate), frozenset(("full", "user"))),
    m.Level3Schema: frozenset(("level3",)),
    m.Auction: frozenset(("auctionfeed", "auction")),
}
"""The channels that a message of a type can be from, by the names of requests."""


def by_subscribed_name(pair: Pair) -> Pair:
    """*pair* with the channel's name in requests."""
    channel, product = pair
    return ALIASES.get(channel, channel), product


class Collector:
    """The state of one collector."""

    __slots__ = ("acked", "epochs", "last_ns", "number", "over", "pairs", "silent", "stale", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.over = False
        self.last_ns = 0
        """The receipt of its newest item, which is later than that of the item that is processed."""
        self.pairs: set[Pair] = set()
        self.acked: frozenset[Pair] | None = None
        """The last acknowledgement on this connection."""
        self.silent: set[Pair] = set()
        """Those of which nothing comes, although the connection is open."""
        self.epochs: dict[str | None, int] = {}
        """Its last epoch of each product."""
        self.stale: dict[tuple[str, str], datetime] = {}
        """The numbered streams that restarted at another collector, and when: older messages are dropped."""

    def renewed(self) -> None:
        """The connection was closed or replaced."""
        self.acked = None
        self.epochs.clear()
        self.stale.clear()
        self.silent.clear()

    def subscribed(self, answer: m.Subscriptions) -> None:
        """Add the acknowledged pairs. One that lists fewer pairs than the last one removes the others."""
        acked = frozenset(
            (channel.name, product) for channel in answer.channels for product in channel.product_ids or (None,)
        )
        less = self.acked is not None and not acked >= self.acked
        self.pairs = set(acked) if less else self.pairs | acked
        self.acked = acked

    def saw(self, message: m.Message) -> bool:
        """True if *message* shows a subscription without an acknowledgement."""
        channel = _CHANNELS.get(type(message))
        if channel is None or self.acked is not None or (channel, message.product_id) in self.pairs:
            return False
        if isinstance(message, _ORDERS) and message.user_id is not None:
            channel = "user"
        self.pairs.add((channel, message.product_id))
        return True


class Coverage:
    """The state of all collectors."""

    def __init__(self) -> None:
        self._all: dict[int, Collector] = {}

    def collector(self, number: int) -> Collector:
        found = self._all.get(number)
        if found is None:
            found = self._all[number] = Collector(number)
        return found

    def others(self, collector: Collector) -> list[Collector]:
        return [each for each in self._all.values() if each is not collector]

    def receiving_at(self, collector: Collector, ns: int) -> list[Collector]:
        """The other collectors that were receiving at *ns*: those that are connected and received an item after *ns*.

        A broken connection that is not detected yet receives nothing. An item after *ns* shows that all items before it
        were received.
        """
        return [each for each in self.others(collector) if each.up and each.last_ns > ns]

    def connected(self) -> bool:
        return any(each.up for each in self._all.values())

    def settled(self) -> bool:
        """A collector is connected, and the subscriptions of all connected collectors are known."""
        return self.connected() and all(each.pairs for each in self._all.values() if each.up)

    def pairs(self) -> set[Pair]:
        return set().union(*(each.pairs for each in self._all.values() if not each.over))


def uncovered(pairs: Iterable[Pair], others: Iterable[Collector]) -> set[str | None]:
    """The products in *pairs* of which no collector in *others* was receiving the channel."""
    return {
        pair[1] for pair in pairs if pair[0] not in _NOT_MISSED and not any(covers(other, pair) for other in others)
    }


def covers(collector: Collector, pair: Pair) -> bool:
    """True if *collector* receives all messages of *pair*."""
    if pair in collector.silent:
        return False
    return pair in collector.pairs or (pair[0] == "matches" and ("full", pair[1]) in collector.pairs)
