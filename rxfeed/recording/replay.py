"""A recording as a source of messages: what runs on a Feed runs on it."""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from os import PathLike
from typing import Any, ClassVar

from reactivex import Observable
from reactivex import operators as ops

from rxfeed.core import positive_microseconds
from rxfeed.errors import ConfigError, RecordingDamaged
from rxfeed.feed import Clock, MessageSource, Outlets
from rxfeed.market import Message
from rxfeed.recording.choice import Choice
from rxfeed.recording.files import Part, find, ordered, within
from rxfeed.recording.merging import merged
from rxfeed.recording.pace import Timeline
from rxfeed.recording.player import Player, received
from rxfeed.recording.reading import Recording
from rxfeed.recording.scheduler import ReplayScheduler
from rxfeed.venues import DEFAULT_VENUE, Venue
from rxfeed.venues import venue as venue_of

log = logging.getLogger("rxfeed.recording")

Path = str | PathLike[str]

# What is scheduled when the recording ends has so many seconds of its time to come.
_AFTERWARDS = 3600.0


class Replay(MessageSource):
    """A hot Observable of all `Message`s of a recording: compose and subscribe first, then `connect()`, as with a Feed.

        replay = Replay("recordings/", since=datetime(2026, 11, 24, tzinfo=UTC))
        replay.pipe(window_volume(60)).subscribe(print)
        replay.run()

    *source*: a file or a folder, or many of them: segments of `rxfeed record`, older recordings
    (`{"t", "dir", "data"}`), plain JSON lines (each a frame), each known by its content, packed with zstd, gzip, or
    not. Or Messages: an Observable of them, such as `from_mongo(collection)`, or an iterable.
    *speed*: 1 keeps the recorded pace, 60 plays a minute a second, `None` goes as fast as it can.
    *products*, *since*, *until* (aware datetimes): only what was received in `[since, until)`, of these products or of
    none. *merge*: the sessions are several collectors' of one exchange, and are played as one, with *patience* (see
    below). *clock*: a `Clock`, for tests. *venue*: whose frames these are; `None`: the one that the recordings name.

    It yields all that a feed does. Messages have the receipt time and the epoch that they were recorded with; `status`,
    `malformed` and `keepalive` emit in their place what was recorded there, with its time. Segments are played session
    by session (a session is one run of a recorder), by number, as their header lines say. Between two sessions, and
    where one is damaged, all epochs rise; the damage is said on `status` by a `Torn`, and the rest is still played. A
    session's own `Ended` is left out: the replay says one when it ends. It fails with a `RecordingDamaged` if nothing
    could be read. Recordings without epochs are judged as a feed judges: `Connected`, `Subscribed` and `Gap` on
    `status`, what comes twice dropped. Plain lines have their own time for their receipt.

    **The promise**: whatever operators make of a feed that is being recorded, they make of its recording, at any speed
    and every time: equal values in the same order, messages with their bytes, receipt times and epochs, `status` and
    `malformed` in their places between them. It holds for the operators of rxfeed and those of reactivex that look at
    items only. Those that wait are equal from replay to replay, but live they ran on the wall clock. It cannot hold for
    `bounded` where its policy drops, which is its reader's speed, and for the first views of `full_book`, whose
    snapshots come when they come: once both are ready, views of one sequence are equal. What a recorder blanked because
    it was secret stays blank.

    **Merged** sessions give each message once, that of the collector which received it first, in the order of receipt;
    what one of them missed and another has goes where it belongs, before the next number of its channel. Epochs are
    made anew: they rise only where nobody received what is missing, and a `Gap` is said only then. The connection's
    events are said where nobody else was connected. Level2 has no numbers: of each product one collector's is played
    until it breaks (a reconnect, something missed), which raises the product's epoch, and then whose snapshot comes
    next. Numbers that come more than *patience* seconds after a later one are dropped, and a `Gap`: that bounds how
    much clocks and ways may differ, and the memory, which holds the messages of so many seconds. Without *merge*
    sessions that overlap are played one after the other, and the log warns.

    Operators of reactivex that wait (`buffer_with_time`, `debounce`, `timeout`, ...) wait in the recording's time:
    whatever is piped from a replay and its side-streams runs on `scheduler`, unless it is given another.

        >>> replay = Replay([match(time=0), match(time=59.9), match(time=60)])
        >>> minutes = replay.pipe(reactivex.operators.buffer_with_time(60))
        >>> _ = minutes.subscribe(lambda trades: print(len(trades)))
        >>> replay.run()
        2
        1

    A segment's frames that nobody wants are not decoded, only counted, some hundred lines at a time.

    Raises `ConfigError`, for a path that does not exist too. `close()` ends it at once.
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
        patience: float = 5.0,
        clock: Clock | None = None,
        venue: str | Venue | None = None,
    ) -> None:
        if speed is not None and (isinstance(speed, bool) or not isinstance(speed, int | float) or not speed > 0):
            raise ConfigError(f"speed: {speed!r} is not above 0")
        choice = Choice(products, since, until)
        self._shown, self._scheduler = repr(source), ReplayScheduler(lambda: self._outlets.failed())
        self._venue = None if venue is None else venue_of(venue)
        outlets = Outlets(float("inf"), lambda: self._scheduler.now, venue=self._venue or venue_of(DEFAULT_VENUE))
        super().__init__(outlets, self._scheduler)
        self._timeline = Timeline(self._scheduler, speed, clock or Clock())
        self._finished = threading.Event()
        self._patience = patience if merge else None
        positive_microseconds("patience", patience)
        self._play, begin = self._opened(source, choice)
        self._player = Player(self._outlets, self._timeline, choice)
        if begin:
            self._scheduler.begin(max(begin, choice.since))

    # ---- streams

    @property
    def scheduler(self) -> ReplayScheduler:
        """The recording's time, for operators of reactivex that wait; what is piped from here uses it by itself.

        It stands at the newest message's receipt. What is due until a message's time runs before that message, on the
        replay's thread; at the end, when subscribers have been told, it goes on for as long as something is due, but no
        longer than an hour. After `close()` nothing runs any more.
        """
        return self._scheduler

    def __repr__(self) -> str:
        return f"<Replay of {self._shown}>"

    # ---- a source's life

    def _prepare(self) -> None:
        """Everything is."""

    def _work(self) -> Exception | None:
        return self._play()

    def _interrupt(self) -> None:
        self._player.stop()
        self._timeline.stop()
        self._finished.set()

    def _ended(self) -> None:
        self._timeline.run_out(_AFTERWARDS)

    # ---- what is played

    def _opened(self, source: Any, choice: Choice) -> tuple[Callable[[], Exception | None], int]:
        """How to play *source*, and when it begins (Unix nanoseconds; 0: that is not known yet)."""
        unmerged = ConfigError("merge: only recordings in files can be merged")
        if isinstance(source, Observable):
            if self._patience is not None:
                raise unmerged
            return partial(self._play_observable, source), 0
        if isinstance(source, str | PathLike):
            source = [source]
        try:
            items = iter(source)
        except TypeError:
            raise ConfigError(f"source: {source!r} is no path, and neither many paths nor Messages") from None
        first = next(items, None)
        if first is None:
            raise ConfigError("source: there is nothing in it")
        items = itertools.chain([first], items)
        if isinstance(first, str | PathLike):
            parts = within(ordered(find(items)), choice.since, choice.until)
            if self._venue is None:
                self._outlets.venue = _venue(parts)
            begin = next((part.found.first_ns for part in parts if isinstance(part.found, Recording)), 0)
            return partial(self._play_parts if self._patience is None else self._play_merged, parts), begin
        if self._patience is not None:
            raise unmerged
        return partial(self._play_messages, items), received(_message(first))

    def _play_parts(self, parts: list[Part]) -> Exception | None:
        player, damages, before = self._player, list[RecordingDamaged](), None
        for part in parts:
            if player.stopping:
                break
            if before is not None and part.session != before.session:
                player.interrupted()
                if 0 < part.ns < self._scheduler.ns:
                    log.warning(
                        "sessions %s and %s overlap: merge=True plays them as one", before.session, part.session
                    )
            elif part.gap is not None:
                player.torn(part.gap)
            before = part
            try:
                player.play(part.opened())
            except RecordingDamaged as damage:
                damages.append(damage)
                player.torn(damage)
        unreadable = [damage for damage in damages if damage.line == 1]
        return unreadable[0] if unreadable and len(unreadable) == len(parts) else None

    def _play_merged(self, parts: list[Part]) -> Exception | None:
        unreadable: list[RecordingDamaged] = []
        self._player.merged(merged(parts, self._patience or 0, unreadable.append, self._outlets.venue))
        return unreadable[0] if unreadable and len(unreadable) == len(parts) else None

    def _play_messages(self, items: Iterator[Any]) -> Exception | None:
        try:
            for item in items:
                self._player.message(_message(item))
                if self._player.stopping:
                    break
        except Exception as error:
            return error
        return None

    def _play_observable(self, source: Observable[Any]) -> Exception | None:
        failures: list[Exception] = []

        def failed(error: Exception) -> None:
            failures.append(error)
            self._finished.set()

        running = source.pipe(ops.take_while(lambda _: not self._player.stopping), ops.map(_message))
        subscription = running.subscribe(self._player.message, failed, self._finished.set)
        self._finished.wait()
        subscription.dispose()
        return failures[0] if failures else None


def _venue(parts: list[Part]) -> Venue:
    """The venue that the headers of *parts* name; raises `ConfigError` for one that is not known, or for several."""
    headers = [part.found.header for part in parts if isinstance(part.found, Recording)]
    names = {header.venue or DEFAULT_VENUE for header in headers if header is not None} or {DEFAULT_VENUE}
    if len(names) > 1:
        raise ConfigError(f"source: recordings of several venues, {', '.join(sorted(names))}: replay each by itself")
    try:
        return venue_of(names.pop())
    except ConfigError as error:
        raise ConfigError(f"source: {error}, as Replay(..., venue=...)") from None


def _message(item: Any) -> Message:
    if not isinstance(item, Message):
        raise ConfigError(f"source: {item!r} is neither a path nor a Message")
    return item
