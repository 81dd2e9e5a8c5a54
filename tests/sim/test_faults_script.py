"""Scripts of faults, random faults, and the counters of the frames that a client receives."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from rxfeed.errors import ConfigError
from rxfeed.sim import Exchange, Ledger, fault_types, faults, rest_faults
from rxfeed.sim.frames import fragmented, masked, payload_of, text_frame
from rxfeed.sim.ledger import REMEMBERED, FrameCounters
from rxfeed.venues.coinbase_exchange.auth import Credentials

CREDENTIALS = Credentials("key", "cnhmZWVkLXRlc3Qtc2VjcmV0LTAxMjM0NTY3ODlhYmNkZWY=", "passphrase")
START = datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
ROOT = Path(__file__).parents[2]

WRONG: Any = 7

HARMLESS = (
    faults.Drop(2),
    faults.Duplicate(),
    faults.Reorder(3, types={"open", "match"}),
    faults.Fragmented(5),
    faults.OversizedFrame(100_000),
    faults.Silence(),
    faults.Recover(),
    faults.NoPong(),
    faults.ClockJump(-5),
)


def run(script: Any, new_client: Any) -> tuple[list[str], Exchange]:
    """What a client receives."""
    with Exchange(seed=9, auto=False, start=START, credentials=CREDENTIALS, faults=script) as exchange:
        client = new_client(exchange)
        client.subscribe("full", "level2", "ticker", products=("BTC-USD", "ETH-USD"), sign=True)
        exchange.step(100)
        return client.all() and client.texts, exchange


def test_random_faults_repeat_themselves(new_client: Any) -> None:
    def once(seed: int) -> tuple[list[str], Any, Ledger]:
        draw = faults.randomly(seed, every=20, kinds=HARMLESS)
        texts, exchange = run(draw, new_client)
        return texts, exchange.log, exchange.sent

    first = once(3)
    assert len(first[1]) > 10
    assert first == once(3)
    assert first[0] != once(4)[0]


def test_every_frame_is_accounted_for(new_client: Any) -> None:
    plain = run((), new_client)[1].sent
    assert plain == Ledger(plain.frames, plain.by_type)
    script = [faults.Drop(5, after=10), faults.Duplicate(3, after=20), faults.Reorder(4, after=30)]
    script += [faults.OversizedFrame(70_000, after=40), faults.Silence(after=100), faults.Recover(after=150)]
    texts, exchange = run(script, new_client)
    sent = exchange.sent
    assert len(texts) == sent.frames == sum(sent.by_type.values())
    assert (sent.dropped, sent.duplicated, sent.inserted, sent.reordered, sent.lost) == (5 + 50, 3, 1, 1, 0)
    assert sent.frames + sent.dropped - sent.duplicated - sent.inserted == plain.frames
    assert sent == exchange.sent_to(1)


def test_each_connection_has_its_own_faults_and_figures(new_client: Any) -> None:
    script = [faults.Close(1001, after=5), faults.Close(1012, after=3, connection=2), faults.Drop(connection=range(2))]
    with Exchange(auto=False, start=START, faults=script) as exchange:
        for number, frames in ((1, 4), (2, 3), (3, 5)):
            client = new_client(exchange)
            client.send({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["heartbeat", "status"]})
            if number > 1:
                client.next()
            exchange.wait_for_clients()
            exchange.advance(10)
            with pytest.raises(ConnectionClosed):
                list(iter(client.next, None))
            assert len(client.texts) == exchange.sent_to(number).frames == frames
        assert exchange.sent.frames == 12
        assert Counter(fired.connection for fired in exchange.log) == {1: 2, 2: 1, 3: 1}
        with pytest.raises(ConfigError, match="connection: 4 is not known"):
            exchange.sent_to(4)


def test_draws_mix_with_given_faults() -> None:
    given = faults.MalformedFrame(after=30)
    with Exchange(auto=False, faults=[faults.randomly(1, every=10), given]) as exchange:
        drawn = list(islice(exchange._clients.script.of(1), 20))
    assert given in drawn
    assert [fault.after for fault in drawn] == sorted(fault.after or 0 for fault in drawn)
    assert {type(fault) for fault in islice(faults.randomly("seed")(1), 300)} == {type(kind) for kind in faults.KINDS}
    gaps = [fault.after or 0 for fault in islice(faults.randomly(0, every=50)(2), 2000)]
    assert 45 < gaps[-1] / 2000 < 55


def test_counters_keep_recent_connections_and_totals() -> None:
    books = FrameCounters()
    for number in range(1, REMEMBERED + 3):
        books.open(number).count("match")
        books.close(number)
    assert books.total == Ledger(REMEMBERED + 2, {"match": REMEMBERED + 2})
    assert books.of(3) == Ledger(1, {"match": 1})
    with pytest.raises(KeyError):
        books.of(2)


@pytest.mark.parametrize("size", [0, 1, 3, 125, 126, 65_536])
def test_masked_and_fragmented_frames_have_the_payload(size: int) -> None:
    payload = bytes(place % 251 for place in range(size))
    wire = text_frame("", payload).wire
    assert payload_of(wire) == payload
    assert len(masked(wire)) == len(wire) + 4
    assert len(fragmented(wire, 3)) > len(wire)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: faults.Drop(0), "count: 0"),
        (lambda: faults.Drop(after=-1), "after: -1"),
        (lambda: faults.Drop(connection=0), "connection: 0"),
        (lambda: faults.Drop(connection="1"), "connection: '1'"),
        (lambda: faults.Drop(types="match"), "types: 'match'"),
        (lambda: faults.Reorder(0), "distance: 0"),
        (lambda: faults.EarlyData(0), "count: 0"),
        (lambda: faults.Fragmented(1), "pieces: 1"),
        (lambda: faults.OversizedFrame(10), "size: 10"),
        (lambda: faults.Close(70_000), "code: 70000"),
        (lambda: faults.Close(None, "why"), "code, reason: None, 'why'"),
        (lambda: faults.Close(1000, "x" * 124), "code, reason"),
        (lambda: faults.Silence(0), "seconds: 0"),
        (lambda: faults.Refuse(-1), "seconds: -1"),
        (lambda: faults.SlowHandshake(float("nan")), "seconds: nan"),
        (lambda: faults.SlowHandshake(1, after=5), "after: 5 frames"),
        (lambda: faults.Reset(before_handshake=True, after=5), "after: 5 frames"),
        (lambda: faults.ClockJump(float("inf")), "seconds: inf"),
        (lambda: faults.MalformedFrame(WRONG), "frames: 7"),
        (lambda: faults.HttpStatus(99), "code: 99"),
        (lambda: faults.HttpStatus(429, retry_after=datetime(2026, 1, 1)), "retry_after: .* time zone"),
        (lambda: faults.HttpStatus(429, retry_after=-1), "retry_after: -1"),
        (lambda: faults.randomly(1, every=0), "every: 0"),
        (lambda: faults.randomly(1, kinds=[]), "kinds: none"),
        (lambda: faults.randomly(1, kinds=[faults.HttpStatus(503)]), "kinds: HttpStatus"),
        (lambda: faults.randomly(1, kinds=[faults.Drop(after=3)]), "kinds: Drop"),
        (lambda: Exchange(faults=WRONG), "faults: 7"),
        (lambda: Exchange(faults=[WRONG]), "faults: 7"),
        (lambda: Exchange().inject(WRONG), "fault: 7"),
    ],
)
def test_bad_faults_are_named(make: Any, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        make()


def test_docs_page_names_every_fault() -> None:
    page = (ROOT / "docs" / "how_to" / "test_your_bot.md").read_text()
    named = [*vars(fault_types).items(), *vars(rest_faults).items()]
    every = {name for name, kind in named if isinstance(kind, type) and issubclass(kind, faults.Fault)}
    every = {name for name in every if not name.startswith("_")} - {"Fault", "OfFrames", "OfRequests"}
    assert len(every) == 28
    assert [name for name in every if f"| `{name}" not in page] == []
    assert every < set(faults.__all__)
