"""Errors, status items, messages and results go through pickle, copy and deepcopy and stay what they are."""

from __future__ import annotations

import copy
import inspect
import multiprocessing
import pickle
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rxfeed import FeedStatus, Message, Reconnect, RxfeedError, errors, fold
from rxfeed.core import (
    BookView,
    CheckedFrame,
    ConnectionChange,
    Delivered,
    FullBookView,
    Level2Book,
    Level3Book,
    MergedItem,
    QueuePosition,
    ReceivedItem,
    Repair,
    StatusEvent,
)
from rxfeed.core.book_snapshot import Level3Snapshot, SnapshotTaken
from rxfeed.errors import ConnectionLost, HandshakeRejected, ServerClosed
from rxfeed.feed import Disconnected, Ended, KeepalivePong
from rxfeed.market import Origin, stamp
from rxfeed.recording import Catalogue, Header, Line, RecordedSession
from rxfeed.venues.coinbase_exchange.messages import L2Update, Open, Snapshot
from tests.support.make import at

WAYS: dict[str, Callable[[Any], Any]] = {
    "pickle": lambda given: pickle.loads(pickle.dumps(given)),
    "oldest pickle": lambda given: pickle.loads(pickle.dumps(given, 2)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


def tree(kind: type[Any]) -> Iterator[type[Any]]:
    """*kind* and all its subclasses that rxfeed defines and that have a public name."""
    if kind.__module__.startswith("rxfeed.") and not kind.__name__.startswith("_"):
        yield kind
    for each in kind.__subclasses__():
        yield from tree(each)


class Foreign(Exception):
    """Loads: its arguments are what it was made with."""


class Unloadable(Exception):
    """Fails to load, as many exceptions of libraries do: `__init__` takes more than `args` holds."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


CAUSES = st.one_of(
    st.builds(Foreign, st.text()),
    st.builds(OSError, st.integers(), st.text()),
    st.builds(ServerClosed, st.integers(1000, 4999), st.text()),
)


def errors_of(kind: type[RxfeedError]) -> st.SearchStrategy[RxfeedError]:
    hints = get_type_hints(kind.__init__) if "__init__" in vars(kind) or _inherits_init(kind) else {}
    hints.pop("return", None)
    made = st.builds(kind, *map(st.from_type, hints.values())) if hints else st.builds(kind, st.text())
    return st.builds(_caused, made, st.none() | CAUSES)


def _inherits_init(kind: type[Any]) -> bool:
    return inspect.isfunction(kind.__init__)


def _caused(error: RxfeedError, cause: Exception | None) -> RxfeedError:
    error.__cause__ = cause
    error.add_note("a note")
    return error


def same_error(one: Any, other: Any) -> bool:
    """Type, text, attributes and causes are the same."""
    if one is None or other is None:
        return one is other
    return (
        type(one) is type(other)
        and (str(one), one.args, vars(one)) == (str(other), other.args, vars(other))
        and same_error(one.__cause__, other.__cause__)
    )


@pytest.mark.parametrize("kind", list(dict.fromkeys(tree(RxfeedError))), ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=8)
def test_error_round_trips_with_attributes_and_cause(data: st.DataObject, kind: type[RxfeedError]) -> None:
    error = data.draw(errors_of(kind))
    for way in WAYS.values():
        assert same_error(way(error), error)


def test_all_errors_of_the_tree_are_tested() -> None:
    named = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, RxfeedError)}
    assert named == {kind for kind in tree(RxfeedError) if kind.__module__ == errors.__name__}


@pytest.mark.parametrize("way", WAYS)
def test_cause_that_cannot_be_loaded_is_replaced_by_its_text(way: str) -> None:
    error = ConnectionLost("gone")
    error.__cause__ = Unloadable("by a library", 7)
    copied = WAYS[way](error)
    assert isinstance(copied, ConnectionLost)
    assert isinstance(copied.__cause__, RxfeedError)
    assert str(copied.__cause__) == "Unloadable: by a library"


def _raise() -> None:
    try:
        raise Unloadable("by a library", 7)
    except Unloadable as error:
        raise HandshakeRejected("503", 503, {"retry-after": "1"}) from error


def test_error_returns_from_a_process_pool() -> None:
    with (
        multiprocessing.get_context("spawn").Pool(1) as pool,
        pytest.raises(HandshakeRejected) as caught,
    ):
        pool.apply_async(_raise).get(timeout=30)
    assert (caught.value.status, caught.value.headers) == (503, {"retry-after": "1"})


# ---- structs


st.register_type_strategy(Decimal, st.decimals(0, 10**12, places=8))  # what a message may hold as a size
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(Exception, CAUSES)
st.register_type_strategy(BaseException, st.one_of(CAUSES, st.builds(SystemExit, st.integers(0, 255))))
st.register_type_strategy(Path, st.sampled_from(["a", "b/c"]).map(Path))
st.register_type_strategy(datetime, st.datetimes(timezones=st.just(UTC)))  # none of them holds a naive time


def structs_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    hints = get_type_hints(kind)
    fields = {field.name: hints[field.name] for field in msgspec.structs.fields(kind) if field.name[0] != "_"}
    return st.builds(kind, **{name: _strategy(kind, name, hint) for name, hint in fields.items()})


def _strategy(kind: type[Any], name: str, hint: Any) -> st.SearchStrategy[Any]:
    if name == "timestamp":
        return st.integers(0, 2_000_000_000).map(Decimal)
    if isinstance(hint, type) and issubclass(hint, Message):
        return structs_of(hint)
    if hint is Any:
        return st.integers()
    kinds: tuple[Any, ...] = get_args(hint)
    if kinds and all(isinstance(each, type) and issubclass(each, Message) for each in kinds):
        return st.one_of(*map(structs_of, kinds))
    return st.from_type(hint)


STATUSES = [*dict.fromkeys(tree(FeedStatus)), KeepalivePong]


@pytest.mark.parametrize("kind", STATUSES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=8)
def test_status_round_trips(data: st.DataObject, kind: type[Any]) -> None:
    status = data.draw(structs_of(kind))
    for way in WAYS.values():
        assert same_fields(way(status), status)


@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
@pytest.mark.parametrize("kind", [Disconnected, Ended])
def test_status_with_a_cause_that_cannot_be_loaded(kind: Any, way: str) -> None:
    status = WAYS[way](kind(cause=Unloadable("by a library", 7)))
    assert str(status.cause) == "Unloadable: by a library"


def same_fields(one: Any, other: Any) -> bool:
    def same(a: Any, b: Any) -> bool:
        return same_error(a, b) if isinstance(b, BaseException) else bool(a == b)

    return type(one) is type(other) and all(
        same(getattr(one, name), getattr(other, name)) for name in other.__struct_fields__
    )


MESSAGES = [kind for kind in dict.fromkeys(tree(Message)) if kind is not Message]


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=8)
def test_message_round_trips_with_frame_and_epoch(data: st.DataObject, kind: type[Any]) -> None:
    message = stamp(data.draw(structs_of(kind)), Origin(b"the frame", 7, 3))
    for way in WAYS.values():
        copied = way(message)
        assert copied == message
        assert (copied.raw, copied.received_ns, copied.epoch) == (b"the frame", 7, 3)


PACKAGES = ("core", "dataframes", "feed", "market", "operators", "recording", "sinks", "sim", "backtest")
MODULES = [import_module(f"rxfeed.{name}") for name in PACKAGES if find_spec(f"rxfeed.{name}")]
PUBLIC = [getattr(module, name) for module in MODULES for name in module.__all__]
RESULTS = [
    each
    for each in dict.fromkeys(each for each in PUBLIC if isinstance(each, type))
    if issubclass(each, msgspec.Struct)
    # Views have their own tests, a catalogue is too deep to be generated, Reconnect and Repair are arguments. The items
    # of a Merge or an Arbitration and the checks of a frame stay within a process. Lines of a recording are encoded as
    # JSON.
    and not issubclass(each, Message | FeedStatus | BookView | QueuePosition | Catalogue | Reconnect | Repair)
    and not issubclass(
        each,
        Header
        | Line
        | RecordedSession
        | CheckedFrame
        | ConnectionChange
        | ReceivedItem
        | StatusEvent
        | MergedItem
        | Delivered,
    )
]


@pytest.mark.parametrize("kind", RESULTS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=5)
def test_result_round_trips(data: st.DataObject, kind: type[Any]) -> None:
    result = data.draw(structs_of(kind))
    for way in WAYS.values():
        assert way(result) == result


@pytest.mark.parametrize("way", WAYS)
def test_book_view_round_trips(way: str) -> None:
    ten, eleven = Decimal(10), Decimal(11)
    snapshot = Snapshot(product_id="BTC-USD", bids=((ten, eleven),), asks=((eleven, ten),))
    update = L2Update(product_id="BTC-USD", changes=(("buy", Decimal(9), ten),))
    view = fold(Level2Book("BTC-USD"), [snapshot, update])[-1]
    copied = WAYS[way](view)
    assert (copied.bids, copied.asks, repr(copied)) == (view.bids, view.asks, repr(view))
    assert copied.size_at("buy", Decimal(9)) == ten


@pytest.mark.parametrize("way", WAYS)
def test_full_book_view_round_trips(way: str) -> None:
    ten, book = Decimal(10), Level3Book("BTC-USD")
    book.step(
        Open(product_id="BTC-USD", order_id="a", side="buy", price=ten, remaining_size=ten, sequence=8, time=at(0))
    )
    (view,) = book.step(SnapshotTaken(1, Level3Snapshot(sequence=7, bids=((ten, ten, "b"),), asks=())))
    assert isinstance(view, FullBookView)
    copied = WAYS[way](view)
    assert (list(copied.orders("buy")), copied.asks) == (list(view.orders("buy")), view.asks)
    assert copied.queue_position("a") == view.queue_position("a")
