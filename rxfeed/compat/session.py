"""The classic client's sessions: each lasts from a `start()`, or a `_connect()`, to its `on_close()`.

Rules:
- `start()` opens a session. If one runs already, that one ends first, and the new thread waits for it.
- A script that runs the steps itself opens a session with its first `_connect()`. Another `_connect()` while it runs
  replaces the connection.
- `stop = True`, `close()` and `ws.close()` request the end. From then on no message and no error reaches a hook.
- A session that is not the newest when its turn comes does nothing.
- `_connect()` by an overridden `_listen` that has set `stop = False` again continues a session that was ended by
  `stop = True`, as the default `on_error` does. After `close()` it stays ended.
- `on_close` is called once for each session, by the session's own thread, or by the `_disconnect()` of the script.
"""

from __future__ import annotations

import threading
from enum import Enum, auto

from rxfeed.compat.notices import Notices
from rxfeed.compat.settings import ClassicFeed, ClientSettings
from rxfeed.compat.socket import Socket
from rxfeed.compat.store import Store
from rxfeed.compat.types import Attribute
from rxfeed.core import Reconnect
from rxfeed.errors import ConfigError
from rxfeed.venues import VENUES, Venue


class SessionState(Enum):
    """Where a session is."""

    NEW = auto()
    """Neither `start()` nor `_connect()` has been called."""
    STARTING = auto()
    """`on_open` runs, or the thread waits for the session before."""
    RUNNING = auto()
    """The thread connects or listens."""
    ENDING = auto()
    """The end was requested; nothing is reported any more."""
    CLOSED = auto()
    """`on_close` was called, or is being called."""


class Event(Enum):
    """What moves a session from one state to the next."""

    START = auto()
    CONNECT = auto()
    """The script connects without `start()`, or again."""
    TURN = auto()
    END_REQUESTED = auto()
    CLOSE = auto()


TRANSITIONS = {
    (SessionState.NEW, Event.START): SessionState.STARTING,
    (SessionState.NEW, Event.CONNECT): SessionState.RUNNING,
    (SessionState.NEW, Event.END_REQUESTED): SessionState.NEW,
    (SessionState.STARTING, Event.TURN): SessionState.RUNNING,
    (SessionState.STARTING, Event.END_REQUESTED): SessionState.ENDING,
    (SessionState.RUNNING, Event.END_REQUESTED): SessionState.ENDING,
    (SessionState.RUNNING, Event.CLOSE): SessionState.CLOSED,
    (SessionState.ENDING, Event.TURN): SessionState.ENDING,
    (SessionState.ENDING, Event.END_REQUESTED): SessionState.ENDING,
    (SessionState.ENDING, Event.CONNECT): SessionState.RUNNING,
    (SessionState.ENDING, Event.CLOSE): SessionState.CLOSED,
    (SessionState.CLOSED, Event.END_REQUESTED): SessionState.CLOSED,
}


class Session:
    """One session. *after*: the session before, if the thread of this one has to wait for its end."""

    def __init__(self, after: Session | None = None) -> None:
        self.after = after
        self.state = SessionState.NEW
        self.ending = False
        """True if no hook but `on_close` is called any more; read at each message."""
        self.by_script = False
        """True if the script runs the steps itself."""
        self.ended = threading.Event()
        """Set once the end was requested."""
        self.closing = False
        """True once `close()` was called."""
        self.finished = threading.Event()
        self.entered = threading.Event()
        """Set when the session's thread runs and is the client's `thread`."""
        self.thread: threading.Thread | None = None
        self.settings: ClientSettings | None = None
        self.feed: ClassicFeed | None = None
        self.ws: Socket | None = None
        self.raised: Exception | None = None
        """What `on_error` itself raised."""
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._state_lock = threading.Lock()

    def move(self, event: Event) -> SessionState:
        """The state after *event*, from any thread; `KeyError` for an event that the state does not allow."""
        with self._state_lock:
            self.state = TRANSITIONS[self.state, event]
            self.ending = self.state in (SessionState.ENDING, SessionState.CLOSED)
            return self.state

    @property
    def channels(self) -> Attribute:
        """The channels that it subscribes to."""
        return None if self.settings is None else self.settings.channels

    @property
    def begun(self) -> bool:
        """True after `start()`, or the first `_connect()`."""
        return self.state is not SessionState.NEW

    @property
    def open(self) -> bool:
        """True from `start()` to `on_close`."""
        return self.state in (SessionState.STARTING, SessionState.RUNNING, SessionState.ENDING)

    def prepare(self, settings: ClientSettings) -> ClassicFeed:
        """The session's feed, made at the first call; raises `ConfigError` if *settings* have changed since."""
        with self._lock:
            if self.feed is None:
                self.feed, self.settings = settings.feed(), settings
            elif settings != self.settings:
                raise ConfigError("settings changed after `feed` was asked for: set them first")
        if self.ending:
            self.feed.close(timeout=0)
        return self.feed

    def connection(self, settings: ClientSettings) -> Socket:
        """A connection that is not open yet, in place of the one before."""
        if self.ws is not None:
            self.ws.finish()
            with self._lock:
                self.feed = None
        self.ws = Socket(self.prepare(settings))
        return self.ws

    def end(self) -> None:
        """Request the end and return at once; from any thread."""
        if self.move(Event.END_REQUESTED) is SessionState.NEW:
            return
        self.ended.set()
        if self.ws is not None:
            self.ws.end()
        elif self.feed is not None:
            self.feed.close(timeout=0)

    def resume(self) -> None:
        """Continue after a requested end, in the session's own thread."""
        self.move(Event.CONNECT)
        self.ended.clear()

    def disconnect(self) -> None:
        """Close the connection, and return when that is done."""
        self.ended.set()
        if self.ws is not None:
            self.ws.finish()
        elif self.feed is not None:
            self.feed.close()

    def wait(self) -> None:
        """Return when its thread has ended."""
        # In slices, since some systems deliver no Ctrl-C inside one long wait.
        while self.state is not SessionState.NEW and not self.finished.wait(0.5):
            pass
        if self.thread is not None:
            self.thread.join()

    def store(self, collection: Attribute) -> Store:
        """The store of the session's documents in *collection*; a new one after a failure of the database."""
        with self._lock:  # a thread of the script may store, too
            if self._store is None or self._store.broken or self._store.collection is not collection:
                self.flush()
                self._store = Store(collection)
            return self._store

    def flush(self) -> None:
        """Return when all documents are written; raises what the database failed with."""
        store, self._store = self._store, None
        if store is not None:
            store.close()


class SessionManager:
    """The sessions of one client, one after another, and the settings that have no attribute of the client."""

    def __init__(self) -> None:
        self.reconnect: bool | Reconnect = False
        self.ping_interval: float | None = 30.0
        self.venue: Venue | None = None
        self.notices = Notices()
        self.lock = threading.Lock()
        self.session = Session()
        self.opening: int | None = None
        """The thread that is in `on_open`."""
        self._here = threading.local()

    def __reduce__(self) -> tuple[object, ...]:
        # A copy of a client has the settings, and no session.
        return _manager, (self.reconnect, self.ping_interval, None if self.venue is None else self.venue.name)

    def open(self) -> Session:
        """The session that begins now; the one before it is ended first."""
        with self.lock:
            before = self.session
            if before.state is not SessionState.NEW:
                before.end()
                # A `start()` in the session's own on_close: that session has nothing left to do but return.
                returning = before.state is SessionState.CLOSED and self.here is before
                # The steps of a script may never come to an end that this one could wait for.
                self.session = Session(None if returning or before.by_script else before)
            self.session.move(Event.START)
            return self.session

    def connecting(self, stopped: object) -> Session:
        """The session for which `_connect` opens a connection: the running one, or a new one of the script's own.

        *stopped*: the client's `stop`.
        """
        with self.lock:
            session = self.current
            running = session.state in (SessionState.STARTING, SessionState.RUNNING)
            if running:
                return session
            if session.thread is threading.current_thread():
                ending = session.state is SessionState.ENDING and self.session is session
                if ending and not (stopped or session.closing):
                    session.resume()
                return session
            if session.state is not SessionState.NEW:  # one that ends, or has ended
                session = Session()
            session.by_script = True
            session.move(Event.CONNECT)
            self.session = self._here.session = session
            return session

    @property
    def current(self) -> Session:
        """The session of the calling thread, or the newest one."""
        here = self.here
        return self.session if here is None or (here.by_script and here.state is SessionState.CLOSED) else here

    def enter(self, session: Session) -> bool:
        """Make the calling thread that of *session* and wait for its turn; False if a newer session has replaced it."""
        self._here.session = session
        if session.after is not None:
            session.after.finished.wait()
            session.after = None
        with self.lock:
            if self.session is not session:
                return False
            session.move(Event.TURN)
            return True

    @property
    def in_hook(self) -> bool:
        """True if a hook of a session that `start()` opened runs on the calling thread."""
        here = self.here
        return self.opening == threading.get_ident() or (here is not None and not here.by_script)

    @property
    def here(self) -> Session | None:
        """The session of the calling thread; `None` on another thread."""
        return getattr(self._here, "session", None)


def _manager(reconnect: bool | Reconnect, ping_interval: float | None, venue: str | None) -> SessionManager:
    manager = SessionManager()
    manager.reconnect, manager.ping_interval = reconnect, ping_interval
    manager.venue = None if venue is None else VENUES[venue]  # the venue itself, and no copy of it
    return manager
