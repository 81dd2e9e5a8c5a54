"""A recorded market for the examples: the folder that was given, or a new recording of the local exchange."""

from __future__ import annotations

import argparse
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rxfeed import Credentials, Feed, FeedStatus, Message, Reconnect, heartbeats, lift, record
from rxfeed.feed import Gap, Repaired, Subscribed
from rxfeed.market import AnyHeartbeat
from rxfeed.operators import Operator
from rxfeed.recording import Recorder
from rxfeed.venues import DEFAULT_VENUE, VENUES

START = datetime(2026, 1, 2, 6, tzinfo=UTC)
LOST, BACK = 0.597, 0.653  # fractions of the time: between them, no connection succeeds
KEY = Credentials("local", "bG9jYWw=", "local")  # valid for `level2` on the local exchange only


def record_market(
    folder: Path,
    product: str,
    hours: float,
    rate: float = 2.0,
    compose: Callable[[Feed], object] = lambda feed: None,
    venue: str = DEFAULT_VENUE,
    seed: int = 7,
) -> Recorder:
    """The recorder, when *hours* of the local exchange's time are in *folder*: *rate* orders a second, and an outage.

    They pass as fast as they can be received. *compose* may subscribe to the feed before it begins.
    """
    from rxfeed.sim import Exchange
    from rxfeed.sim.faults import Recover, Refuse

    logging.getLogger("rxfeed.feed.status").setLevel(logging.ERROR)  # the outage is intended, so it needs no warning
    seconds, over, healed, missed = round(3600 * hours), threading.Event(), threading.Event(), []
    key = KEY if venue == DEFAULT_VENUE else None  # the other venue's book needs none
    exchange = Exchange(
        [product], venue=venue, seed=seed, rate=rate, speed=None, auto=False, start=START, credentials=key
    )
    with exchange:
        feed = Feed(
            product,
            ["book", "trades", "ticker", "heartbeat"],
            venue=venue,
            url=exchange.url,
            credentials=key,
            reconnect=Reconnect(initial=0.1, maximum=0.1),
        )

        def watch(beat: AnyHeartbeat) -> None:
            if beat.time >= START + timedelta(seconds=seconds - 1):
                over.set()

        def follow(status: FeedStatus) -> None:
            # Trades are missing after the outage, so on Exchange the feed resubscribes to the book.
            if isinstance(status, Gap | Repaired):
                missed.append(status)
            elif isinstance(status, Subscribed) and not status.missing and missed:
                healed.set()

        recorder = record(folder)
        feed.pipe(recorder).subscribe()
        feed.status.subscribe(follow)
        compose(feed)
        feed.pipe(heartbeats()).subscribe(watch)
        with feed:
            exchange.wait_for_clients()
            exchange.advance(LOST * seconds)
            exchange.drain(60)
            exchange.inject(Refuse())
            exchange.disconnect(1001)
            exchange.advance((BACK - LOST) * seconds)
            exchange.inject(Recover())
            exchange.wait_for_clients(timeout=60)
            healed.wait(2)  # two seconds here, and half an hour in the exchange's time
            exchange.advance((1 - BACK) * seconds)
            exchange.drain(60)
            over.wait(60)
    return recorder


@contextmanager
def recording(
    folder: str | None, product: str, hours: float, rate: float = 2.0, venue: str = DEFAULT_VENUE, seed: int = 7
) -> Iterator[Path]:
    """*folder*, or if it is `None` the folder of a new recording of *venue*, which is deleted at the end."""
    if folder is not None:
        yield Path(folder)
        return
    with TemporaryDirectory() as made:
        print(f"recording {hours:g} h of the local exchange ...")
        record_market(Path(made), product, hours, rate, venue=venue, seed=seed)
        yield Path(made)


def add_venue(parser: argparse.ArgumentParser) -> None:
    """Add the option for the venue of a new recording; a recording has the name of its own."""
    parser.add_argument(
        "--venue",
        choices=tuple(VENUES),
        default=DEFAULT_VENUE,
        help=f"venue of a new recording (default: {DEFAULT_VENUE})",
    )


class Hole(NamedTuple):
    """A time without data: *start* is the last time before it, and *end* the first one after it."""

    start: datetime
    end: datetime


class Holes:
    """Outputs a `Hole` whenever messages of *product* may have been missed: its epoch has risen."""

    def __init__(self, product: str) -> None:
        self._product = product
        self._newest: datetime | None = None
        self._epoch: int | None = None

    def step(self, message: Message) -> tuple[Hole, ...]:
        # (The last trade before a subscription may be hours old, and a snapshot may have no time.)
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
    """Emit a `Hole` whenever messages of *product* may have been missed."""
    return lift(lambda: Holes(product))
