"""A pipeline emits the same values over a feed and over its recording, in the same order."""

from __future__ import annotations

import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reactivex import compose
from reactivex import operators as ops

from rxfeed import (
    AdvancedCredentials,
    Credentials,
    Feed,
    MessageSource,
    Reconnect,
    Replay,
    candles,
    full_book,
    matches,
    operators,
    order_book,
    record,
    rest_snapshot,
    rolling_volume,
)
from rxfeed.core import FullBookView
from rxfeed.feed import Clock, Ended, FeedStatus, Idle, RecordingTruncated
from rxfeed.sim import Exchange, faults, key_pair
from tests.support import pipelines as tried
from tests.support.amounts import amount
from tests.support.collect import Collected
from tests.support.pipelines import PRODUCTS, Pipeline, pipelines
from tests.support.recordings import recorded
from tests.support.sources import Said as messages_of
from tests.support.sources import match, tick

KEY = Credentials("key", "c2VjcmV0", "open sesame")
PAIR = key_pair("EdDSA")
SIGNED = AdvancedCredentials(PAIR.name, PAIR.private_key)
EXCHANGE, ADVANCED = "coinbase_exchange", "coinbase_advanced"
FAST = 100.0

KINDS = [
    *faults.KINDS,
    faults.ClockJump(7),
    faults.ClockJump(-4),
    faults.ClockJump(0.2),
    faults.Drop(20),
    faults.Masked(),
    faults.EarlyData(3),
    faults.OversizedFrame(5000),
    faults.MalformedFrame(b'{"type":"match","trade_id":"x"}'),
    faults.MalformedFrame(b'{"type":"news","text":"\xc3\xa9"}'),
]
OF_ADVANCED = [
    faults.Drop(types={"market_trades"}),
    faults.SkipSequence(2),
    faults.LateSnapshot(2),
    faults.RefusedChannel("level2", "too many L2 streams requested in a single session"),
    faults.MalformedFrame(b'{"channel":"l2_data","sequence_num":9,"events":[{"type":"update"}]}'),
    faults.MalformedFrame(b'{"channel":"news","events":[],"text":"\xc3\xa9"}'),
]
CHANNELS = [
    ["matches", "ticker", "heartbeat", "level2_batch"],
    ["full", "heartbeat", "level2"],
    ["matches", "full", "user", "heartbeat"],
    ["level3", "matches", "ticker_batch", "status"],
]
# Frames of Advanced Trade are batches: there are fewer of them for the same orders.
PLANS = {
    EXCHANGE: [(channels, every) for channels in CHANNELS for every in (100, 300, 1000, 10_000)],
    ADVANCED: [
        (channels, every)
        for channels in (
            ["market_trades", "ticker", "heartbeats", "level2"],
            ["level2", "market_trades", "user", "candles"],
        )
        for every in (15, 60, 1000)
    ],
}


class Said:
    """Everything that pipelines emit over a source, and that the source itself emits."""

    def __init__(self, source: MessageSource, chosen: Iterable[Pipeline]) -> None:
        self._streams = [[Collected(stream) for stream in each.over(source)] for each in chosen]
        self._all: list[Any] = []
        for stream in (source, source.status, source.malformed):
            stream.subscribe(self._all.append, on_error=lambda error: None)

    def by_pipeline(self) -> list[list[tuple[list[Any], str, bool]]]:
        return [[(each.items, repr(each.error), each.completed) for each in streams] for streams in self._streams]

    def by_source(self) -> list[Any]:
        """Messages, statuses and malformed frames in order; an exception as its text."""
        return [
            str(item) + str(item.at) if isinstance(item, FeedStatus) else item
            for item in self._all
            if not isinstance(item, Idle | Ended)
        ]


def live(
    folder: Path, every: float, channels: list[str], seed: int, chosen: Sequence[Pipeline], venue: str = EXCHANGE
) -> Said:
    """What pipelines emit over a feed while it is recorded, with one fault in about *every* frames."""
    advanced = venue == ADVANCED
    script = faults.randomly(seed, every=every, kinds=[*KINDS, *OF_ADVANCED] if advanced else KINDS)
    keys: dict[str, Any] = {"public_keys": {PAIR.name: PAIR.public_key}} if advanced else {"credentials": KEY}
    with Exchange(PRODUCTS, venue=venue, seed=seed, auto=False, faults=script, **keys) as exchange:
        exchange.step(100)
        feed = Feed(
            PRODUCTS,
            channels,
            venue=venue,
            url=exchange.url,
            credentials=SIGNED if advanced else KEY,
            reconnect=Reconnect(initial=0, maximum=0),
            stale_after=None,
            clock=Clock(speed=50),
            max_size=40_000 if advanced else 4000,
        )
        said = Said(feed, chosen)
        segments = Collected(feed.pipe(record(folder, segment_bytes=30_000, flush_seconds=0.05)))
        feed.connect()
        exchange.wait_for_clients(timeout=30)  # a busy machine connects late
        for _ in range(25):
            exchange.step(20)
            exchange.advance(0.3)
            time.sleep(0.002)
        exchange.drain()
        feed.close()
        segments.wait_for_end()
    return said


def replayed(folder: Path, chosen: Sequence[Pipeline], speed: float | None = None) -> Said:
    replay = Replay(folder, speed)
    said = Said(replay, chosen)
    replay.run()
    return said


@pytest.mark.timeout(300)  # the search for the smallest pipeline that fails takes long
@pytest.mark.parametrize("venue", PLANS)
@given(st.data())
@settings(max_examples=amount(2, thorough=15), deadline=None)
def test_live_and_replays_at_any_speed_are_equal(venue: str, data: st.DataObject) -> None:
    chosen = data.draw(st.lists(pipelines(), min_size=12, max_size=24))
    channels, every = data.draw(st.sampled_from(PLANS[venue]))
    seed = data.draw(st.integers(0, 1000))
    with tempfile.TemporaryDirectory() as folder:
        once = live(Path(folder), every, channels, seed, chosen, venue)
        for speed in (None, FAST, None):
            again = replayed(Path(folder), chosen, speed)
            assert again.by_source() == once.by_source()
            for pipeline, before, after in zip(chosen, once.by_pipeline(), again.by_pipeline(), strict=True):
                assert after == before, pipeline


# What other packages are made with, beside the operators.
MADE_WITH = {
    *(
        "at",
        "described",
        "filter_of",
        "first_filter",
        "hand_back",
        "is_handed_back",
        "leave",
        "note",
        "piped",
        "place_of_caller",
    ),
    *("remedy", "report_once", "rooted", "window_operator"),
}


def test_every_operator_is_in_the_random_pipelines() -> None:
    text = Path(tried.__file__).read_text()
    named = {name for name in operators.__all__ if name.islower()} - MADE_WITH
    assert {name for name in named if re.search(rf'"{name}"|\b{name}\(', text) is None} == set()
    assert named >= tried.EXCLUDED


# ---- weaker guarantees


def test_timed_operators_are_equal_over_every_replay(tmp_path: Path) -> None:
    # The recording ends now, and each time between the last message and its end is one for the timers.
    dice, ns, items = random.Random(5), time.time_ns() - 2 * 10**9, []
    for number in range(1, 300):
        ns += dice.choice((0, 500_000, 3_000_000, 12_000_000))
        items.append(tick(number, ns) if number % 3 else match(number, ns))
    recorded(messages_of(items), record(tmp_path))
    waiting = [
        ops.buffer_with_time(0.01),
        ops.buffer_with_time_or_count(0.02, 5),
        ops.debounce(0.002),
        ops.throttle_first(0.01),
        ops.sample(0.01),
        ops.delay(0.015),
        ops.timestamp(),
        ops.take_until_with_time(0.05),
        compose(matches(), ops.window_with_time(0.02), ops.flat_map(ops.count())),
    ]

    def over(speed: float | None) -> list[tuple[list[Any], str]]:
        replay = Replay(tmp_path, speed)
        said = [Collected(replay.pipe(each)) for each in waiting]
        replay.run()
        return [([str(item) for item in each.items], repr(each.error)) for each in said]

    once = over(None)
    assert [error for _, error in once] == ["None"] * len(waiting)
    assert min(len(items) for items, _ in once) > 3
    assert over(FAST) == once
    assert over(3.0) == once
    assert over(None) == once


def test_full_books_are_equal_while_both_are_ready(tmp_path: Path) -> None:
    """Its snapshots arrive over REST at any time, so the message that it starts with is not determined."""
    answers: list[bytes] = []
    with Exchange(["BTC-USD"], seed=3, rate=1000, credentials=KEY) as exchange:
        fetch = rest_snapshot(exchange.rest_url)

        def fetched(product_id: str) -> Any:
            answers.append(msgspec.json.encode(fetch(product_id)))
            return answers[-1]

        feed = Feed("BTC-USD", "full", url=exchange.url, credentials=KEY)
        once = Collected(feed.pipe(full_book("BTC-USD", fetched)))
        segments = Collected(feed.pipe(record(tmp_path)))
        feed.connect()
        once.wait_for(500)
        feed.close()
        segments.wait_for_end()

    given_again = iter(answers)
    replay = Replay(tmp_path, speed=1)
    again = Collected(replay.pipe(full_book("BTC-USD", lambda product_id: next(given_again))))
    replay.run()

    def ready(views: list[FullBookView]) -> dict[int | None, FullBookView]:
        return {view.sequence: view for view in views if view.ready}

    both = ready(once.items).keys() & ready(again.items).keys()
    assert len(both) > 100
    for sequence in both:
        assert ready(again.items)[sequence].orders("buy") == ready(once.items)[sequence].orders("buy")
        assert ready(again.items)[sequence].orders("sell") == ready(once.items)[sequence].orders("sell")


# ---- a recorder that is killed

RECORDER = """
import sys
from rxfeed import *
from rxfeed.operators import *
url, folder = sys.argv[1:]
feed = Feed("BTC-USD", ["matches", "ticker", "level2_batch"], url=url)
def tell(name):
    def say(item):
        sys.stdout.write(f"{name} {getattr(item, 'epoch', '')} {getattr(item, 'received_ns', '')} {item!r}\\n")
        sys.stdout.flush()
    return say
feed.subscribe(tell("message"))
feed.pipe(rolling_volume(0.5)).subscribe(tell("rolling"))
feed.pipe(candles(0.05)).subscribe(tell("candle"))
feed.pipe(order_book("BTC-USD", 1)).subscribe(tell("book"))
feed.pipe(record(folder, flush_seconds=0.02, segment_bytes=10**9)).subscribe()
feed.run()
"""


def test_recording_of_a_killed_process_replays_the_start(tmp_path: Path) -> None:
    with (
        Exchange(["BTC-USD"], seed=9, rate=1000, faults=faults.Drop(3, types={"match"}, after=300)) as exchange,
        subprocess.Popen(
            [sys.executable, "-c", RECORDER, exchange.url, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as recorder,
    ):
        assert recorder.stdout is not None
        lines = [recorder.stdout.readline() for _ in range(4000)]
        recorder.kill()
        lines += recorder.stdout.read().splitlines(keepends=True)
        assert recorder.wait(30) == -signal.SIGKILL
    once = [line.rstrip("\n").split(" ", 1) for line in lines if line.endswith("\n")]

    replay = Replay(tmp_path)
    again: list[tuple[str, str]] = []
    torn: list[int] = []

    def tell(name: str) -> Callable[[Any], None]:
        return lambda item: again.append(
            (name, f"{getattr(item, 'epoch', '')} {getattr(item, 'received_ns', '')} {item!r}")
        )

    replay.subscribe(tell("message"))
    replay.pipe(rolling_volume(0.5)).subscribe(tell("rolling"))
    replay.pipe(candles(0.05)).subscribe(tell("candle"))
    replay.pipe(order_book("BTC-USD", 1)).subscribe(tell("book"))
    replay.status.subscribe(lambda status: torn.append(len(again)) if isinstance(status, RecordingTruncated) else None)
    replay.run()
    (said,) = torn  # later items are the completion of the replay, which the killed process did not reach
    assert said > 1000
    for name in ("message", "rolling", "candle", "book"):
        before = [text for each, text in once if each == name]
        after = [text for each, text in again[:said] if each == name]
        assert after
        assert after == before[: len(after)]
