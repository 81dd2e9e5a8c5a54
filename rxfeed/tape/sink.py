"""Messages onto a tape: a stream of NATS JetStream, off the source's thread, and none lost."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from reactivex import Observable

from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError
from rxfeed.feed import Feed, FeedSink, MessageSource
from rxfeed.operators import QueueState, Root
from rxfeed.secrets import Secret
from rxfeed.tape.connection import TapeAddress
from rxfeed.tape.encoding import TapeEncoder
from rxfeed.tape.library import nats_py
from rxfeed.tape.results import TapeCounters, TapeStats, TapeWrite, UnpublishedCounts
from rxfeed.tape.settings import TapeOverflow, TapeSettings
from rxfeed.tape.stored import SpillSettings
from rxfeed.tape.stream import StreamSettings, check_name
from rxfeed.tape.subjects import Subjects
from rxfeed.tape.writer import TapeWriter
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of


class TapeSink(FeedSink[TapeWrite, TapeWriter]):
    """The operator that `to_nats` returns, with `stats` and `close`."""

    name = "to_nats"

    def __init__(self, settings: TapeSettings, venue: Venue | None) -> None:
        super().__init__()
        self._settings = settings
        self._venue = venue
        self._counters = TapeCounters()
        self._root: MessageSource | None = None

    @property
    def stats(self) -> TapeStats:
        """The present state of the publisher, for any thread."""
        counters, writer = self._counters, self._writer
        return TapeStats(
            taken=counters.taken,
            published=counters.published,
            duplicates=counters.duplicates,
            withheld=counters.withheld,
            dead=counters.dead,
            dropped=counters.dropped,
            lost=counters.lost,
            queued=0 if writer is None else writer.queued,
            spilled=0 if writer is None else writer.spilled,
            spill_bytes=0 if writer is None else writer.spill_bytes,
            in_flight=0 if writer is None else writer.in_flight,
            retries=counters.retries,
            lag=0.0 if writer is None else writer.lag,
            rate=counters.rate.per_second(),
            problem=counters.problem,
            session="" if writer is None else writer.session,
        )

    @property
    def queue_state(self) -> QueueState:
        writer = self._writer
        return QueueState(0 if writer is None else writer.queued, self._settings.queue_size, self._counters.dropped)

    def close(self, timeout: float | None = None) -> UnpublishedCounts:
        """Unsubscribe, and publish all items. Returns the items unpublished after *timeout* seconds (`flush_seconds`).

        With a spill they are on disk, and counted as such. Then the stream completes, or fails with a `SinkError` if
        items were lost. It does not wait if a subscriber of the sink calls it, on the sink's thread.
        """
        writer = self._writer
        if writer is None:
            return UnpublishedCounts(0)
        return writer.close(self._settings.flush_seconds if timeout is None else timeout)

    def with_root(self, root: Root, source: Observable[object]) -> Observable[TapeWrite]:
        """The writes of *source*, a pipeline on *root*, with the venue of *root*."""
        self._root = root if isinstance(root, MessageSource) else None
        return self(source)

    def __repr__(self) -> str:
        return f"<TapeSink to {self._settings.stream.name} at {self._settings.address.shown}>"

    def _new_writer(
        self,
        source: Observable[object],
        emit: Callable[[TapeWrite], None],
        ended: Callable[[Exception | None], None],
        unsubscribe: Callable[[], None],
    ) -> TapeWriter:
        root = source if isinstance(source, MessageSource) else self._root
        venue = self._venue or (venue_of(DEFAULT_VENUE) if root is None else root.venue)
        settings = replace(self._settings, venue=venue)

        def encoder(session: str) -> TapeEncoder:
            subjects = Subjects(settings.stream.name, venue)
            return TapeEncoder(source, venue, subjects, settings.publisher, session)

        def about() -> dict[str, object]:
            return {} if root is None else dict(root.about)

        renew = root.renew_book if isinstance(root, Feed) else None
        return TapeWriter(settings, self._counters, encoder, about, renew, emit, ended, unsubscribe)


def to_nats(
    url: str | Secret,
    *,
    stream: str = "rxfeed",
    publisher: str | None = None,
    shared: bool = False,
    venue: str | Venue | None = None,
    queue_size: int = 100_000,
    overflow: TapeOverflow = "block",
    in_flight: int = 4_000,
    spill: str | Path | None = None,
    spill_bytes: int = 4_000_000_000,
    spill_mode: int = 0o600,
    max_age: Seconds | None = None,
    max_bytes: int | None = None,
    replicas: int | None = None,
    duplicate_window: Seconds | None = None,
    retry_seconds: Seconds | None = None,
    flush_seconds: Seconds = 30.0,
    attempt_seconds: Seconds = 5.0,
    credentials: str | Path | None = None,
    token: str | Secret | None = None,
    user: str | None = None,
    password: str | Secret | None = None,
    tls: ssl.SSLContext | None = None,
) -> TapeSink:
    """Publish all that the source emits on the tape *stream* of the NATS JetStream servers at *url*; emit a `TapeWrite`
    for each group of acknowledged messages.

    If the source is a `Feed` (any `MessageSource`), the events of `status`, pongs, and malformed frames are published
    too, in their places. Behind other operators only messages are. A message of the tape is the frame as received, on
    the subject `<stream>.<venue>.<channel>.<product>`, with its receipt, epoch and identity in headers:
    `docs/how_to/tape.md` describes them. `NatsFeed` plays the tape, as a feed.

    **Once**: the identity of a message (`message_id`) is its `Nats-Msg-Id`, so that the server refuses a second copy
    within the stream's duplicate window: from another publisher, or after an attempt without an answer. *publisher* is
    this publisher's name (by default the host's); each publisher of a tape needs a name of its own.

    **Shared**: with *shared*, several publishers on different connections put the same products on one tape, each with
    `shared=True`. The tape has each message once, consumers merge what they published, and a gap is one only if all
    publishers have it. The book by price of a product is published by one of them, which has its lease in a KV bucket;
    if it dies or is stopped, another one takes the lease within some 4 seconds, and begins with a snapshot.

    **Order and loss**: the source's thread puts items into a queue of *queue_size*; the thread of the sink sends them,
    at most *in_flight* without an acknowledgement. If the server is not available, messages wait, and are sent again in
    their order: without limit, or until *retry_seconds* have passed without a success. An attempt without an
    acknowledgement counts as failed after *attempt_seconds*. If the process is killed, its queue is lost.

    **On disk**: with *spill*, the path of a file, what waits while the server is not available is written to disk every
    0.1 seconds, and survives a kill of the process or a power failure. It is published first when the server is
    available, in its order: in this run, or in the next one with the same path. The server refuses what it has within
    its duplicate window; if a message comes twice later than that, a `NatsFeed` plays it once. In memory, and lost by a
    kill, are the items of the last 0.1 seconds, and before the loss of the connection is detected (at most
    *attempt_seconds*) those without an acknowledgement. At *spill_bytes*, or if the disk is full, messages wait in
    memory, with a warning. Files of the spill have the permissions *spill_mode*; one sink at a time uses them.

    **A full queue**: `overflow="block"` makes the source wait, `"drop_oldest"` drops what has waited longest and counts
    it, `"fail"` publishes what is there and ends the stream with a `SinkError`.

    **The stream** is made if it is missing, with *max_age* (seconds, by default 7 days), *max_bytes* (no limit),
    *replicas* (1) and *duplicate_window* (120 s). One that exists is changed if one of them is given and differs. A
    payload that is larger than the server takes is published in parts.

    **The end**: when the source ends, and at the latest at the exit of the process, the queue is published, unless
    *flush_seconds* pass without a success; then the stream ends with a `SinkError` with the number of lost items.

    *credentials*: the path of a `.creds` file; or *token*; or *user* and *password*; or in the URL. *tls*: a context
    for own certificates. *venue*: of the messages; `None`: that of the source. One subscription at a time.

    Raises `ConfigError` for invalid arguments, and if nats-py is not installed.
    """
    address: TapeAddress | None = None
    try:
        nats_py()
        address = TapeAddress(url, credentials=credentials, token=token, user=user, password=password, tls=tls)
    finally:
        url, token, password = "", None, None
    check_name(stream)
    publisher = socket.gethostname() if publisher is None else publisher
    if not publisher or not isinstance(publisher, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
        raise ConfigError(f"publisher: {publisher!r} is not a name")
    arguments.positive_integer("queue_size", queue_size)
    arguments.positive_integer("in_flight", in_flight)
    if overflow not in ("block", "drop_oldest", "fail"):
        raise ConfigError(f"overflow: {overflow!r} is none of block, drop_oldest, fail")
    for name, value in (("max_bytes", max_bytes), ("replicas", replicas)):
        if value is not None:
            arguments.positive_integer(name, value)
    stored = _spill(spill, spill_bytes, spill_mode)
    found = None if venue is None else venue_of(venue)
    settings = TapeSettings(
        address=address,
        stream=StreamSettings(
            name=stream,
            max_age=_seconds("max_age", max_age),
            max_bytes=max_bytes,
            replicas=replicas,
            duplicate_window=_seconds("duplicate_window", duplicate_window),
        ),
        publisher=publisher,
        shared=shared,
        venue=found or venue_of(DEFAULT_VENUE),
        queue_size=queue_size,
        overflow=overflow,
        in_flight=in_flight,
        retry_seconds=_seconds("retry_seconds", retry_seconds),
        flush_seconds=arguments.above_zero("flush_seconds", flush_seconds),
        attempt_seconds=arguments.above_zero("attempt_seconds", attempt_seconds),
        spill=stored,
    )
    return TapeSink(settings, found)


def _seconds(name: str, value: Seconds | None) -> float | None:
    return None if value is None else arguments.above_zero(name, value)


def _spill(path: str | Path | None, most_bytes: int, mode: int) -> SpillSettings | None:
    arguments.positive_integer("spill_bytes", most_bytes)
    if isinstance(mode, bool) or not isinstance(mode, int) or not 0o600 <= mode <= 0o777:  # pyright: ignore[reportUnnecessaryIsInstance]  # the user's
        raise ConfigError(f"spill_mode: {mode!r} does not let the owner read and write, as 0o600 does")
    if path is None:
        return None
    if not Path(path).absolute().parent.is_dir():
        raise ConfigError(f"spill: there is no folder {Path(path).absolute().parent}")
    return SpillSettings(path=str(path), most_bytes=most_bytes, mode=mode)
