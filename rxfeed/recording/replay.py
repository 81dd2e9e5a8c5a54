"""Replays recordings as a source of messages with the interface of a Feed."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from os import PathLike, fspath
from typing import ClassVar, cast

from reactivex import Observable, abc
from reactivex import operators as ops

from rxfeed.core import Seconds, arguments, in_seconds
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed import Clock, FeedStreams, MessageSource
from rxfeed.market import Message
from rxfeed.operators import Guarded, Operator
from rxfeed.recording.files import Part, Repairs, find, named_venue, ordered, unused_repairs, within, without_repairs
from rxfeed.recording.item_player import received
from rxfeed.recording.merging import merged
from rxfeed.recording.pacer import Pacer
from rxfeed.recording.player import Player
from rxfeed.recording.reading import Recording
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.recording.time_range import TimeRange
from rxfeed.recording.workers import Keyed, KeyedOutputs, Place, ReplayArguments, Share, Study, collected, pickled
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.recording")

Path = str | PathLike[str]

# Seconds of virtual time for which scheduled actions run after the end of the recording.
_AFTERWARDS = 3600.0


class Replay(MessageSource):
    """Emits all `Message`s of a recording, as a hot Observable: subscribe first, then `connect()`, as with a Feed.

        from datetime import UTC, datetime
        from rxfeed import Replay, window_volume

        replay = Replay("recordings/", since=datetime(2026, 11, 24, tzinfo=UTC))
        replay.pipe(window_volume(60)).subscribe(print)
        replay.run()

    *source*: one or many files or folders. A file is a segment of `rxfeed record`, an older recording
    (`{"t", "dir", "data"}`) or plain JSON lines (each a frame), compressed with zstd, gzip, or not; its format is
    detected from its content. Or Messages: an Observable of them, such as `from_mongo(collection)`, or an iterable.
    *speed*: 1 keeps the recorded pace, 60 plays a minute a second, `None` plays without waits.
    *products*, *since*, *until* (aware datetimes): only items received in `[since, until)`, of these products or
    without a product. *merge*: the sessions are those of several collectors of one exchange, and are merged, with
    *patience* (see below). *repaired*: trades that `rxfeed repair` has requested are played at their places; False: the
    recording is played as it was received. *clock*: a `Clock`, for tests. *venue*: the venue of the frames; `None`: the
    one that the recordings name. *count_items*: as for a `Feed`. *workers*: the number of processes for `collect`
    (see below).

    It emits all that the feed emitted. Messages have their recorded receipt and epoch. `status`, `malformed` and
    `keepalive` emit the recorded items at their places, with their times. The segments of a session (a run of a
    recorder) are played by number, one session after the other. Between two sessions, and at damage, all epochs rise.
    Damage is reported on `status` by a `RecordingTruncated`, and the rest is still played. If nothing can be read, the
    replay fails with a `RecordingDamaged`. The recorded `Ended` is left out; the replay emits its own at its end. In
    recordings without events, gaps and duplicates are detected as by a feed, which emits `Connected`, `Subscribed` and
    `Gap` on `status`. The receipt of a plain line is the time in its frame.

    **The promise**: all outputs of operators on a recorded feed are equal on its replay, at any speed and every time:
    equal values in the same order, messages with their bytes, receipts and epochs, `status` and `malformed` at their
    places. It is valid for the operators of rxfeed, and for those of reactivex that use items only. Operators with time
    are equal in all replays, but a feed runs them on the wall clock. It is not valid for `bounded` with an overflow
    policy that drops, which depends on the speed of its reader, and for the first views of `full_book`, which depend on
    the arrival of snapshots. Once both books are ready, views of equal sequence are equal. Redacted secrets stay
    redacted.

    **Merged** sessions emit each message once, in the order of receipt, as the copy that was received first. A message
    that one collector missed and another received is emitted before the next number of its channel. Epochs are counted
    anew: they rise, and a `Gap` is emitted, only if no collector received a message. Events of a connection are emitted
    if no other collector was connected. Level2 has no numbers. So each product's level2 messages are those of one
    collector until its stream is interrupted (a reconnect, a gap). Then the product's epoch rises, and the next
    snapshot selects the collector. A number that comes more than *patience* seconds after a higher one is dropped, and
    reported as a `Gap`. So *patience* has to be longer than differences of clocks and latencies. Messages of so many
    seconds are buffered. Without *merge*, overlapping sessions are played one after the other, and a warning is logged.

    With **workers**, each process plays its own products. `collect` has the outputs of one process, in the same order,
    for a pipeline that treats each product by itself, as the operators of rxfeed do. Each worker imports the operators,
    so they have to be functions of a module:

        def study(source):
            return source.pipe(trades(), window_volume(60))

        if __name__ == "__main__":
            rows = Replay("recordings/", workers=4).collect(study)

    Nothing else can be subscribed then. Messages without a product go to the first worker alone. Each worker reads the
    whole recording, so a second one pays for work that takes longer than reading, such as that of books.

    Operators of reactivex with time (`buffer_with_time`, `debounce`, `timeout`, ...) use the recording's time:
    pipelines of a replay and its other streams run on `scheduler`, unless they are given another.

        >>> import reactivex
        >>> from rxfeed import Replay
        >>> from rxfeed.testing import trade
        >>> replay = Replay([trade(time=0), trade(time=59.9), trade(time=60)])
        >>> minutes = replay.pipe(reactivex.operators.buffer_with_time(60))
        >>> _ = minutes.subscribe(lambda trades: print(len(trades)))
        >>> replay.run()
        2
        1

    Frames of a segment without a subscriber are not decoded, only counted, some hundred lines at a time.

    Raises `ConfigError`, also for a path that does not exist. `close()` ends it at once.
    """

    _recorded: ClassVar[bool] = True

    def __init__(
        self,
        source: Path | Iterable[Path] | Iterable[Message] | Observable[Message],
        speed: float | None = None,
        products: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        merge: bool = False,
        patience: Seconds = 5.0,
        repaired: bool = True,
        clock: Clock | None = None,
        venue: str | Venue | None = None,
        count_items: bool = False,
        workers: int = 1,
    ) -> None:
        self._workers = arguments.positive_integer("workers", workers)
        if self._workers > 1 and (speed is not None or clock is not None or count_items):
            raise ConfigError("workers: several processes play without a speed, a clock, and counts of items")
        if speed is not None:
            arguments.above_zero("speed", speed)
        time_range = TimeRange(products, since, until)
        self._shown, self._scheduler = repr(source), ReplayScheduler(lambda: self._streams.failed())
        self._venue = None if venue is None else venue_of(venue)
        streams = FeedStreams(float("inf"), lambda: self._scheduler.now, venue=self._venue or venue_of(DEFAULT_VENUE))
        super().__init__(streams, self._scheduler, count_items=count_items)
        self._pacer = Pacer(self._scheduler, speed, clock or Clock())
        self._finished = threading.Event()
        self._patience = in_seconds(patience) if merge else None
        arguments.positive_microseconds("patience", patience)
        self._repaired = repaired
        self._repairs: Repairs = {}
        if self._workers > 1:
            source = _paths(source)
            self._arguments: ReplayArguments = {
                "source": source,
                "products": None if time_range.products is None else sorted(time_range.products),
                "since": since,
                "until": until,
                "merge": merge,
                "patience": patience,
                "repaired": repaired,
                "venue": venue,
            }
        self._play, begin = self._opened(source, time_range)
        self._player = Player(self._streams, self._pacer, time_range)
        self._player.insert(self._repairs)
        if begin:
            self._scheduler.begin(max(begin, time_range.since))

    # ---- streams

    @property
    def scheduler(self) -> ReplayScheduler:
        """The scheduler of the recording's time, for operators of reactivex with time. Pipelines use it by default.

        Its time is the receipt of the newest message. Actions that are due before a message run before it, on the
        replay's thread. After the replay has completed, scheduled actions run for at most an hour of virtual time.
        After `close()` none runs.
        """
        return self._scheduler

    def __repr__(self) -> str:
        return f"<Replay of {self._shown}>"

    # ---- workers

    def _collect_elsewhere(self, operators: tuple[object, ...], seconds: Seconds | None) -> list[object] | None:
        if self._workers == 1:
            return None
        if seconds is not None:
            raise ConfigError("seconds: several processes play a recording to its end")
        study = Study(self._arguments, pickled(operators), self._workers)
        try:
            outputs, read = collected(study)
        finally:
            self.close()
        for kind, count in read.counts.items():
            self.stats.add(kind, count)
        self.stats.frames += read.frames
        self.stats.bytes += read.bytes
        return outputs

    def collect_share(self, share: Share, operators: tuple[Operator[object, object], ...]) -> list[Keyed]:
        """In a worker process: the outputs for the products of *share*, each with its key for the merge."""
        firsts: dict[str | None, Place] = {}
        player = self._player

        def has(product_id: str | None) -> bool:
            if not share.has(product_id):
                return False
            firsts.setdefault(product_id, player.place)
            return True

        keyed = KeyedOutputs(lambda: player.place, firsts)
        self._streams.router.limit_to(has)
        stream = self.pipe(*operators) if operators else self
        cast("Guarded[object]", stream.pipe(ops.do_action(keyed.add))).collect()
        return keyed.items

    def _check_alone(self) -> None:
        if self._workers > 1:
            raise ConfigError("workers: several processes play for `replay.collect(...)` alone, on the replay itself")

    def _check_subscribable(self, scheduler: abc.SchedulerBase | None) -> None:
        self._check_alone()
        super()._check_subscribable(scheduler)

    # ---- the thread

    def _prepare(self) -> None:
        self._check_alone()

    def _work(self) -> Exception | None:
        failure = self._play()
        self._player.over = True
        return failure

    def _interrupt(self) -> None:
        self._player.stop()
        self._pacer.stop()
        self._finished.set()

    def _ended(self) -> None:
        self._pacer.run_out(_AFTERWARDS)

    # ---- what is played

    def _opened(
        self, source: Path | Iterable[object] | Observable[object], time_range: TimeRange
    ) -> tuple[Callable[[], Exception | None], int]:
        """The function that plays *source*, and when it begins (Unix nanoseconds; 0: not known yet)."""
        unmerged = ConfigError("merge: only recordings in files can be merged")
        if isinstance(source, Observable):
            if self._patience is not None:
                raise unmerged
            return partial(self._play_observable, source), 0
        if isinstance(source, str | PathLike):
            source = [source]
        try:
            items: Iterator[object] = iter(source)
        except TypeError:
            raise ConfigError(f"source: {source!r} is no path, no paths and no Messages") from None
        first = next(items, None)
        if first is None:
            raise ConfigError("source: it is empty")
        items = itertools.chain([first], items)
        if isinstance(first, str | PathLike):
            found = ordered(find(cast("Iterator[str | PathLike[str]]", items)))
            unused = dict(unused_repairs(found))
            for part, reason in unused.items():
                log.warning("%s: its trades are not played, since %s", part.path, reason)
            parts, repairs = without_repairs([part for part in found if part not in unused])
            parts = within(parts, time_range.since, time_range.until)
            self._repairs = repairs if self._repaired else {}
            self._streams.venue = named_venue(parts, self._venue)
            begin = next((part.found.first_ns for part in parts if isinstance(part.found, Recording)), 0)
            return partial(self._play_parts if self._patience is None else self._play_merged, parts), begin
        if self._patience is not None:
            raise unmerged
        return partial(self._play_messages, items), received(_message(first))

    def _play_parts(self, parts: list[Part]) -> Exception | None:
        player, damages, before = self._player, list[RecordingDamaged](), None
        for player.part, part in enumerate(parts):
            if player.stopping:
                break
            if before is not None and part.session != before.session:
                player.interrupted()
                if 0 < part.ns < self._scheduler.ns:
                    log.warning(
                        "sessions %s and %s overlap: merge=True plays them as one", before.session, part.session
                    )
            elif part.gap is not None:
                player.truncated(part.gap)
            before = part
            try:
                player.play(part.opened())
            except RecordingDamaged as damage:
                damages.append(damage)
                player.truncated(damage)
        unreadable = [damage for damage in damages if damage.line == 1]
        return unreadable[0] if unreadable and len(unreadable) == len(parts) else None

    def _play_merged(self, parts: list[Part]) -> Exception | None:
        unreadable: list[RecordingDamaged] = []
        self._player.merged(merged(parts, self._patience or 0, unreadable.append, self._streams.venue, self._repairs))
        return unreadable[0] if unreadable and len(unreadable) == len(parts) else None

    def _play_messages(self, items: Iterator[object]) -> Exception | None:
        try:
            for item in items:
                self._player.message(_message(item))
                if self._player.stopping:
                    break
        except Exception as error:
            return error
        return None

    def _play_observable(self, source: Observable[object]) -> Exception | None:
        failures: list[Exception] = []

        def failed(error: Exception) -> None:
            failures.append(error)
            self._finished.set()

        running = source.pipe(ops.take_while(lambda _: not self._player.stopping), ops.map(_message))
        subscription = running.subscribe(self._player.message, failed, self._finished.set)
        self._finished.wait()
        subscription.dispose()
        return failures[0] if failures else None


def _paths(source: object) -> list[str]:
    """The paths of *source*; raises `ConfigError` if it is anything else."""
    several = [source] if isinstance(source, str | PathLike) else source
    if isinstance(source, Observable) or not isinstance(several, Iterable):
        raise ConfigError("workers: only recordings in files can be played by several processes")
    paths = list(several)
    if not all(isinstance(path, str | PathLike) for path in paths):
        raise ConfigError("workers: only recordings in files can be played by several processes")
    return [fspath(path) for path in paths]


def _message(item: object) -> Message:
    if not isinstance(item, Message):
        raise ConfigError(f"source: {item!r} is neither a path nor a Message")
    return item
