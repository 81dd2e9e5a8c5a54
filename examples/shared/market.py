"""A recorded market to try things on: where no folder is given, the local exchange plays one and it is recorded."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rxfeed import Credentials, Feed, FeedStatus, Heartbeat, Message, Reconnect, Recorder, heartbeats, lift, record
from rxfeed.feed import Gap, Subscribed
from rxfeed.operators import Operator
from rxfeed.sim import Exchange
from rxfeed.sim.faults import Recover, Refuse

START = datetime(2026, 1, 2, 6, tzinfo=UTC)
LOST, BACK = 0.597, 0.653  # parts of the time: between them no connection succeeds
KEY = Credentials("local", "bG9jYWw=", "local")  # opens `level2` on the local exchange, and nothing else


def record_market(
    folder: Path, product: str, hours: float, rate: float = 2.0, compose: Callable[[Feed], object] = lambda feed: None
) -> Recorder:
    """The recorder, when *hours* of the local exchange's time are in *folder*: *rate* orders a second, and an outage.

    They pass as fast as they can be received. *compose* may subscribe to the feed before it begins.
    """
    logging.getLogger("rxfeed.feed.status").setLevel(logging.ERROR)  # the outage is a part of the plan: no warning
    seconds, over, healed, missed = round(3600 * hours), threading.Event(), threading.Event(), []
    exchange = Exchange([product], seed=7, rate=rate, speed=None, auto=False, start=START, credentials=KEY)
    channels = ["level2", "matches", "ticker", "heartbeat"]
    with exchange:
        feed = Feed(product, channels, url=exchange.url, credentials=KEY, reconnect=Reconnect(initial=0.1, maximum=0.1))

        def watch(beat: Heartbeat) -> None:
            if beat.time >= START + timedelta(seconds=seconds):
                over.set()

        def follow(status: FeedStatus) -> None:
            # Trades are missing after the outage, so the feed asks for the book anew.
            if isinstance(status, Gap):
                missed.append(status)
            elif isinstance(status, Subscribed) and not status.missing and missed:
                healed.set()

        recorder = record(folder)
        feed.pipe(recorder).subscribe()
        feed.status.subscribe(follow)
        compose(feed)
        feed.pipe(heartbeats(product)).subscribe(watch)
        with feed:
            exchange.wait_for_clients()
            exchange.advance(LOST * seconds)
            exchange.drain(60)
            exchange.inject(Refuse())
            exchange.disconnect(1001)
            exchange.advance((BACK - LOST) * seconds)
            exchange.inject(Recover())
            exchange.wait_for_clients(timeout=60)
            healed.wait(2)  # a moment for us, and half an hour at the pace of this exchange
            exchange.advance((1 - BACK) * seconds)
            over.wait(60)
    return recorder


@contextmanager
def recording(folder: str | None, product: str, hours: float, rate: float = 2.0) -> Iterator[Path]:
    """*folder*, or where none is given a recording that is made now, and gone afterwards."""
    if folder is not None:
        yield Path(folder)
        return
    with TemporaryDirectory() as made:
        print(f"recording {hours:g} h of the local exchange ...")
        record_market(Path(made), product, hours, rate)
        yield Path(made)


class Hole(NamedTuple):
    """Nothing is known between *start*, the last time before it, and *end*, the first one after it."""

    start: datetime
    end: datetime


class Holes:
    """Outputs a `Hole` wherever something may have been missed of *product*: its epoch has risen."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._newest: datetime | None = None
        self._epoch: int | None = None

    def step(self, message: Message) -> tuple[Hole, ...]:
        # (The last trade before a subscription may be hours old, and a snapshot need not have a time.)
        if message.product_id != self._product or message.time is None:
            return ()
        if self._newest is not None and message.time <= self._newest:
            return ()
        before, self._newest = self._newest, message.time
        broken, self._epoch = self._epoch not in (None, message.epoch), message.epoch
        return (Hole(before, message.time),) if broken and before is not None else ()

    def finish(self) -> tuple[Hole, ...]:
        return ()


def holes(product: str) -> Operator[Message, Hole]:
    """Emit a `Hole` wherever something may have been missed of *product*."""
    return lift(lambda: Holes(product))
