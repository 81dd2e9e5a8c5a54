"""What a feed and a recording that is played have in common: their streams, and a life on one thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncIterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from reactivex import Observable, abc

from rxfeed.errors import FeedClosed, WrongProcess
from rxfeed.feed.channel_check import ChannelCheck
from rxfeed.feed.hub import log_raised
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import Ended, FeedStatus, KeepalivePong
from rxfeed.market import Malformed, Message
from rxfeed.operators import (
    AsyncItems,
    Guarded,
    Pipeline,
    Policy,
    Selectable,
    SinkLeft,
    Wish,
    first_wish,
    is_handed_back,
    on_sink_thread,
    piped,
    place_of_caller,
    serving,
    subscribed_to,
    to_async_iterable,
)
from rxfeed.venues import Venue

log = logging.getLogger("rxfeed.feed")


class MessageSource(Selectable, Guarded[Message]):
    """A hot Observable of all `Message`s, with streams beside it: compose and subscribe first, then `connect()`.

    `Feed` and `Replay` are such, so that what is written for one runs over the other. It begins when it is told to, on
    a thread of its own, and ends once: it completes, or fails with what ended it. A subscriber that raises is cut off
    and told through its own `on_error`; the others go on. What no `on_error` takes is logged once, at ERROR.

    *piped_on*: the scheduler of what is piped from it and its side-streams, unless that is given another.
    """

    _recorded: ClassVar[bool] = False
    """Its messages are those of a recording."""

    def __init__(self, outlets: Outlets, piped_on: abc.SchedulerBase | None = None) -> None:
        super().__init__()
        self._outlets = outlets
        self._piped_on = piped_on
        self._status = Pipeline(outlets.status, self, piped_on)
        self._keepalive = Pipeline(outlets.keepalive, self, piped_on)
        self._malformed = Pipeline(outlets.malformed, self, piped_on)
        self._channels = ChannelCheck(outlets.hub, self._recorded, lambda: self._closing, lambda: outlets.venue)
        outlets.status.subscribe(self._channels.status)
        self._state = threading.Lock()
        self._begun = self._closing = False
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._unwritten: tuple[SinkLeft, ...] = ()
        self._over = threading.Event()
        self._cause: BaseException | None = None
        self._raises = False  # `run` or `serve` waits, and raises what a subscriber leaves the program with

    # ---- what a kind of source is made of

    @abstractmethod
    def _prepare(self) -> None:
        """It begins: called once, before `_work` and `_interrupt`, under the lock."""

    @abstractmethod
    def _work(self) -> Exception | None:
        """Deliver until there is no more, or until interrupted; returns what it failed with."""

    @abstractmethod
    def _interrupt(self) -> None:
        """Make `_work` return soon, after the subscriber that is at work; from any thread."""

    def _ended(self) -> None:
        """Everybody was told of the end; after this it is over."""

    # ---- streams

    @property
    @abstractmethod
    def scheduler(self) -> abc.SchedulerBase:
        """Its time, for operators that wait."""

    @property
    def status(self) -> Observable[FeedStatus]:
        """What the connection is doing, event by event; a late subscriber gets the newest one first."""
        self._check_process()
        return self._status

    @property
    def keepalive(self) -> Observable[KeepalivePong]:
        """The pongs to the feed's pings, each with its round-trip time."""
        self._check_process()
        return self._keepalive

    @property
    def malformed(self) -> Observable[Malformed]:
        """The frames that are no message, in their place between the messages, each with the reason."""
        self._check_process()
        return self._malformed

    @property
    def stats(self) -> Stats:
        """The counters, live."""
        return self._outlets.stats

    @property
    def venue(self) -> Venue:
        """Where its messages come from."""
        return self._outlets.venue

    @property
    def about(self) -> dict[str, Any]:
        """What is delivered, for whoever keeps it: `url`, `channels`, `products`, as far as they are known."""
        return {}

    def redact(self, raw: bytes) -> bytes:
        """*raw*, something that was received, without the credentials that this source was given, should they be there.

        *raw* itself where they are not. For what a server may repeat them in: errors, and what is not understood.
        """
        return raw

    def select(self, wish: Wish) -> Observable[Any]:
        """The messages that *wish* names: what `matches()` and its like use."""
        return _Selection(self, self._outlets, wish)

    def _subscribe_core(
        self, observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self._check_process()
        subscribed_to(self._outlets.sinks)
        return self._outlets.hub.join(observer)

    def to_async_iterable(self, size: int = 10_000, policy: Policy = "block") -> AsyncItems[Message]:
        """The messages for `async for`, which subscribes and then connects; leaving the loop does not close the feed.

        At most *size* of them wait for the loop; *policy* says what happens then, as in `bounded`.
        """
        return to_async_iterable(self, size, policy, subscribed=self.connect)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self.to_async_iterable().__aiter__()

    # ---- what is composed on it

    # What this gives is as reactivex declares it.
    if not TYPE_CHECKING:

        def pipe(self, *operators: Any) -> Any:
            wish = first_wish(operators)
            return piped(super().pipe(*operators), self, self._piped_on, wish) if operators else self

    @property
    def root(self) -> Self:
        return self

    def unhandled(self, error: Exception, place: str) -> None:
        """Log *error*, which ended a subscription without `on_error` that was made at *place*."""
        if error is self._cause:  # of all that it ended, which is logged once for all
            raise error
        if not is_handed_back(error):  # which counts it
            self._outlets.failed()
        log_raised(error, place)

    def expect(self, wish: Wish, place: str) -> None:
        """Warn if no subscribed channel has what *wish* needs, now or when the channels are known."""
        self._channels.expect(wish, place)

    # ---- life

    def connect(self) -> None:
        """Begin, on a thread of its own, and return at once; harmless while it runs.

        Raises `FeedClosed` once it has ended.
        """
        self.begin()

    def begin(self) -> bool:
        """As `connect`; True if it did not run before."""
        thread = threading.Thread(target=self._serve, name="rxfeed", daemon=True)
        begun = self._begin(thread)
        if begun:
            thread.start()
        return begun

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]  # it has no last value to return
        self,
        scheduler: abc.SchedulerBase | None = None,
        *,
        seconds: float | None = None,
        flush: float | None = None,
    ) -> None:
        """Connect and block until the source has ended and its sinks have written everything.

        Ctrl-C, or *seconds*, closes it; *flush* is that of `close`. Raises the error that the source failed with, also
        a `SystemExit` or `KeyboardInterrupt` that a subscriber raised.
        """
        self._raises = True
        try:
            self.connect()
            self.wait(seconds)
        except KeyboardInterrupt:
            pass
        self.close(flush=flush)
        if self._cause is not None:
            raise self._cause.with_traceback(None)

    def serve(self) -> None:
        """Connect, and deliver in the calling thread until it ends.

        What it failed with goes to the subscribers. Raises `FeedClosed`, and a `SystemExit` or `KeyboardInterrupt` that
        a subscriber raised.
        """
        if self._begin(threading.current_thread()):
            self._raises = True
            self._serve()
            if self._cause is not None and not isinstance(self._cause, Exception):
                raise self._cause

    def wait(self, timeout: float | None = None) -> bool:
        """Block until it has ended, or *timeout* seconds; True where it has. For its sinks only `close` waits."""
        self._check_process()
        deadline = None if timeout is None else time.monotonic() + timeout
        # In slices, since some systems deliver no Ctrl-C inside one long wait.
        while not self._over.is_set():
            left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if left <= 0:
                return False
            self._over.wait(left)
        return True

    def close(self, timeout: float = 2.0, *, flush: float | None = None) -> None:
        """End the source, and return when its sinks (`record`, `to_mongo`) have written everything; from any thread.

        No message is delivered any more; subscribers complete. *timeout*: seconds for the source itself; 0 ends it
        without waiting for anything. *flush*: seconds for all sinks together; `None`: each has its own limit
        (`flush_seconds` of `to_mongo`). What a sink could not write in that time is logged at WARNING, with its counts,
        and is in `unwritten`.

        Called by a subscriber of the source or of a sink it returns at once, and the end comes when that subscriber has
        returned.
        """
        self._check_process()
        sinks = self._outlets.sinks
        with self._state:
            first, self._closing = not self._closing, True
            begun, thread = self._begun, self._thread
        if not begun:
            self._end(None)
        elif first:
            self._interrupt()
        if thread is threading.current_thread() or not timeout or on_sink_thread():
            return
        if thread is not None and not self._over.wait(timeout) and sinks.unblock():
            self._over.wait(timeout)
        if thread is not None and self._over.is_set():
            thread.join(timeout)
        elif thread is not None:
            log.warning("closing, but a subscriber or the system's resolver is still busy after %s s", timeout)
        self._unwritten = sinks.flush(flush)

    @property
    def unwritten(self) -> tuple[SinkLeft, ...]:
        """What its sinks had not written when `close` or `run` returned: one item for each sink that left something."""
        return self._unwritten

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._process:  # a forked child leaves the block, too
            self.close()

    # ---- its thread

    def _check_process(self) -> None:
        if self._process != os.getpid() and self._begun:
            raise WrongProcess("this feed runs in the parent process; make a new one after the fork")

    def _check_open(self) -> None:
        if self._closing or self._over.is_set():
            raise FeedClosed("this feed has ended: make a new one")

    def _begin(self, thread: threading.Thread) -> bool:
        self._check_process()  # before the lock, which a fork may have found held
        with self._state:
            self._check_open()
            if self._begun:
                return False
            self._prepare()
            self._begun, self._thread, self._process = True, thread, os.getpid()
            return True

    def _serve(self) -> None:
        cause: BaseException | None = None
        with serving(self._outlets.sinks):
            try:
                cause = self._work()
            except Exception as error:
                log.exception("a defect of rxfeed, please report it")
                cause = error
            except BaseException as error:  # SystemExit, KeyboardInterrupt: it is the end for all subscribers
                level = logging.INFO if self._raises else logging.WARNING
                log.log(level, "a subscriber raised %r: the feed ends, and run() raises it", error)
                cause = error
            finally:
                self._end(cause)

    def _end(self, cause: BaseException | None) -> None:
        with self._state:
            if self._over.is_set():
                return
            self._cause = cause
        self._outlets.sinks.over = True
        ended = Ended(cause=cause, at=self._outlets.now())
        with serving(self._outlets.sinks):
            for step in (lambda: self._outlets.report(ended), lambda: self._outlets.end(cause), self._ended):
                try:
                    step()
                except (
                    BaseException
                ) as error:  # a subscriber leaves the program at the end: the others end all the same
                    self._cause = self._cause or error
        self._over.set()


class _Selection(Observable[Any]):
    """A part of a source's messages, found by its hub."""

    def __init__(self, source: MessageSource, outlets: Outlets, wish: Wish) -> None:
        super().__init__()
        self._source, self._outlets, self._wish = source, outlets, wish

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self._source._check_process()
        subscribed_to(self._outlets.sinks)
        self._source.expect(self._wish, place_of_caller())
        return self._outlets.hub.join(observer, self._wish)
