"""A source of messages without a connection."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reactivex import abc
from reactivex.scheduler import TimeoutScheduler

from rxfeed import FeedStatus, KeepalivePong, Malformed, Message, MessageSource
from rxfeed.feed.outlets import Outlets
from rxfeed.market import Origin, stamp
from rxfeed.venues.coinbase_exchange import Decoder


def message(raw: bytes | str, received_ns: int = 1, epoch: int = 0) -> Message:
    """The message that *raw* is, as a feed hands it on."""
    raw = raw.encode() if isinstance(raw, str) else raw
    made = Decoder().decode(raw)
    assert isinstance(made, Message), made
    return stamp(made, Origin(raw, received_ns, epoch))


def tick(number: int, received_ns: int = 1) -> Message:
    """A ticker with *number* for its sequence."""
    return message(f'{{"type":"ticker","sequence":{number},"product_id":"BTC-USD","price":"1.50"}}', received_ns)


class Said(MessageSource):
    """Says *items*, each on its stream: messages, what is malformed, statuses, pongs."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(Outlets(1.0))
        self._items = items

    @property
    def scheduler(self) -> abc.SchedulerBase:
        return TimeoutScheduler.singleton()

    def _prepare(self) -> None:
        pass

    def _interrupt(self) -> None:
        pass

    def _work(self) -> Exception | None:
        outlets = self._outlets
        for item in self._items:
            if isinstance(item, Message):
                outlets.hub.deliver(outlets.hub.everybody(), item)
            elif isinstance(item, Malformed):
                outlets.malformed.emit(item)
            elif isinstance(item, FeedStatus):
                outlets.status.emit(item)
            elif isinstance(item, KeepalivePong):
                outlets.keepalive.emit(item)
            else:
                return item
        return None
