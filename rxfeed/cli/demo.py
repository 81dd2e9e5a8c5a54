"""`rxfeed demo`: an exchange, a feed, its pipelines and a database on this machine, and a comparison of counts."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from rxfeed.cli.demo_metrics import demo_metrics
from rxfeed.cli.demo_state import DemoState
from rxfeed.cli.display import Display, PlainLines, Reading
from rxfeed.cli.mongo_url import VARIABLE, Document, MongoUrl
from rxfeed.cli.pipelines import compose
from rxfeed.cli.signals import on_signals
from rxfeed.cli.streams import is_screen, write_error, write_line
from rxfeed.cli.summary import Count, Summary
from rxfeed.cli.text import printable
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.feed import Feed
from rxfeed.operators import window_volume
from rxfeed.sim import Exchange, Ledger
from rxfeed.sim.mongod import Mongod

PRODUCTS = ("BTC-USD", "ETH-USD")
CHANNELS = ("ticker", "trades", "heartbeat", "book")  # common names, which each venue maps to its own
DATABASE = "rxfeed_demo"

_BY_TYPE = [{"$group": {"_id": "$type", "n": {"$sum": 1}}}]
_STARTING = 10.0
_ENDING = 15.0


# How the feed names what the exchange calls by channel and event.
_TYPES = {
    "market_trades/snapshot": "prior_trade",
    "market_trades/update": "market_trade",
    "l2_data/snapshot": "l2_snapshot",
    "l2_data/update": "l2_update",
    "ticker/snapshot": "ticker",
    "ticker/update": "ticker",
    "heartbeats": "heartbeat",
}


def run(options: argparse.Namespace) -> int:
    """The exit status of the demo: 0 if its counts agree."""
    if options.summary is not None and not options.summary.absolute().parent.is_dir():
        raise ConfigError(f"--summary: there is no folder {options.summary.absolute().parent}")
    window_volume(options.window)  # raises for an invalid width before anything is started
    mongo = MongoUrl.find(options.mongo, options.mongo_file, os.environ)
    end_requested: list[bool] = []  # a signal handler must not use an object with a lock
    with on_signals(lambda: end_requested.append(True)), _collection(mongo) as collection:
        with Exchange(PRODUCTS, venue=options.venue, seed=options.seed, rate=options.rate) as exchange:
            summary = _play(exchange, collection, options, lambda: bool(end_requested))
        write_line("\n".join(printable(line) for line in summary.text().splitlines()))
        if options.summary is not None:
            _write(options.summary, summary)
    return 0 if summary.ok else 1


def _play(
    exchange: Exchange, collection: Collection[Document], options: argparse.Namespace, ended: Callable[[], bool]
) -> Summary:
    count_items = options.metrics is not None
    feed = Feed(
        PRODUCTS,
        CHANNELS,
        venue=options.venue,
        url=exchange.url,
        ping_interval=1.0,
        reconnect=False,
        count_items=count_items,
    )
    state = DemoState(PRODUCTS)
    sink = compose(feed, collection, state, options.window)
    with demo_metrics(options.metrics, feed, sink, PRODUCTS):
        try:
            feed.connect()
            try:
                exchange.wait_for_clients(1, _STARTING)
            except TimeoutError as error:
                raise RxfeedError(state.problem or str(error)) from None
            started = time.monotonic()
            _show_until(lambda: ended() or state.problem is not None, feed, exchange, state, options.seconds)
            seconds = time.monotonic() - started
            exchange.pause()
            with suppress(TimeoutError):  # the counts show it
                exchange.drain(_ENDING)
            sent = exchange.sent
            least = _messages(sent)
            _wait_until(lambda: state.problem is not None or feed.stats.messages + feed.stats.malformed >= least)
        finally:
            feed.close()
    if not state.stored_all.wait(_ENDING):
        state.failed("the sink did not end in time")
    return _summary(sent, seconds, feed, state, collection)


def _summary(sent: Ledger, seconds: float, feed: Feed, state: DemoState, collection: Collection[Document]) -> Summary:
    try:
        stored = collection.count_documents({})
        by_type = {str(each["_id"]): each["n"] for each in collection.aggregate(_BY_TYPE)}
    except PyMongoError as error:
        state.failed(f"the stored documents cannot be counted: {type(error).__name__}")
        stored, by_type = 0, {}
    sent_by_type: Counter[str] = Counter()
    for kind, count in sent.by_kind.items():
        sent_by_type[_TYPES.get(kind, kind)] += count
    received = {str(kind.__struct_config__.tag): count for kind, count in feed.stats.types.items()}
    return Summary(
        seconds=seconds,
        sent=_messages(sent),
        received=feed.stats.messages,
        stored=stored,
        malformed=feed.stats.malformed,
        by_type={
            kind: Count(sent_by_type[kind], received.get(kind, 0), by_type.get(kind, 0))
            for kind in sorted({*sent_by_type, *received, *by_type})
        },
        windows=state.window_count,
        complete_windows=state.complete_windows,
        trades=state.trades_in_windows,
        crossings=state.crossing_count,
        collection=collection.full_name,
        problem=state.problem,
    ).checked()


def _show_until(
    over: Callable[[], bool], feed: Feed, exchange: Exchange, state: DemoState, seconds: float | None
) -> None:
    started = time.monotonic()
    with Display() if is_screen() else PlainLines() as screen:
        while not over():
            elapsed = time.monotonic() - started
            if seconds is not None and elapsed >= seconds:
                return
            # The received count is read before the sent count, so that it is never larger.
            received, malformed = feed.stats.messages, feed.stats.malformed
            reading = Reading(exchange.url, elapsed, _messages(exchange.sent), received, malformed)
            screen.show(state, reading)
            time.sleep(0.2 if seconds is None else max(0.0, min(0.2, seconds - elapsed)))


def _messages(sent: Ledger) -> int:
    """The messages in all frames."""
    return sum(sent.by_kind.values())


def _wait_until(ready: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _ENDING
    while not ready() and time.monotonic() < deadline:
        time.sleep(0.005)


@contextmanager
def _collection(url: MongoUrl | None) -> Iterator[Collection[Document]]:
    """A new collection: on a temporary server, or on the server of *url*, where it stays."""
    if url is None:
        write_line("starting MongoDB ...")
        try:
            server = Mongod()
        except ConfigError as error:
            raise ConfigError(f"{error}: --mongo URL") from None
        with server, _new_collection(MongoUrl(server.uri, "the demo's own server")) as collection:
            yield collection
    else:
        with _new_collection(url) as collection:
            yield collection


@contextmanager
def _new_collection(url: MongoUrl) -> Iterator[Collection[Document]]:
    with url.client() as client:
        try:
            client.admin.command("ping")
        except PyMongoError as error:
            raise ConfigError(f"{url.source}: no usable MongoDB at this URL: {type(error).__name__}") from None
        if url.is_exposed:
            write_error(
                f"warning: --mongo: the list of processes shows the URL's password: use --mongo-file or {VARIABLE}"
            )
        yield client[DATABASE][f"run_{datetime.now(UTC):%Y%m%d_%H%M%S_%f}"]


def _write(file: Path, summary: Summary) -> None:
    try:
        file.write_bytes(summary.json())
    except OSError as error:
        raise ConfigError(f"--summary: {error}") from None
