"""The Feed itself: what is said to it, its one thread, and its end."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Any

from reactivex import Observable, abc

from rxfeed.core import Reconnect
from rxfeed.errors import FeedClosed
from rxfeed.feed.clock import Clock
from rxfeed.feed.line import Line
from rxfeed.feed.outlets import Outlets
from rxfeed.feed.settings import Settings
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import Ended, FeedStatus, KeepalivePong
from rxfeed.feed.wanted import Wanted
from rxfeed.messages import Malformed, Message
from rxfeed.operators import AsyncItems, Selectable, Wish, to_async_iterable
from rxfeed.operators.handover import Policy
from rxfeed.protocol import DEFAULT_URL, Channel, Credentials, Subscription, live_url, shown_url
from rxfeed.transport import TransportOptions

log = logging.getLogger("rxfeed.feed")


class Feed(Selectable):
    """A hot Observable of all `Message`s of one connection: compose and subscribe first, then `connect()`.

        feed = Feed("BTC-USD", ["matches", "heartbeat"])
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    Messages arrive on the feed's own thread, in the order in which the exchange sent them. A subscriber that raises is
    cut off and told through its own `on_error`; the others and the connection go on. When the connection is lost, or
    goes silent, the feed comes back and subscribes anew; what was missed meanwhile is said on `status`, and by the
    messages' `epoch`. A feed ends once: it completes when it was closed, and fails with what ended it otherwise, a
    certificate that does not verify, credentials that are not accepted, a host that is retired, or `Reconnect.retries`.

    *products*, *channels*: one or many; a channel may be the exchange's object, with products of its own.
    *credentials* sign the subscription (see `Credentials.from_env`); `None` subscribes unsigned.
    *reconnect*: True, False (the first failure ends the feed), or a `Reconnect`.
    In seconds: *ping_interval* between pings, sent whether or not messages flow (`None`: none), *pong_timeout* for the
    answer, *stale_after* without any data (`None`: however long; subscribe to `heartbeat` where a channel is quiet),
    *heartbeat_timeout* without the heartbeat of a product, *lag_threshold* of delivery before `Lagging` is said.
    *drop_duplicates*: False delivers also what came before (it is counted all the same).
    *clock*: a `Clock` that runs faster, for tests. The rest is `TransportOptions`'. Raises `ConfigError` for what can
    never work.
    """

    def __init__(
        self,
        products: str | Iterable[str],
        channels: Channel | Iterable[Channel],
        *,
        url: str = DEFAULT_URL,
        credentials: Credentials | None = None,
        reconnect: bool | Reconnect = True,
        ping_interval: float | None = 30.0,
        pong_timeout: float = 10.0,
        stale_after: float | None = 60.0,
        heartbeat_timeout: float = 5.0,
        lag_threshold: float = 1.0,
        drop_duplicates: bool = True,
        max_size: int = 64 * 1024 * 1024,
        connect_timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        settings = Settings(
            url=live_url(url),
            transport=TransportOptions(
                max_size=max_size,
                connect_timeout=connect_timeout,
                ssl_context=ssl_context,
                proxy=proxy,
                headers=dict(headers or {}),
            ),
            credentials=credentials,
            reconnect=reconnect,
            ping_interval=ping_interval,
            pong_timeout=pong_timeout,
            stale_after=stale_after,
            heartbeat_timeout=heartbeat_timeout,
            lag_threshold=lag_threshold,
            drop_duplicates=drop_duplicates,
        )
        self.url = settings.url
        self._wanted = Wanted(Subscription.of(products, channels))
        self._outlets = Outlets(lag_threshold)
        self._make_line = partial(Line, settings, self._wanted, self._outlets, clock or Clock())
        self._state = threading.Lock()
        self._closing = False
        self._line: Line | None = None
        self._thread: threading.Thread | None = None
        self._over = threading.Event()
        self._cause: Exception | None = None

    # ---- streams

    @property
    def status(self) -> Observable[FeedStatus]:
        """What the connection is doing, event by event; a late subscriber gets the newest one first."""
        return self._outlets.status

    @property
    def keepalive(self) -> Observable[KeepalivePong]:
        """The pongs to the feed's pings, each with its round-trip time."""
        return self._outlets.keepalive

    @property
    def malformed(self) -> Observable[Malformed]:
        """The frames that are no message, in their place between the messages, each with the reason."""
        return self._outlets.malformed

    @property
    def stats(self) -> Stats:
        """The counters, live."""
        return self._outlets.stats

    def select(self, wish: Wish) -> Observable[Any]:
        """The messages that *wish* names: what `matches()` and its like use."""
        return _Selection(self, wish)

    def _subscribe_core(
        self, observer: abc.ObserverBase[Message], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._outlets.hub.join(observer)

    def to_async_iterable(self, size: int = 10_000, policy: Policy = "block") -> AsyncItems[Message]:
        """The messages for `async for`, which subscribes and then connects; leaving the loop does not close the feed.

        At most *size* of them wait for the loop; *policy* says what happens then, as in `bounded`.
        """
        return to_async_iterable(self, size, policy, subscribed=self.connect)

    def __aiter__(self) -> AsyncIterator[Message]:
        return self.to_async_iterable().__aiter__()

    # ---- life

    def connect(self) -> None:
        """Open the connection, on a thread of its own, and return at once; harmless while it is open.

        Raises `FeedClosed` once the feed has ended.
        """
        thread = threading.Thread(target=self._serve, name="rxfeed", daemon=True)
        if self._begin(thread):
            thread.start()

    def run(  # pyright: ignore[reportIncompatibleMethodOverride]  # it has no last value to return
        self, scheduler: abc.SchedulerBase | None = None, *, seconds: float | None = None
    ) -> None:
        """Connect and block until the feed ends; Ctrl-C, or *seconds*, closes it. Raises what it failed with."""
        try:
            self.connect()
            self.wait(seconds)
        except KeyboardInterrupt:
            pass
        self.close()
        if self._cause is not None:
            raise self._cause.with_traceback(None)

    def serve(self) -> None:
        """Connect, and deliver in the calling thread until the feed ends; nothing is raised but `FeedClosed`.

        What it failed with goes to the subscribers, as always.
        """
        if self._begin(threading.current_thread()):
            self._serve()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the feed has ended, or *timeout* seconds; True where it has."""
        deadline = None if timeout is None else time.monotonic() + timeout
        # In slices, since some systems deliver no Ctrl-C inside one long wait.
        while not self._over.is_set():
            left = 0.5 if deadline is None else min(0.5, deadline - time.monotonic())
            if left <= 0:
                return False
            self._over.wait(left)
        return True

    def close(self, timeout: float = 2.0) -> None:
        """End the feed, and its thread, within *timeout* seconds; from any thread, any number of times.

        No message is delivered any more; subscribers complete. Called by a subscriber it returns at once, and the feed
        ends when that subscriber has returned.
        """
        with self._state:
            first, self._closing = not self._closing, True
            line, thread = self._line, self._thread
        if line is None:
            self._end(None)
            return
        if first:
            line.close()
        if thread is not threading.current_thread() and thread is not None:
            self._over.wait(timeout)
            if self._over.is_set():
                thread.join(timeout)
            elif timeout:
                log.warning("closing, but a subscriber or the system's resolver is still busy after %s s", timeout)

    def add(self, products: str | Iterable[str], channels: Channel | Iterable[Channel]) -> None:
        """Subscribe to *channels* for *products* too, now and after every reconnect; from any thread, at once.

        `Subscribed` on `status` tells when the exchange has acknowledged it, `Rejected` what it refuses. Changes made
        in quick succession are said in one message. Raises `ConfigError`, and `FeedClosed` once the feed has ended.
        """
        self._change(self._wanted.add, products, channels)

    def remove(self, products: str | Iterable[str], channels: Channel | Iterable[Channel]) -> None:
        """Unsubscribe from *channels* for *products*; with no products (`[]`) from the whole channels. As `add`."""
        self._change(self._wanted.remove, products, channels)

    def send(self, text: str) -> None:
        """Say *text* to the exchange as it is, once, behind what waits to be said; from any thread, at once.

        For what `add` and `remove` cannot say; at the pace that the exchange takes. Raises `FeedClosed`.
        """
        self._say(text)

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping of your own, beside the keepalive's; as `send`."""
        self._say(payload)

    def _say(self, aside: str | bytes) -> None:
        with self._state:
            if self._closing or self._over.is_set():
                raise FeedClosed("this feed has ended: make a new one")
            self._wanted.asides.append(aside)
            if self._line is not None:
                self._line.nudge()

    def _change(self, change: Callable[[Subscription], None], products: Any, channels: Any) -> None:
        subscription = Subscription.of(products, channels)
        with self._state:
            if self._closing or self._over.is_set():
                raise FeedClosed("this feed has ended: make a new one")
            change(subscription)
            if self._line is not None:
                self._line.nudge()

    def __enter__(self) -> Feed:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        channels = ", ".join(sorted({channel for channel, _ in self._wanted.pairs}))
        products = ", ".join(sorted({product for _, product in self._wanted.pairs if product is not None}))
        return f"<Feed of {channels} for {products or 'no product'} from {shown_url(self.url)}>"

    # ---- the feed's thread

    def _begin(self, thread: threading.Thread) -> bool:
        with self._state:
            if self._closing or self._over.is_set():
                raise FeedClosed("this feed has ended: make a new one")
            if self._line is not None:
                return False
            self._line, self._thread = self._make_line(), thread
            return True

    def _serve(self) -> None:
        cause: Exception | None = None
        assert self._line is not None
        try:
            cause = self._line.run()
        except Exception as error:
            log.exception("a defect of rxfeed, please report it")
            cause = error
        finally:
            self._end(cause)

    def _end(self, cause: Exception | None) -> None:
        with self._state:
            if self._over.is_set():
                return
            self._cause = cause
        self._outlets.report(Ended(cause=cause))
        self._outlets.end(cause)
        self._over.set()


class _Selection(Observable[Any]):
    """A part of a feed's messages, found by its hub."""

    def __init__(self, feed: Feed, wish: Wish) -> None:
        super().__init__()
        self._feed, self._wish = feed, wish

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._feed._outlets.hub.join(observer, self._wish)
