"""Merging the items of collectors, and what a test reads of the result."""

from __future__ import annotations

from typing import Any

from rxfeed import fold
from rxfeed.core import Merge, MergedItem, Missed, ReceivedItem
from rxfeed.market import Message, Origin, stamp
from rxfeed.venues.coinbase_exchange.merging import ExchangeMerging
from tests.support.collectors import together

BTC = "BTC-USD"
# Two receipts of one message differ by less than this: latencies, and the differences of the clocks.
PATIENCE = 2.0


def merged(*recorded: list[ReceivedItem], patience: float = PATIENCE) -> list[MergedItem]:
    return fold(Merge(ExchangeMerging(), patience), together(*recorded))


def messages(items: list[MergedItem], kind: Any = Message) -> list[Any]:
    """The messages of a merged stream, stamped with the epochs that it gives them."""
    return [
        stamp(copy_of(each.item), Origin(each.item.raw, each.ns, each.epoch))
        for each in items
        if isinstance(each.item, kind)
    ]


def copy_of(message: Any) -> Any:
    return type(message)(**{n: getattr(message, n) for n in message.__struct_fields__ if n != "_origin"})


def missed(items: list[MergedItem]) -> list[tuple[str | None, str, int, int]]:
    found = [each.item for each in items if isinstance(each.item, Missed)]
    return [(each.product_id, each.channel, each.first, each.last) for each in found]


def numbers(items: Any, kind: Any, product: str, name: str) -> list[int]:
    return [getattr(each, name) for each in items if isinstance(each, kind) and each.product_id == product]


def is_repaired(item: object) -> bool:
    return isinstance(item, Message) and item.repaired
