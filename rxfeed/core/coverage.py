"""Which of several collectors was receiving what, and when."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rxfeed.market import Message
from rxfeed.venues.coinbase_exchange import messages as m

Pair = tuple[str, str | None]
"""A channel and one of its products; `None` for a channel that has none."""

LEVEL2 = frozenset(("level2", "level2_batch", "level2_50"))
ALIASES = {"level2_50": "level2_batch", "ticker_1000": "ticker_batch"}
"""The exchange acknowledges these channels under other names than those it takes."""
# A heartbeat is no market data: it is nobody's loss. The books by price are followed, not merged.
_NOT_MISSED = LEVEL2 | {"heartbeat"}
_ORDERS = (m.Received, m.Open, m.Change, m.Done)
# What a collector that does not say what it is subscribed to must be subscribed to.
_CHANNELS: dict[type[Message], str] = {
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
CHANNELS_OF: dict[type[Message], frozenset[str]] = {
    **{kind: frozenset((channel,)) for kind, channel in _CHANNELS.items()},
    m.Match: frozenset(("matches", "full", "user")),
    m.Ticker: frozenset(("ticker", "ticker_batch")),
    **dict.fromkeys((m.Snapshot, m.L2Update), frozenset(("level2", "level2_batch"))),
    **dict.fromkeys((*_ORDERS, m.Activate), frozenset(("full", "user"))),
    m.Level3Schema: frozenset(("level3",)),
    m.Auction: frozenset(("auctionfeed", "auction")),
}
"""The channels that bring messages of a type, by the names that a subscription takes."""


def by_subscribed_name(pair: Pair) -> Pair:
    """*pair* by the name that a subscription takes."""
    channel, product = pair
    return ALIASES.get(channel, channel), product


class Collector:
    """What is known of one of them."""

    __slots__ = ("acked", "epochs", "heard_ns", "number", "over", "pairs", "silent", "stale", "up")

    def __init__(self, number: int) -> None:
        self.number = number
        self.up = False
        self.over = False
        self.heard_ns = 0
        """The newest that has been read of it; it is ahead of what is being judged."""
        self.pairs: set[Pair] = set()
        self.acked: frozenset[Pair] | None = None
        """What it said last, on this connection, that it is subscribed to."""
        self.silent: set[Pair] = set()
        """Of which it said that nothing comes, though the connection stands."""
        self.epochs: dict[str | None, int] = {}
        """Its own epochs, as far as they were not looked into already."""
        self.stale: dict[tuple[str, str], datetime] = {}
        """The numbered streams that another collector saw begin anew, and when: what is older is of the old market."""

    def renewed(self) -> None:
        """Another connection, or none."""
        self.acked = None
        self.epochs.clear()
        self.stale.clear()
        self.silent.clear()

    def subscribed(self, answer: m.Subscriptions) -> None:
        """Answers come one by one while a connection subscribes; only one that lists less takes something away."""
        acked = frozenset(
            (channel.name, product) for channel in answer.channels for product in channel.product_ids or (None,)
        )
        less = self.acked is not None and not acked >= self.acked
        self.pairs = set(acked) if less else self.pairs | acked
        self.acked = acked

    def saw(self, message: Message) -> bool:
        """True where *message* shows a subscription that the collector did not tell of."""
        channel = _CHANNELS.get(type(message))
        if channel is None or self.acked is not None or (channel, message.product_id) in self.pairs:
            return False
        if isinstance(message, _ORDERS) and message.user_id is not None:
            channel = "user"
        self.pairs.add((channel, message.product_id))
        return True


class Coverage:
    """All of them."""

    def __init__(self) -> None:
        self._all: dict[int, Collector] = {}

    def collector(self, number: int) -> Collector:
        found = self._all.get(number)
        if found is None:
            found = self._all[number] = Collector(number)
        return found

    def others(self, collector: Collector) -> list[Collector]:
        return [each for each in self._all.values() if each is not collector]

    def at_work(self, collector: Collector, ns: int) -> list[Collector]:
        """The others that were receiving at *ns*: connected, and heard of again after it.

        A connection that is dead and does not know it brings nothing any more; what comes after *ns* shows that all
        before it came, too.
        """
        return [each for each in self.others(collector) if each.up and each.heard_ns > ns]

    def connected(self) -> bool:
        return any(each.up for each in self._all.values())

    def settled(self) -> bool:
        """Somebody is connected, and all who are have told what they are subscribed to."""
        return self.connected() and all(each.pairs for each in self._all.values() if each.up)

    def pairs(self) -> set[Pair]:
        return set().union(*(each.pairs for each in self._all.values() if not each.over))


def uncovered(pairs: Iterable[Pair], others: Iterable[Collector]) -> set[str | None]:
    """The products of which something in *pairs* may have been missed that none of *others* was receiving."""
    return {
        pair[1] for pair in pairs if pair[0] not in _NOT_MISSED and not any(covers(other, pair) for other in others)
    }


def covers(collector: Collector, pair: Pair) -> bool:
    """Whether what *collector* receives has all of *pair* in it."""
    if pair in collector.silent:
        return False
    return pair in collector.pairs or (pair[0] == "matches" and ("full", pair[1]) in collector.pairs)
