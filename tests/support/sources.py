"""A source of messages without a connection."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from reactivex import abc
from reactivex.scheduler import TimeoutScheduler

from rxfeed import FeedStatus, Malformed, Message, MessageSource
from rxfeed.feed import KeepalivePong
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.market import Origin, stamp
from rxfeed.venues.coinbase_exchange import ExchangeDecoder


def message(raw: bytes | str, received_ns: int = 1, epoch: int = 0) -> Message:
    """The message of the frame *raw*, as a feed emits it."""
    raw = raw.encode() if isinstance(raw, str) else raw
    made = ExchangeDecoder().decode(raw)
    assert isinstance(made, Message), made
    return stamp(made, Origin(raw, received_ns, epoch))


def tick(number: int, received_ns: int = 1) -> Message:
    """A ticker with *number* for its sequence."""
    return message(f'{{"type":"ticker","sequence":{number},"product_id":"BTC-USD","price":"1.50"}}', received_ns)


def match(number: int, received_ns: int = 1) -> Message:
    """A trade with *number* for its id, at the time of its receipt."""
    time = datetime.fromtimestamp(received_ns // 1000 / 1_000_000, UTC).isoformat()
    return message(
        f'{{"type":"match","sequence":{number},"trade_id":{number},"product_id":"BTC-USD","price":"1.50","size":"2","side":"buy","maker_order_id":"a","taker_order_id":"b",'
        f'"time":"{time}"}}',
        received_ns,
    )


class Said(MessageSource):
    """Emits *items*, each on its stream: messages, malformed frames, status events, pongs."""

    def __init__(self, items: Iterable[Any]) -> None:
        super().__init__(FeedStreams(1.0))
        self._items = items

    @property
    def scheduler(self) -> abc.SchedulerBase:
        return TimeoutScheduler.singleton()

    def _prepare(self) -> None:
        pass

    def _interrupt(self) -> None:
        pass

    def _work(self) -> Exception | None:
        streams = self._streams
        for item in self._items:
            if isinstance(item, Message):
                streams.router.deliver(streams.router.observers, item)
            elif isinstance(item, Malformed):
                streams.malformed.emit(item)
            elif isinstance(item, FeedStatus):
                streams.status.emit(item)
            elif isinstance(item, KeepalivePong):
                streams.keepalive.emit(item)
            else:
                return item
        return None
