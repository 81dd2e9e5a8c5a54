"""Tables of frames and of the books that they make, run three ways: as a fold, in replay, and on a live feed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from reactivex.subject import Subject

from rxfeed import Credentials, Feed, Malformed, Message
from rxfeed.core import Level2Book, Level3Book, Machine, NeedSnapshot, SnapshotTaken
from rxfeed.core.book_snapshot import Level3Snapshot
from rxfeed.market import Origin, stamp
from rxfeed.operators import Operator, full_book, order_book
from rxfeed.sim import Exchange
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange.messages import ExchangeSubscriptions
from tests.support.collect import Collected

BTC = "BTC-USD"
TIME = "2026-01-02T12:00:00.000000Z"
GARBAGE = '{"type":'


def frame(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind, "product_id": BTC, "time": TIME} | fields)


def snapshot(bids: list[Any], asks: list[Any]) -> str:
    return frame("snapshot", bids=bids, asks=asks)


def update(*changes: Any) -> str:
    return frame("l2update", changes=changes)


def order(kind: str, sequence: int, order_id: str, side: str = "buy", **fields: Any) -> str:
    return frame(kind, sequence=sequence, order_id=order_id, side=side, **fields)


def trade(sequence: int, maker: str, price: str, size: str, side: str = "buy") -> str:
    ids = {"maker_order_id": maker, "taker_order_id": "t", "trade_id": sequence}
    return frame("match", sequence=sequence, side=side, price=price, size=size, **ids)


@dataclass(frozen=True)
class Vector:
    """*frames*, and a row for each view: `ready`, `crossed`, best bid and ask, and how many prices each side shows."""

    name: str
    machine: Callable[[], Machine[Any, Any]]
    operator: Callable[[Callable[[str], Any]], Operator[Message, Any]]
    frames: list[str]
    rows: list[str]
    snapshots: list[Level3Snapshot] = field(default_factory=list)


def row(view: Any) -> str:
    best = ("-" if level is None else f"{level[1].normalize():f}@{level[0].normalize():f}" for level in top(view))
    flags = ("ready" if view.ready else "lost") + (" crossed" if view.crossed else "")
    return f"{flags} {' '.join(best)} {len(view.bids)}x{len(view.asks)}" + (
        f" #{view.sequence}" if view.sequence else ""
    )


def top(view: Any) -> tuple[Any, Any]:
    return view.best_bid, view.best_ask


def at(sequence: int, bids: list[Any], asks: list[Any]) -> Level3Snapshot:
    return Level3Snapshot.of({"sequence": sequence, "bids": bids, "asks": asks})


def by_price(depth: int | None = None) -> dict[str, Any]:
    return {"machine": lambda: Level2Book(BTC, depth), "operator": lambda snapshots: order_book(BTC, depth)}


def by_order() -> dict[str, Any]:
    return {"machine": lambda: Level3Book(BTC), "operator": lambda snapshots: full_book(BTC, snapshots)}


VECTORS = [
    Vector(
        "sizes are absolute, zero deletes, and prices are equal by value",
        **by_price(),
        frames=[
            update(["buy", "1", "1"]),
            snapshot([["10101.10", "0.45"], ["10100", "1"]], [["10102.55", "0.57"]]),
            update(["buy", "10101.80000000", "0.162567"]),
            update(["buy", "10101.8", "0.00000000"], ["sell", "10102.5500", "1"]),
            update(["sell", "99999", "0"]),
            update(["buy", "10101.1", "0"], ["buy", "10100.0", "0"]),
        ],
        rows=[
            "ready 0.45@10101.1 0.57@10102.55 2x1",
            "ready 0.162567@10101.8 0.57@10102.55 3x1",
            "ready 0.45@10101.1 1@10102.55 2x1",
            "ready - 1@10102.55 0x1",
        ],
    ),
    Vector(
        "lost with a frame that nobody could read, until the next snapshot",
        **by_price(depth=1),
        frames=[
            snapshot([["10", "1"], ["9", "1"]], [["11", "1"]]),
            GARBAGE,
            update(["buy", "10", "2"]),
            update(["buy", "10", "3"]),
            snapshot([["8", "1"]], []),
            update(["buy", "9", "3"]),
        ],
        rows=["ready 1@10 1@11 1x1", "lost - - 0x0", "ready 1@8 - 1x0", "ready 3@9 - 1x0"],
    ),
    Vector(
        "crossed, locked, and neither",
        **by_price(),
        frames=[
            snapshot([["10", "1"]], [["11", "1"]]),
            update(["buy", "12", "1"]),
            update(["buy", "12", "0"], ["buy", "11", "1"]),
            update(["buy", "11", "0"]),
        ],
        rows=[
            "ready 1@10 1@11 1x1",
            "ready crossed 1@12 1@11 2x1",
            "ready crossed 1@11 1@11 2x1",
            "ready 1@10 1@11 1x1",
        ],
    ),
    Vector(
        "an order's life",
        **by_order(),
        snapshots=[at(7, [["10", "1", "a"], ["9", "2", "b"]], [["11", "1", "x"]])],
        frames=[
            order("received", 7, "c", order_type="limit"),
            order("open", 8, "c", price="10.00", remaining_size="3"),
            trade(9, "a", "10", "1"),
            order("done", 10, "a", reason="filled", price="10", remaining_size="0"),
            order("change", 11, "c", reason="STP", price="10", old_size="3", new_size="2"),
            order("change", 12, "c", reason="modify_order", old_price="10", new_price="9", old_size="2", new_size="4"),
            order("done", 13, "x", "sell", reason="canceled", price="11", remaining_size="1"),
        ],
        rows=[
            "ready 1@10 1@11 2x1 #7",
            "ready 4@10 1@11 2x1 #8",
            "ready 3@10 1@11 2x1 #9",
            "ready 2@10 1@11 2x1 #11",
            "ready 6@9 1@11 1x1 #12",
            "ready 6@9 - 1x0 #13",
        ],
    ),
    Vector(
        "a gap, and what came before",
        **by_order(),
        snapshots=[at(1, [["10", "1", "a"]], []), at(4, [["8", "1", "b"]], [])],
        frames=[
            order("received", 1, "c", order_type="limit"),
            order("open", 2, "c", price="9", remaining_size="1"),
            order("done", 1, "a", reason="canceled"),
            order("received", 4, "d", order_type="limit"),
            order("open", 5, "d", price="9", remaining_size="2"),
        ],
        rows=["ready 1@10 - 1x0 #1", "ready 1@10 - 2x0 #2", "lost - - 0x0", "ready 1@8 - 1x0 #4", "ready 2@9 - 2x0 #5"],
    ),
]


def messages(vector: Vector) -> list[Message]:
    decode, epoch = ExchangeDecoder().decode, 0
    heard: list[Message] = []
    for text in vector.frames:
        message = decode(text.encode())
        if isinstance(message, Malformed):
            epoch += 1
        else:
            heard.append(stamp(message, Origin(text.encode(), 0, epoch)))
    return heard


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_book_vectors_as_a_plain_fold(vector: Vector) -> None:
    machine, rows, snapshots = vector.machine(), [], list(vector.snapshots)
    for message in messages(vector):
        outputs = list(machine.step(message))
        while outputs:
            output = outputs.pop(0)
            if isinstance(output, NeedSnapshot):
                outputs += machine.step(SnapshotTaken(output.request, snapshots.pop(0)))
            else:
                rows.append(row(output))
    assert rows == vector.rows


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_book_vectors_in_replay(vector: Vector) -> None:
    source: Subject[Message] = Subject()
    snapshots = list(vector.snapshots)
    got = Collected(source.pipe(vector.operator(lambda product: snapshots.pop(0))))
    for message in messages(vector):
        source.on_next(message)
        # A snapshot comes on another thread: wait for it here, as the fold does.
        if vector.snapshots and not (got.items and got.items[-1].ready):
            got.wait_for(lambda items: items and items[-1].ready)
    source.on_completed()
    assert [row(view) for view in got.items] == vector.rows
    assert got.completed


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_book_vectors_on_a_live_feed(vector: Vector) -> None:
    snapshots = list(vector.snapshots)
    with Exchange.serving(vector.frames, then="hold") as exchange:
        feed = Feed(BTC, ["level2", "full"], url=exchange.url, credentials=Credentials("key", "c2VjcmV0", "phrase"))
        got = Collected(feed.pipe(vector.operator(lambda product: snapshots.pop(0))))

        def wait_for_snapshot(message: Message) -> None:
            """On the feed's thread, after the book: as the fold, no message comes before the snapshot."""
            if vector.snapshots and not isinstance(message, ExchangeSubscriptions):
                got.wait_for(lambda items: items and items[-1].ready)

        feed.subscribe(wait_for_snapshot)
        with feed:
            got.wait_for(lambda items: items and row(items[-1]) == vector.rows[-1])
    assert [row(view) for view in got.items] == vector.rows
