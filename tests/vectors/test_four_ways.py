"""Each table in five ways, on both venues: each time the same.

As a plain fold, through Rx from memory, on a live feed, over two replays of one recording, and over a tape of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reactivex
from reactivex import Observable, abc
from reactivex import operators as ops

from rxfeed import Feed, Replay
from rxfeed.core import Late
from rxfeed.operators import WindowOperator
from rxfeed.recording.format import frame_line
from rxfeed.sim import Exchange
from rxfeed.sim.nats_server import NatsServer, find_nats_server
from rxfeed.tape import NatsFeed, to_nats
from tests.support.collect import Collected
from tests.support.segments import NS, write
from tests.vectors import signals, windows
from tests.vectors.advanced import on_advanced
from tests.vectors.table import BTC, ETH, Vector

BOTH = windows.VECTORS + signals.VECTORS
VECTORS = BOTH + on_advanced(BOTH)
# On a tape each vector on one of the venues, and with RXFEED_SOAK=1 on both.
TAPED = VECTORS if os.environ.get("RXFEED_SOAK") else BOTH[::2] + on_advanced(BOTH)[1::2]
CHANNELS = ["trades", "heartbeat", "ticker"]


def folded(vector: Vector) -> list[str]:
    machine = vector.machine()
    # Shown at once, since the mapping changes later.
    rows = [vector.row(output) for message in vector.messages for output in machine.step(message)]
    return rows + [vector.row(output) for output in machine.finish()]


def through_rx(vector: Vector, source: Observable[Any]) -> Collected[str]:
    """The outputs of the operator, with the late trades in their order among them."""
    operator = vector.operator()
    rows = source.pipe(operator, ops.map(vector.row))
    if not isinstance(operator, WindowOperator):
        return Collected(rows)
    late: Observable[Late] = operator.late

    def subscribe(observer: abc.ObserverBase[str], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        late.subscribe(lambda item: observer.on_next(vector.row(item)))
        return rows.subscribe(observer, scheduler=scheduler)

    return Collected(reactivex.Observable(subscribe))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors_as_a_plain_fold(vector: Vector) -> None:
    assert folded(vector) == vector.rows


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors_from_memory(vector: Vector) -> None:
    got = through_rx(vector, reactivex.from_iterable(vector.messages))
    got.wait_for_end()
    assert got.completed
    assert got.items == vector.rows


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_vectors_from_a_recording(vector: Vector, tmp_path: Path) -> None:
    received_ns = NS + 86400 * 10**9  # after all of it
    write(tmp_path, [frame_line(raw, received_ns, epoch) for raw, epoch in vector.frames], venue=vector.venue)
    for _ in range(2):
        replay = Replay(tmp_path)
        got = through_rx(vector, replay)
        replay.serve()
        assert got.completed
        assert got.items == vector.rows


@pytest.fixture(scope="module")
def tapes() -> Iterator[NatsServer]:
    with NatsServer() as server:
        yield server


@pytest.mark.skipif(find_nats_server() is None, reason="no nats-server: neither on PATH nor from the `demo` extra")
@pytest.mark.parametrize("vector", TAPED, ids=lambda vector: vector.name)
def test_vectors_from_a_tape(vector: Vector, tmp_path: Path, tapes: NatsServer) -> None:
    write(tmp_path, [frame_line(raw, NS + 86400 * 10**9, epoch) for raw, epoch in vector.frames], venue=vector.venue)
    stream = f"vector{TAPED.index(vector)}"
    recording = Replay(tmp_path)
    published = Collected(recording.pipe(to_nats(tapes.url, stream=stream)))
    recording.serve()
    published.wait_for_end()
    feed = NatsFeed(tapes.url, stream=stream, venue=vector.venue, since="all", until="now")
    got = through_rx(vector, feed)
    feed.serve()
    assert got.completed
    assert got.items == vector.rows


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
@pytest.mark.parametrize("reads_all", [True, False], ids=["decoding all", "decoding by need"])
def test_vectors_on_a_live_feed(vector: Vector, reads_all: bool) -> None:
    frames = [raw for raw, _ in vector.frames]
    with Exchange.serving(frames, venue=vector.venue, then="close") as exchange:
        feed = Feed([BTC, ETH], CHANNELS, venue=vector.venue, url=exchange.url, reconnect=False)
        got = through_rx(vector, feed)
        epochs = Collected(feed.pipe(ops.map(lambda message: message.epoch))) if reads_all else None
        with feed:
            got.wait_for_end()
            if epochs is not None:
                epochs.wait_for_end()
    assert got.items == vector.rows
    if epochs is not None:
        assert epochs.items == [message.epoch for message in vector.messages]
