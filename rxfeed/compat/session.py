"""The classic client's sessions: each lasts from a `start()` to its `on_close()`.

Rules:
- `start()` opens a session. If one runs already, that one ends first, and the new thread waits for it.
- `stop = True`, `close()` and `ws.close()` request the end. From then on no message and no error reaches a hook.
- A session that is not the newest when its turn comes does nothing.
- `on_close` is called once for each session, by the session's own thread.
"""

from __future__ import annotations

import threading
from enum import Enum, auto
from typing import Any

from rxfeed.compat.settings import ClientSettings
from rxfeed.compat.socket import Socket
from rxfeed.compat.store import Store
from rxfeed.core import Reconnect
from rxfeed.errors import ConfigError
from rxfeed.feed import Feed


class State(Enum):
    """Where a session is."""

    NEW = auto()
    """`start()` has not been called."""
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
    TURN = auto()
    END_REQUESTED = auto()
    CLOSE = auto()


TRANSITIONS = {
    (State.NEW, Event.START): State.STARTING,
    (State.NEW, Event.END_REQUESTED): State.NEW,
    (State.STARTING, Event.TURN): State.RUNNING,
    (State.STARTING, Event.END_REQUESTED): State.ENDING,
    (State.RUNNING, Event.END_REQUESTED): State.ENDING,
    (State.RUNNING, Event.CLOSE): State.CLOSED,
    (State.ENDING, Event.TURN): State.ENDING,
    (State.ENDING, Event.END_REQUESTED): State.ENDING,
    (State.ENDING, Event.CLOSE): State.CLOSED,
    (State.CLOSED, Event.END_REQUESTED): State.CLOSED,
}


class Session:
    """One `start()`. *after*: the session before, if the thread of this one has to wait for its end."""

    def __init__(self, after: Session | None = None) -> None:
        self.after = after
        self.state = State.NEW
        self.finished = threading.Event()
        self.thread: threading.Thread | None = None
        self.settings: ClientSettings | None = None
        self.feed: Feed | None = None
        self.ws: Socket | None = None
        self.cause: Exception | None = None
        self.raised: Exception | None = None
        """What `on_error` itself raised."""
        self._store: Store | None = None
        self._lock = threading.Lock()
        self._state_lock = threading.Lock()

    def move(self, event: Event) -> State:
        """The state after *event*, from any thread; `KeyError` for an event that the state does not allow."""
        with self._state_lock:
            self.state = TRANSITIONS[self.state, event]
            return self.state

    @property
    def ending(self) -> bool:
        """True if no hook but `on_close` is called any more."""
        return self.state in (State.ENDING, State.CLOSED)

    @property
    def open(self) -> bool:
        """True from `start()` to `on_close`."""
        return self.state in (State.STARTING, State.RUNNING, State.ENDING)

    def prepare(self, settings: ClientSettings) -> Feed:
        """The session's feed, made at the first call; raises `ConfigError` if *settings* have changed since."""
        with self._lock:
            if self.feed is None:
                self.feed, self.settings = settings.feed(), settings
            elif settings != self.settings:
                raise ConfigError("settings changed after `feed` was asked for: set them first")
        if self.ending:
            self.feed.close(timeout=0)
        return self.feed

    def end(self) -> None:
        """Request the end and return at once; from any thread."""
        if self.move(Event.END_REQUESTED) is not State.NEW and self.feed is not None:
            self.feed.close(timeout=0)

    def wait(self) -> None:
        """Return when its thread has ended."""
        # In slices, since some systems deliver no Ctrl-C inside one long wait.
        while self.state is not State.NEW and not self.finished.wait(0.5):
            pass
        if self.thread is not None:
            self.thread.join()

    def store(self, collection: Any) -> Store:
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
        self.lock = threading.Lock()
        self.session = Session()
        self.opening: int | None = None
        """The thread that is in `on_open`."""
        self._here = threading.local()

    def open(self) -> Session:
        """The session that begins now; the one before it is ended first."""
        with self.lock:
            before = self.session
            if before.state is not State.NEW:
                before.end()
                # A `start()` in the session's own on_close: that session has nothing left to do but return.
                returning = before.state is State.CLOSED and self.here is before
                self.session = Session(None if returning else before)
            self.session.move(Event.START)
            return self.session

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
    def here(self) -> Session | None:
        """The session of the calling thread; `None` on another thread."""
        return getattr(self._here, "session", None)
