"""The common part of a feed and a replay: the streams, the thread that delivers, the begin and the end."""

from __future__ import annotations

import importlib
import logging
import os
import threading
import time
from abc import abstractmethod
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypedDict

from reactivex import Observable, abc

from rxfeed.core import Seconds, in_seconds, table
from rxfeed.errors import ConfigError, FeedClosed, WrongProcess
from rxfeed.feed.channel_check import ChannelCheck
from rxfeed.feed.endings import SinkLeft, on_sink_thread, serving, subscribed_to
from rxfeed.feed.feed_streams import FeedStreams
from rxfeed.feed.message_router import log_raised
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import Ended, FeedStatus, KeepalivePong
from rxfeed.market import Malformed, Message
from rxfeed.operators import (
    FilterableSource,
    Graph,
    GraphDescription,
    GraphEntry,
    Guarded,
    MessageFilter,
    Pipeline,
    PipelineStep,
    SnapshotSource,
    described,
    filter_of,
    first_filter,
    is_handed_back,
    piped,
    place_of_caller,
    rooted,
)
from rxfeed.venues import Venue

if TYPE_CHECKING:
    from rxfeed.operators import AsyncItems, Overflow

log = logging.getLogger("rxfeed.feed")

# What `run` of an Observable of reactivex, such as `merge` returns, subscribes with.
_OF_PLAIN_RUN: object = vars(importlib.import_module("reactivex.run")).get("_default_scheduler")


class About(TypedDict, total=False):
    """The description of a source: its *url* without secret parts, and what it is subscribed to.

    *renamed*: the products by the ids under which the venue delivers them, where they differ.
    """

    url: str
    channels: list[str]
    products: list[str]
    renamed: dict[str, str]


class MessageSource(FilterableSource, Guarded[Message]):
    """A hot Observable of all `Message`s, with side streams: compose and subscribe first, then `connect()`.

    `Feed` and `Replay` are message sources, so a pipeline for one also runs on the other. A source begins with
    `connect()`, on its own thread. It ends once: it completes, or fails with the exception that ended it. A subscriber
    that raises is unsubscribed and gets the exception in its own `on_error`; the others continue. An exception without
    an `on_error` is logged once, at ERROR.

    *piped_on*: the scheduler of pipelines on the source and its side streams, unless `subscribe` is given another.
    *count_items*: `describe` counts the items between operators.
    """

    _recorded: ClassVar[bool] = False
    """True if the messages come from a recording."""

    def __init__(
        self, streams: FeedStreams, piped_on: abc.SchedulerBase | None = None, *, count_items: bool = False
    ) -> None:
        super().__init__()
        self._streams = streams
        self._piped_on = piped_on
        self._graph = Graph(counts=count_items)
        self._status = Pipeline(streams.status, self, piped_on, origin="status")
        self._keepalive = Pipeline(streams.keepalive, self, piped_on, origin="keepalive")
        self._malformed = Pipeline(streams.malformed, self, piped_on, origin="malformed")
        self._channels = ChannelCheck(streams, self._recorded, lambda: self._closing)
        streams.status.subscribe(self._channels.status)
        self._state = threading.Lock()
        self._begun = self._closing = False
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._unwritten: tuple[SinkLeft, ...] = ()
        self._over = threading.Event()
        self._cause: BaseException | None = None
        self._exit: BaseException | None = None  # what a subscriber on another thread ended the source with
        streams.sinks.leave = self._leave
        self._runs = False  # `run` waits, and raises the exception that ends the source
        self._raises = False  # `run` or `serve` waits, and raises a SystemExit or KeyboardInterrupt of a subscriber

    # ---- what a subclass defines

    @abstractmethod
    def _prepare(self) -> None:
        """Prepare the source; called once, before `_work` and `_interrupt`, with the lock held."""

    @abstractmethod
    def _work(self) -> Exception | None:
        """Deliver until the end, or until interrupted; returns the exception that ended it."""

    @abstractmethod
    def _interrupt(self) -> None:
        """Make `_work` return soon, after the current call of a subscriber; from any thread."""

    def _delivers_here(self) -> bool:
        """True if messages are delivered on the calling thread, so that it cannot wait for the end."""
        return self._thread is threading.current_thread()

    def _ended(self) -> None:
        """Called when all subscribers have received the end, just before `wait` returns."""

    # ---- streams

    @property
    @abstractmethod
    def scheduler(self) -> abc.SchedulerBase:
        """The scheduler with the time of the source, for operators that wait."""

    @property
    def status(self) -> Observable[FeedStatus]:
        """The status events of the connection; a late subscriber gets the newest one first."""
        self._check_process()
        return self._status

    @property
    def keepalive(self) -> Observable[KeepalivePong]:
        """The pongs to the feed's pings, each with its round-trip time."""
        self._check_process()
        return self._keepalive

    @property
    def malformed(self) -> Observable[Malformed]:
        """The frames that could not be decoded, in order with the messages, each with the reason.

        A frame that is no JSON is always one. The other fields of a message are checked only if something reads it:
        if nothing does, a live feed decodes type, product and number alone, and `stats.skimmed` counts it.
        """
        self._check_process()
        return self._malformed

    @property
    def stats(self) -> Stats:
        """The counters, updated while the source runs."""
        return self._streams.stats

    def _repr_html_(self) -> str:
        state = "ended" if self._over.is_set() else "connected" if self._begun else "not connected yet: call connect()"
        lists = {name: ", ".join(self.about.get(name, ())) for name in ("channels", "products")}
        counted = {"messages": f"{self.stats.messages:,}", "gaps": self.stats.gaps, "lag": f"{self.stats.lag:.3f} s"}
        rows = {"venue": self.venue.name, "url": self.about.get("url", "")} | lists | {"state": state} | counted
        return table(type(self).__name__, ((name, value) for name, value in rows.items() if value != ""))

    @property
    def venue(self) -> Venue:
        """Where its messages come from."""
        return self._streams.venue

    @property
    def about(self) -> About:
        """A description for sinks: `url`, `channels` and `products`, as far as they are known."""
        return {}

    def redact(self, raw: bytes) -> bytes:
        """*raw*, received bytes, without the credentials of this source; *raw* itself if it has none of them.

        For messages in which a server may repeat credentials: errors, and frames that could not be decoded.
        """
        return raw

    def select(self, message_filter: MessageFilter) -> Observable[Message]:
        """The messages that *message_filter* accepts; used by `matches()` and the other selecting operators."""

        def subscribe(
            observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
        ) -> abc.DisposableBase:
            self._check_subscribable(scheduler)
            subscribed_to(self._streams.sinks)
            self.expect(message_filter, place_of_caller())
            return self._streams.router.add(observer, message_filter)

        return Observable(subscribe)

    def _subscribe_core(
        self, observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        self._check_subscribable(scheduler)
        subscribed_to(self._streams.sinks)
        return self._streams.router.add(observer)

    def to_async_iterable(self, size: int = 10_000, overflow: Overflow = "block") -> AsyncItems[Message]:
        """The messages for `async for`, which subscribes and then connects; leaving the loop does not close the feed.

        At most *size* messages wait for the loop; *overflow* is the policy for more, as in `bounded`.
        """
        from rxfeed.operators import to_async_iterable

        return to_async_iterable(self, size, overflow, subscribed=self.connect)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self.to_async_iterable().__aiter__()

    # ---- pipelines

    # The type of the result is as reactivex declares it.
    if not TYPE_CHECKING:

        def pipe(self, *operators: object) -> object:
            message_filter = first_filter(operators)
            if not operators:
                return self
            made = self.graph.steps(self, tuple(rooted(each, self) for each in operators), operators)
            return piped(made.made, self, self._piped_on, message_filter, made.steps)

    @property
    def root(self) -> Self:
        return self

    @property
    def graph(self) -> Graph:
        """The pipelines with a subscriber; `describe` makes a text of them."""
        return self._graph

    def describe(self) -> GraphDescription:
        """The pipelines that are subscribed at this time: operators, queues, and with `count_items` the items.

        Names and queues cost nothing. A `print` of the result is a readable tree.
        """
        return described(self._graph, repr(self))

    def subscribed(self, steps: tuple[PipelineStep, ...], origin: str, place: str) -> Callable[[], None]:
        """Called by `subscribe`; see `Root.subscribed`."""
        router, graph = self._streams.router, self._graph
        first = filter_of(steps[0].operator) if steps else None
        counts = graph.counts and origin == "messages"
        before = router.delivered(first) if counts else 0
        entry = GraphEntry(steps, origin, place, lambda: router.delivered(first) - before if counts else None)
        graph.add(entry)
        return lambda: graph.remove(entry)

    def take_samples(self, each: Callable[[Message], None], most: int = 256) -> None:
        """Call *each* with the next message of each type and product that has a subscriber, at most of *most* of them.

        It returns at once. *each* is called on the delivering thread, before the subscribers. Other messages cost
        nothing.
        """
        self._streams.router.take_samples(each, most)

    @property
    def level3_snapshot(self) -> SnapshotSource | None:
        """Requests a product's book by order from the venue, and blocks; `None` if there is no REST API of it."""
        return None

    def unhandled(self, error: Exception, place: str, counted: bool = False) -> None:
        """Log *error*, which ended a subscription without `on_error` that was made at *place*; count it if not
        *counted*."""
        if error is self._cause:  # of all that it ended, which is logged once for all
            raise error
        if not counted and not is_handed_back(error):  # which counts it
            self._streams.failed()
        log_raised(error, place)

    def expect(self, message_filter: MessageFilter, place: str) -> None:
        """Warn if no subscribed channel has what *message_filter* needs, now or as soon as the channels are known."""
        self._channels.expect(message_filter, place)

    # ---- begin and end

    def connect(self) -> None:
        """Start the source on its own thread and return at once; no effect while it runs.

        Raises `FeedClosed` if the source has ended.
        """
        self.begin()

    def begin(self) -> bool:
        """As `connect`; True if the source did not run before."""
        thread = threading.Thread(target=self._serve, name="rxfeed", daemon=True)
        begun = self._begin(thread)
        if begun:
            thread.start()
        return begun

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]  # there is no last value to return
        self,
        scheduler: abc.SchedulerBase | None = None,
        *,
        seconds: Seconds | None = None,
        flush: Seconds | None = None,
    ) -> None:
        """Connect and block until the source has ended and its sinks have written everything.

        Ctrl-C closes the source, and so does the end of *seconds*; *flush* is that of `close`. Raises the exception
        that the source failed with, also a `SystemExit` or `KeyboardInterrupt` that a subscriber raised.
        """
        self._raises = self._runs = True
        try:
            self.connect()
            self.wait(seconds)
        except KeyboardInterrupt:
            pass
        self.close(flush=flush)
        if self._cause is not None:
            raise self._cause.with_traceback(None)

    def serve(self) -> None:
        """Connect, and deliver in the calling thread until the source ends.

        The exception that it failed with goes to the subscribers only. Raises `FeedClosed`, and a `SystemExit` or
        `KeyboardInterrupt` that a subscriber raised.
        """
        if self._begin(threading.current_thread()):
            self._raises = True
            self._serve()
            if self._cause is not None and not isinstance(self._cause, Exception):
                raise self._cause

    def wait(self, timeout: Seconds | None = None) -> bool:
        """Block until the source has ended, or for *timeout* seconds; True if it has ended. Does not wait for sinks."""
        self._check_process()
        deadline = None if timeout is None else time.monotonic() + in_seconds(timeout)
        # Several short waits, because some systems deliver no Ctrl-C during one long wait.
        while not self._over.is_set():
            left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if left <= 0:
                return False
            self._over.wait(left)
        return True

    def close(self, timeout: Seconds = 2.0, *, flush: Seconds | None = None) -> None:
        """End the source, and return when its sinks (`record`, `to_mongo`) have written everything; from any thread.

        No further message is delivered; subscribers complete. If a subscriber of the source or of a sink calls it,
        `close` returns at once, and the source ends when that subscriber has returned; of a frame with several messages
        the rest is delivered. Items that a sink could not write in time are counted in a log line at WARNING, and in
        `unwritten`.

        *timeout*: seconds to wait for the source itself; with 0 `close` waits for nothing. *flush*: seconds to wait for
        all sinks together; `None`: each sink has its own limit (`flush_seconds` of `to_mongo`).
        """
        self._check_process()
        sinks, timeout, flush = self._streams.sinks, in_seconds(timeout), None if flush is None else in_seconds(flush)
        with self._state:
            first, self._closing = not self._closing, True
            begun, thread = self._begun, self._thread
        if not begun:
            self._end(None)
        elif first:
            self._interrupt()
        if self._delivers_here() or not timeout or on_sink_thread():
            return
        if thread is not None and not self._over.wait(timeout) and sinks.unblock():
            self._over.wait(timeout)
        if thread is not None and self._over.is_set():
            thread.join(timeout)
        elif thread is not None:
            log.warning(
                "close: a subscriber or the system's resolver is still busy after %s s; the feed ends when it returns",
                timeout,
            )
        self._unwritten = sinks.flush(flush)

    @property
    def leaving(self) -> BaseException | None:
        """The `SystemExit` or `KeyboardInterrupt` that a subscriber raised and that has ended it; `None` for none."""
        return None if isinstance(self._cause, Exception) or not self._over.is_set() else self._cause

    @property
    def unwritten(self) -> tuple[SinkLeft, ...]:
        """What the sinks had not written when `close` or `run` returned: one item for each sink that left something."""
        return self._unwritten

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._process:  # a forked child process also leaves the block
            self.close()

    # ---- the delivering thread

    def _check_process(self) -> None:
        if self._process != os.getpid() and self._begun:
            raise WrongProcess("this feed runs in the parent process; make a new one after the fork")

    def _check_subscribable(self, scheduler: abc.SchedulerBase | None) -> None:
        self._check_process()
        if scheduler is not None and scheduler is _OF_PLAIN_RUN and not self._begun and not self._over.is_set():
            raise ConfigError(
                f"run() of what reactivex composed does not connect {self!r}, and would wait for it for ever: "
                "subscribe() to the stream, and then call run() of the source, or connect() it before"
            )

    def check_open(self) -> None:
        """Raise `FeedClosed` if the source has ended, or was closed."""
        if self._closing or self._over.is_set():
            raise FeedClosed("this feed has ended: make a new one")

    def _begin(self, thread: threading.Thread) -> bool:
        self._check_process()  # before the lock, which may have been held at the fork
        with self._state:
            self.check_open()
            if self._begun:
                return False
            self._prepare()
            self._begun, self._thread, self._process = True, thread, os.getpid()
            return True

    def _serve(self) -> None:
        cause: BaseException | None = None
        with serving(self._streams.sinks):
            try:
                cause = self._work()
                if self._exit is not None:
                    raise self._exit
            except Exception as error:
                log.exception("the feed ends with an unexpected error: this is a defect of rxfeed, please report it")
                cause = error
            except BaseException as error:  # SystemExit, KeyboardInterrupt: all subscribers end
                level = logging.INFO if self._raises else logging.WARNING
                log.log(level, "a subscriber raised %r: the feed ends, and run() raises it", error)
                cause = error
            finally:
                self._end(cause)

    def _leave(self, error: BaseException) -> None:
        """End with *error*, which a subscriber raised on a thread of an operator; from any thread."""
        with self._state:
            if self._over.is_set():
                log.error("a subscriber raised %r after the end of the feed", error)
                return
            if self._exit is not None:
                return
            self._exit = error
            begun, first, self._closing = self._begun, not self._closing, True
        if not begun:
            self._end(error)
        elif first:
            self._interrupt()

    def _end(self, cause: BaseException | None) -> None:
        with self._state:
            if self._over.is_set():
                return
            self._cause = cause = cause or self._exit
        self._streams.sinks.over = True
        ended = Ended(cause=cause, at=self._streams.now())
        with serving(self._streams.sinks):
            for step in (
                lambda: self._streams.report(ended),
                lambda: self._streams.end(cause, raised=self._runs and cause is self._streams.logged),
                self._ended,
            ):
                try:
                    step()
                except (
                    BaseException
                ) as error:  # a subscriber exits the program at the end: the other subscribers still end
                    self._cause = self._cause or error
        self._over.set()
