"""The classic client's sessions: what lies between a `start()` and its `on_close()`."""

from __future__ import annotations

import threading
from typing import Any

from rxfeed.compat.socket import Socket
from rxfeed.compat.store import Store
from rxfeed.compat.terms import Terms
from rxfeed.core import Reconnect
from rxfeed.errors import ConfigError
from rxfeed.feed import Feed


class Session:
    """One `start()`. *after*: the session whose end its thread waits for."""

    def __init__(self, after: Session | None = None) -> None:
        self.after = after
        self.opened = False
        """`start()` has been called for it."""
        self.begun = False
        """Its thread is past waiting."""
        self.ending = False
        """Somebody asked for its end; nothing is reported any more."""
        self.parting = False
        """It is in `on_close`, or past it."""
        self.attached = False
        """The hooks hang on the feed."""
        self.finished = threading.Event()
        self.thread: threading.Thread | None = None
        self.terms: Terms | None = None
        self.feed: Feed | None = None
        self.ws: Socket | None = None
        self.cause: Exception | None = None
        self.raised: Exception | None = None
        """What `on_error` itself raised."""
        self._store: Store | None = None
        self._lock = threading.Lock()

    def prepare(self, terms: Terms) -> Feed:
        """The session's feed, made at the first call; raises `ConfigError` where *terms* are others by now."""
        with self._lock:
            if self.feed is None:
                self.feed, self.terms = terms.feed(), terms
            elif terms != self.terms:
                raise ConfigError("settings changed after `feed` was asked for: set them first")
        if self.ending:
            self.feed.close(timeout=0)
        return self.feed

    def end(self) -> None:
        """Let it end soon; from any thread."""
        if self.opened:
            self.ending = True
            if self.feed is not None:
                self.feed.close(timeout=0)

    def wait(self) -> None:
        """Return when its thread is done."""
        # In slices, since some systems deliver no Ctrl-C inside one long wait.
        while self.opened and not self.finished.wait(0.5):
            pass
        if self.thread is not None:
            self.thread.join()

    def store(self, collection: Any) -> Store:
        with self._lock:  # a consumer's thread may store, too
            if self._store is None or self._store.broken or self._store.collection is not collection:
                self.flush()
                self._store = Store(collection)
            return self._store

    def flush(self) -> None:
        """Return when all documents are written; raises what the database failed with."""
        store, self._store = self._store, None
        if store is not None:
            store.close()


class Life:
    """The sessions of one client, one after another, and what their settings have no attribute for."""

    def __init__(self) -> None:
        self.reconnect: bool | Reconnect = False
        self.ping_interval: float | None = 30.0
        self.lock = threading.Lock()
        self.session = Session()
        self.opening: int | None = None
        """The thread that is in `on_open`."""
        self._here = threading.local()

    def open(self) -> Session:
        """The session that begins now; the one before it ends, and is waited for."""
        with self.lock:
            before = self.session
            if before.opened:
                before.end()
                # In its own on_close nothing of it is left but the call that we are in.
                waited_for = not (before.parting and self.here is before)
                self.session = Session(before if waited_for else None)
            self.session.opened = True
            return self.session

    def enter(self, session: Session) -> bool:
        """Make the calling thread *session*'s, when it is its turn; False where another has taken its place."""
        self._here.session = session
        if session.after is not None:
            session.after.finished.wait()
            session.after = None
        with self.lock:
            session.begun = self.session is session
            return session.begun

    @property
    def here(self) -> Session | None:
        """The session whose thread is calling."""
        return getattr(self._here, "session", None)
