"""Several processes that play a recording: the outputs of one process, in its order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable
from reactivex import operators as ops

from rxfeed import (
    ConfigError,
    Feed,
    FeedClosed,
    Replay,
    candles,
    moved,
    order_book,
    record,
    rolling_volume,
    trades,
    window_volume,
)
from rxfeed.core import Late
from rxfeed.feed import Subscribed
from rxfeed.recording.workers import ReplayArguments, Study, merged_outputs, pickled, work
from rxfeed.sim import Exchange
from tests.support.make import match
from tests.support.segments import NS, lines_of, write

PRODUCTS = ["BTC-USD", "ETH-USD", "ADA-USD", "SOL-USD", "LTC-USD"]
CHANNELS = {
    "coinbase_exchange": ["matches", "ticker", "level2_batch", "heartbeat"],
    "coinbase_advanced": ["market_trades", "ticker", "level2", "heartbeats"],
}


# ---- studies, which another process can import


def volumes(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(trades(), window_volume(5))


def candles_of(seconds: int, source: Observable[Any]) -> Observable[Any]:
    return source.pipe(candles(seconds, empty=True))


def two_branches(source: Observable[Any]) -> Observable[Any]:
    return reactivex.merge(source.pipe(window_volume(7)), source.pipe(candles(7)))


def with_late(source: Observable[Any]) -> Observable[Any]:
    windows = window_volume(1)
    late: Observable[Late] = windows.late
    return reactivex.merge(source.pipe(windows), late)


def rolling(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(rolling_volume(10))


def moves(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(moved("0.01", within=10))


def tops(source: Observable[Any]) -> Observable[Any]:
    books = (source.pipe(order_book(product)) for product in PRODUCTS)
    return reactivex.merge(*books).pipe(ops.map(lambda view: (view.product_id, view.time, view.best_bid, view.mid)))


def everything(source: Observable[Any]) -> Observable[Any]:
    return source


def failing(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(ops.map(lambda message: 1 / 0))


def unsendable(source: Observable[Any]) -> Observable[Any]:
    return source.pipe(ops.map(lambda message: lambda: message))


STUDIES: list[Callable[[Any], Any]] = [
    volumes,
    partial(candles_of, 3),
    two_branches,
    with_late,
    rolling,
    moves,
    tops,
    everything,
]


def is_whole(status: object) -> bool:
    return isinstance(status, Subscribed) and not status.missing


@pytest.fixture(scope="module", params=list(CHANNELS))
def recording(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    with Exchange(PRODUCTS, venue=request.param, seed=3, auto=False) as exchange:
        feed = Feed(PRODUCTS, CHANNELS[request.param], venue=request.param, url=exchange.url)
        feed.pipe(record(folder)).subscribe()
        subscribed = threading.Event()
        feed.status.subscribe(lambda status: subscribed.set() if is_whole(status) else None)
        feed.connect()
        assert subscribed.wait(20)
        exchange.step(600)
        while feed.stats.frames < exchange.sent.frames:
            time.sleep(0.005)
        feed.close()
    return folder


def replayed(folder: Path, **arguments: Any) -> ReplayArguments:
    """The arguments of a worker's replay; those that are not given are the defaults of `Replay`."""
    whole: ReplayArguments = {
        "source": [str(folder)],
        "products": None,
        "since": None,
        "until": None,
        "merge": False,
        "patience": 5.0,
        "repaired": True,
        "venue": None,
    }
    return {**whole, **arguments}  # pyright: ignore[reportReturnType]  # of the same names


def by_shares(folder: Path, study: Callable[[Any], Any], workers: int, **arguments: Any) -> list[Any]:
    """What so many workers collect, one after the other in this process."""
    what = Study(replayed(folder, **arguments), pickled((study,)), workers)
    return merged_outputs([work(what, number) for number in range(workers)])


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: getattr(study, "__name__", "candles"))
def test_shares_have_the_outputs_of_one_process(recording: Path, study: Callable[[Any], Any]) -> None:
    expected = Replay(recording).collect(study)
    assert len(expected) > 3
    for workers in (2, 4):
        assert by_shares(recording, study, workers) == expected


def test_shares_of_a_selection_have_its_outputs(recording: Path) -> None:
    arguments: dict[str, Any] = {"products": PRODUCTS[1:4]}
    assert by_shares(recording, volumes, 3, **arguments) == Replay(recording, **arguments).collect(volumes)


def test_shares_of_merged_sessions_have_their_outputs(tmp_path: Path) -> None:
    raws = [match(9, trade_id=n // 2 + 1, time=n, product_id=PRODUCTS[n % 2]).raw for n in range(12)]
    for number, (session, missing) in enumerate([("5f0c2b7a", 3), ("5f0c2b7b", 8)]):
        write(tmp_path, lines_of(raws[:missing] + raws[missing + 1 :], ns=NS + number), session=session)
    expected = Replay(tmp_path, merge=True).collect(everything)
    assert len(expected) == 12
    assert by_shares(tmp_path, everything, 2, merge=True) == expected


def test_workers_collect_what_one_process_does(tmp_path: Path) -> None:
    """As for shares, with processes; the other tests do without, since each process takes a second to start."""
    raws = [match(9, trade_id=n // 3 + 1, time=n, product_id=PRODUCTS[n % 3]).raw for n in range(60)]
    write(tmp_path, lines_of(raws))
    one, many = Replay(tmp_path), Replay(tmp_path, workers=2)
    assert many.collect(two_branches) == one.collect(two_branches)
    assert many.stats.messages == one.stats.messages
    assert (many.stats.frames, many.stats.bytes) == (one.stats.frames, one.stats.bytes)
    with pytest.raises(FeedClosed):
        many.collect(two_branches)


def test_failure_of_a_pipeline_is_raised(tmp_path: Path) -> None:
    write(tmp_path, lines_of([match(9, trade_id=1).raw]))
    with pytest.raises(ZeroDivisionError):
        by_shares(tmp_path, failing, 2)


def test_outputs_that_cannot_be_sent_are_named(tmp_path: Path) -> None:
    write(tmp_path, lines_of([match(9, trade_id=1).raw]))
    with pytest.raises(ConfigError, match="an output cannot be sent"):
        by_shares(tmp_path, unsendable, 1)


def test_operators_that_cannot_be_sent_are_named(tmp_path: Path) -> None:
    write(tmp_path, lines_of([match(9, trade_id=1).raw]))
    with pytest.raises(ConfigError, match=r"workers: the operators cannot be sent .*give functions of a module"):
        Replay(tmp_path, workers=2).collect(lambda source: source)
    gone = pickled((volumes,)).replace(b"volumes", b"missing")
    with pytest.raises(ConfigError, match="workers: the operators cannot be imported"):
        work(Study(replayed(tmp_path), gone, 1), 0)


def test_replay_with_workers_is_for_collect_alone(tmp_path: Path) -> None:
    write(tmp_path, lines_of([match(9, trade_id=1).raw]))
    replay: Any = Replay(tmp_path, workers=2)
    for wrong in (replay.connect, replay.run, lambda: replay.subscribe(print), lambda: replay.pipe(trades()).collect()):
        with pytest.raises(ConfigError, match=r"workers: several processes play for `replay.collect"):
            wrong()
    with pytest.raises(ConfigError, match="seconds"):
        replay.collect(volumes, seconds=1)


@pytest.mark.parametrize(
    ("source", "arguments"),
    [("", {"speed": 2}), ("", {"count_items": True}), ([match(9)], {}), (reactivex.of(match(9)), {})],
)
def test_arguments_that_workers_do_not_have_are_named(tmp_path: Path, source: Any, arguments: dict[str, Any]) -> None:
    write(tmp_path, lines_of([match(9, trade_id=1).raw]))
    with pytest.raises(ConfigError, match="workers"):
        Replay(source or tmp_path, workers=2, **arguments)
    with pytest.raises(ConfigError, match="workers"):
        Replay(tmp_path, workers=0)
