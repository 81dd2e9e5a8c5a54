"""The tasks that the guard measures: each is prepared for a number of messages, and then processes them in portions."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from itertools import islice
from typing import Any

from bson.codec_options import DEFAULT_CODEC_OPTIONS
from websocket import ABNF

from benchmarks import books, streams
from benchmarks.frames import ADVANCED, ADVANCED_CHANNELS, advanced_snapshot, advanced_update
from benchmarks.ways import LEVEL, feed_of, giving
from rxfeed import Feed, candles, moved, order_book, price_crossing, rolling_volume, window_volume
from rxfeed.core import Level2Book, Level3Book, SnapshotTaken
from rxfeed.feed.dispatcher import Dispatcher
from rxfeed.market import Message
from rxfeed.sinks.documents import raw_document, typed_document
from rxfeed.sinks.encoding import Encoder
from rxfeed.transport.frame_parser import FrameParser
from rxfeed.transport.frame_socket import FrameSocket
from rxfeed.venues import message_id
from rxfeed.venues.coinbase_advanced import AdvancedDecoder
from rxfeed.venues.coinbase_exchange import ExchangeDecoder
from rxfeed.venues.coinbase_exchange.gaps import ExchangeGaps

Handle = Callable[[int], None]
Task = Callable[[int], Handle]

PRODUCT = streams.name(0)
_AT_ONCE = 50  # frames that one read of the socket brings, and documents of a batch
_LEVELS = 250  # of a snapshot


@cache
def _messages(stream: Callable[..., list[Message]], count: int) -> list[Message]:
    return stream(1, count)


@cache
def _mixed(count: int) -> list[Message]:
    """Alternating trades, tickers and updates of a book."""
    third = count // 3 + 1
    kinds = (streams.trades(1, third), streams.tickers(1, third), streams.books(1, third + 1)[1:])
    return [message for trio in zip(*kinds, strict=True) for message in trio][:count]


def _each(handle: Callable[[Any], object], items: list[Any]) -> Handle:
    rest = iter(items)

    def some(count: int) -> None:
        for item in islice(rest, count):
            handle(item)

    return some


def yardstick(count: int) -> Handle:
    """The cost of Python itself: a look-up, a comparison, a sum, a call. Other tasks are relative to it."""
    sums: dict[str, Decimal] = {}

    def add(message: Any) -> None:
        before = sums.get(message.product_id)
        if before is None or message.trade_id:
            sums[message.product_id] = message.size if before is None else before * 0 + message.size

    return _each(add, [message for message in _messages(streams.trades, 2 * count) if hasattr(message, "size")][:count])


def decode(count: int) -> Handle:
    return _each(ExchangeDecoder().decode, [message.raw for message in _mixed(count)])


class _Socket:
    """Its `recv` returns *pieces*, one after another."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = iter(pieces)

    def recv(self, size: int) -> bytes:
        return next(self._pieces)

    def settimeout(self, seconds: float) -> None:
        pass


def cut(count: int) -> Handle:
    """Frames cut from the bytes that the socket reads."""
    frames = [ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 0, message.raw).format() for message in _mixed(count)]
    read: Any = _Socket([b"".join(frames[at : at + _AT_ONCE]) for at in range(0, len(frames), _AT_ONCE)])
    socket, parser = FrameSocket(read, b"", 1.0), FrameParser(1 << 20)

    def some(count: int) -> None:
        for _ in range(count // _AT_ONCE):
            if len(parser.feed(socket.receive())) != _AT_ONCE:
                raise SystemExit("the parser returned other frames than were sent")

    return some


def deliver(count: int) -> Handle:
    """From a frame to a subscriber of everything, as a session does it."""
    feed = feed_of(1)
    feed.subscribe(lambda message: None)
    deliver = Dispatcher(feed._streams, ExchangeGaps(), drop_duplicates=False).frames
    messages = _mixed(count)
    return _reads(deliver, [each.raw for each in messages], [each.received_ns for each in messages])


def skim(count: int) -> Handle:
    """From a frame that nothing reads to its counter: tickers and books, while a pipeline reads trades."""
    feed = feed_of(1)
    feed.pipe(window_volume(60)).subscribe(lambda output: None)
    unread = [*streams.tickers(1, count // 2 + 1), *streams.books(1, count // 2 + 2)[1:]]
    messages = sorted(unread, key=lambda each: each.received_ns)[:count]
    return _skimmed(feed, [each.raw for each in messages], [each.received_ns for each in messages])


def skim_advanced(count: int) -> Handle:
    """The same of Advanced Trade: its frames of books have numbers."""
    feed = Feed("BTC-USD", ADVANCED_CHANNELS, venue=ADVANCED, url="ws://127.0.0.1:1")
    feed.pipe(window_volume(60)).subscribe(lambda output: None)
    return _skimmed(feed, [advanced_update(number) for number in range(count)], [0] * count)


def _skimmed(feed: Feed, frames: list[bytes], received: list[int]) -> Handle:
    handle, stats = _reads(Dispatcher(feed._streams, feed.venue.gaps()).frames, frames, received), feed._streams.stats

    def some(count: int) -> None:
        handle(count)
        if stats.skimmed < 0.95 * stats.frames or stats.unsubscribed:  # all but heartbeats and the first of a kind
            raise SystemExit(f"only {stats.skimmed} of {stats.frames} frames were passed over")

    return some


def _reads(deliver: Callable[[list[bytes], int], None], frames: list[bytes], received: list[int]) -> Handle:
    """Deliver *frames* as the socket's reads bring them; *received*: the time of each, in nanoseconds."""
    places = range(0, len(frames), _AT_ONCE)
    rest = iter([(frames[at : at + _AT_ONCE], max(received[at : at + _AT_ONCE])) for at in places])

    def some(count: int) -> None:
        for read, received_ns in islice(rest, count // _AT_ONCE):
            deliver(read, received_ns)

    return some


def _operator(operator: Callable[[], Any], stream: Callable[..., list[Message]]) -> Task:
    """An operator on a Feed; the messages go to the feed's router."""

    def task(count: int) -> Handle:
        feed = feed_of(1)
        feed.pipe(operator()).subscribe(lambda output: None)
        return _each(giving(feed), _messages(stream, count))

    return task


def _level2(count: int) -> Handle:
    """Updates of a book with a thousand prices a side; of the views only the best prices are read."""
    snapshot, messages = books.level2_stream(1_000, count)
    book = Level2Book(books.BTC)
    book.step(snapshot)
    return _each(book.step, messages)


def _level3(count: int) -> Handle:
    """The same by order, with a thousand orders a side."""
    snapshot, messages = books.level3_stream(1_000, count + 1)
    book = Level3Book(books.BTC)
    book.step(messages[0])
    book.step(SnapshotTaken(1, snapshot))
    return _each(book.step, messages[1:])


def _snapshot(count: int) -> Handle:
    """From a frame of Advanced Trade to its book; the cost is that of one level."""
    decode, frame = AdvancedDecoder().decode, advanced_snapshot(_LEVELS)

    def some(count: int) -> None:
        for _ in range(count // _LEVELS):
            message: Any = decode(frame)
            (view,) = Level2Book(message.product_id).step(message)
            if view.best_bid is None or view.best_ask is None:
                raise SystemExit("the snapshot made no book")

    return some


def _documents(make: Callable[[Any], Any]) -> Task:
    """The sink's documents, in batches, without the server."""

    def task(count: int) -> Handle:
        encoder = Encoder(make, message_id, DEFAULT_CODEC_OPTIONS, 8_000_000)
        rest = iter(_mixed(count))

        def died(letter: Any) -> None:
            raise SystemExit(f"no document: {letter}")

        def some(count: int) -> None:
            for _ in range(count // _AT_ONCE):  # of a longer batch malloc's own work would decide
                for _ in encoder.encode(list(islice(rest, _AT_ONCE)), died):
                    pass

        return some

    return task


TASKS: dict[str, Task] = {
    "decode": decode,
    "cut": cut,
    "deliver": deliver,
    "skim": skim,
    "skim, Advanced Trade": skim_advanced,
    "window_volume": _operator(lambda: window_volume(60), streams.trades),
    "candles": _operator(lambda: candles(60), streams.trades),
    "rolling_volume": _operator(lambda: rolling_volume(60), streams.trades),
    "price_crossing": _operator(lambda: price_crossing(PRODUCT, LEVEL), streams.tickers),
    "moved": _operator(lambda: moved(1, within=60), streams.tickers),
    "order_book": _operator(lambda: order_book(PRODUCT), streams.books),
    "level2 book": _level2,
    "level3 book": _level3,
    "level of a snapshot": _snapshot,
    "raw documents": _documents(raw_document),
    "typed documents": _documents(typed_document),
}
