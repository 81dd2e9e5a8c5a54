"""The Feed itself: what is said to it, its one thread, and its end."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from reactivex import Observable, abc

from rxfeed.errors import ConfigError, FeedClosed, RxfeedError
from rxfeed.feed.session import Outlets, Session
from rxfeed.feed.stats import Stats
from rxfeed.feed.status import Disconnected, Ended, FeedStatus, KeepalivePong
from rxfeed.messages import Malformed, Message
from rxfeed.operators import Selectable, Wish
from rxfeed.protocol import DEFAULT_URL, Credentials, Subscription, live_url, shown_url
from rxfeed.protocol.requests import Channel
from rxfeed.transport import Connection, TransportOptions, Wakeup

log = logging.getLogger("rxfeed.feed")


class Feed(Selectable):
    """A hot Observable of all `Message`s of one connection: compose and subscribe first, then `connect()`.

        feed = Feed("BTC-USD", ["matches", "heartbeat"])
        feed.pipe(window_volume(60)).subscribe(print)
        feed.run()

    Messages arrive on the feed's own thread, in the order in which the exchange sent them. A subscriber that raises is
    cut off and told through its own `on_error`; the others and the connection go on. A feed ends once: it completes
    when it was closed, and fails with a `ConnectFailed` or `ConnectionLost` when there is no connection (any more).

    *products*, *channels*: one or many; a channel may be the exchange's object, with products of its own.
    *credentials* sign the subscription (see `Credentials.from_env`); `None` subscribes unsigned.
    *ping_interval*: seconds between pings, sent whether or not messages flow; `None` for none.
    The rest is `TransportOptions`'. Raises `ConfigError` for what can never work.
    """

    def __init__(
        self,
        products: str | Iterable[str],
        channels: Channel | Iterable[Channel],
        *,
        url: str = DEFAULT_URL,
        credentials: Credentials | None = None,
        ping_interval: float | None = 30.0,
        max_size: int = 64 * 1024 * 1024,
        connect_timeout: float = 10.0,
        ssl_context: ssl.SSLContext | None = None,
        proxy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        if ping_interval is not None and not ping_interval > 0:
            raise ConfigError(f"ping_interval: {ping_interval!r} is not above 0; None sends no pings")
        self.url = live_url(url)
        self._subscription = Subscription.of(products, channels)
        self._credentials = credentials
        self._ping_interval = ping_interval
        self._options = TransportOptions(
            max_size=max_size,
            connect_timeout=connect_timeout,
            ssl_context=ssl_context,
            proxy=proxy,
            headers=dict(headers or {}),
        )
        self._outlets = Outlets()
        self._state = threading.Lock()
        self._closing = False
        self._session: Session | None = None
        self._wakeup: Wakeup | None = None
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

    # ---- life

    def connect(self) -> None:
        """Open the connection, on a thread of its own, and return at once; harmless while it is open.

        Raises `FeedClosed` once the feed has ended.
        """
        thread = threading.Thread(target=self._main, name="rxfeed", daemon=True)
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
            self._main()

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
            session, wakeup, thread = self._session, self._wakeup, self._thread
        if session is None:
            self._end(None)
            return
        if first:
            session.stop()
            assert wakeup is not None
            wakeup.set()
        if thread is not threading.current_thread() and thread is not None:
            self._over.wait(timeout)
            if self._over.is_set():
                thread.join(timeout)
            elif timeout:
                log.warning("closing, but a subscriber or the system's resolver is still busy after %s s", timeout)

    def __enter__(self) -> Feed:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Feed {self._subscription.text()} from {shown_url(self.url)}>"

    # ---- the feed's thread

    def _begin(self, thread: threading.Thread) -> bool:
        with self._state:
            if self._closing or self._over.is_set():
                raise FeedClosed("this feed has ended: make a new one")
            if self._session is not None:
                return False
            self._wakeup = Wakeup()
            connection = Connection(self.url, self._options, self._wakeup)
            self._session = Session(connection, self._subscribe_text, self._ping_interval, self._outlets)
            self._thread = thread
            return True

    def _main(self) -> None:
        cause: Exception | None = None
        assert self._session is not None
        try:
            self._session.run()
        except RxfeedError as error:
            if not self._closing:
                cause = error
                self._outlets.report(Disconnected(cause=error))
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
            if self._wakeup is not None:
                self._wakeup.close()
        self._outlets.report(Ended(cause=cause))
        self._outlets.end(cause)
        self._over.set()

    def _subscribe_text(self) -> str:
        return self._subscription.text("subscribe", self._credentials, str(time.time()))


class _Selection(Observable[Any]):
    """A part of a feed's messages, found by its hub."""

    def __init__(self, feed: Feed, wish: Wish) -> None:
        super().__init__()
        self._feed, self._wish = feed, wish

    def _subscribe_core(
        self, observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        return self._feed._outlets.hub.join(observer, self._wish)
