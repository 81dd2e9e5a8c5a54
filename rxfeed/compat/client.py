"""The callback client: a thread, a Feed, and four hooks."""

from __future__ import annotations

import json
import threading
from functools import partial
from typing import Any

from rxfeed.compat.hooks import read, tell
from rxfeed.compat.session import Life, Session
from rxfeed.compat.socket import Socket
from rxfeed.compat.store import Store
from rxfeed.compat.terms import Terms, explained
from rxfeed.core import Reconnect
from rxfeed.errors import ConnectionLost, FeedClosed, FrameMalformed
from rxfeed.feed import Feed
from rxfeed.messages import Malformed, Message
from rxfeed.protocol import DEFAULT_URL, Secret


class _FeedOf:
    """The descriptor behind `client.feed`; it has no `__set__`, so that a subclass may keep a `feed` of its own."""

    def __get__(self, client: WebsocketClient | None, owner: type) -> Any:
        return self if client is None else client._WebsocketClient__present_feed()  # pyright: ignore[reportAttributeAccessIssue]  # as the class mangles it


class WebsocketClient:
    """Calls `on_open`, then `on_message(dict)` for every message, then `on_close`: override them.

        class PriceMonitor(WebsocketClient):
            def on_message(self, msg):
                if msg["type"] == "ticker":
                    print(msg["product_id"], msg["price"])

        client = PriceMonitor(products=["BTC-USD"], channels=["ticker"])
        client.start()

    `start()` calls `on_open` in the caller's thread, before anything is connected, so that it may still set `url`,
    `products`, `channels` and the like; the other hooks run one after another on `client.thread`. `close()` ends it
    and waits; every hook may call `close()` and `start()`. Values are as the exchange sent them, and every frame
    comes, twice where it was sent twice. A failure goes to `on_error(e, data=None)`: by default it sets `error` and
    stops the client. *mongo_collection* gets a document of each message that the default `on_message` sees.

    Beyond cbpro: *reconnect* (True, or a `Reconnect`) comes back after a lost connection, *ping_interval* is in
    seconds, and `feed` is the Feed underneath: of the session that runs, or ran last; before the first `start()` and
    in `on_open` of the one that is about to, made of the settings as they are at that moment.
    """

    # For a subclass that sets what it needs by itself and never calls __init__. Nothing else is kept on the instance
    # but one lazy `Life`: other names are the subclass's.
    url: Any = DEFAULT_URL
    products: Any = None
    channels: Any = None
    type: Any = "subscribe"
    error: Any = None
    ws: Any = None
    thread: Any = None
    auth: Any = False
    api_key: Any = ""
    api_secret: Any = ""
    api_passphrase: Any = ""
    should_print: Any = True
    mongo_collection: Any = None
    feed = _FeedOf()

    def __init__(
        self,
        url: Any = DEFAULT_URL,  # anything at all: on_open may repair it
        products: Any = None,
        message_type: Any = "subscribe",
        mongo_collection: Any = None,
        should_print: Any = True,
        auth: Any = False,
        api_key: Any = "",
        api_secret: Any = "",
        api_passphrase: Any = "",
        channels: Any = None,
        *,
        reconnect: bool | Reconnect = False,
        ping_interval: float | None = 30.0,
    ) -> None:
        self.url = url
        self.products = products
        self.channels = channels
        self.type = message_type
        self.stop = True
        self.error = None
        self.ws = None
        self.thread = None
        self.auth = auth
        self.api_key = api_key
        self.api_secret = api_secret
        self.api_passphrase = api_passphrase
        self.should_print = should_print
        self.mongo_collection = mongo_collection
        self.__life.reconnect = reconnect
        self.__life.ping_interval = ping_interval

    # ---- hooks

    def on_open(self) -> None:
        if self.should_print:
            print("-- Subscribed! --\n")  # noqa: T201  # the classic client's own words, here and below

    def on_close(self) -> None:
        if self.should_print:
            print("\n-- Socket Closed --")  # noqa: T201

    def on_message(self, msg: dict[str, Any]) -> None:
        if self.should_print:
            print(msg)  # noqa: T201
        # A pymongo collection refuses to be tested for truth.
        if self.mongo_collection is not None:
            session = self.__current
            if session.opened and not session.parting:
                session.store(self.mongo_collection).put(msg)
            else:  # called by hand: there is no end of a session that would write what waits
                store = Store(self.mongo_collection)
                store.put(msg)
                store.close()

    def on_error(self, e: Exception, data: Any = None) -> None:
        self.error = e
        self.stop = True
        print(f"{e} - data: {data}")  # noqa: T201

    # ---- life

    @property
    def stop(self) -> Any:
        """True while the client is, or should be, at rest; setting it ends the session after the current message."""
        return self.__dict__.get("stop", True)

    @stop.setter
    def stop(self, value: Any) -> None:
        self.__dict__["stop"] = value  # where vars(client) has always shown it
        if value:
            self.__life.session.end()

    def start(self) -> None:
        """Call `on_open`, then connect and listen on a thread of the client's own."""
        life = self.__life
        if life.opening == threading.get_ident():
            return  # called by on_open: it is under way
        session = life.open()
        self.stop = False
        try:
            life.opening = threading.get_ident()
            try:
                self.on_open()
            finally:
                life.opening = None
            thread = threading.Thread(target=self.__go, args=(session,), name="rxfeed-client", daemon=False)
            self.thread = session.thread = thread
            thread.start()
        except BaseException:
            session.finished.set()
            session.thread, self.stop = None, True
            raise

    def close(self) -> None:
        """End the session and wait for it; in a hook, without waiting."""
        session = self.__life.session
        self.stop = True
        if self.__life.here is None and self.__life.opening != threading.get_ident():
            session.wait()

    def _connect(self) -> None:
        """Make the session's feed and `ws`; the connection opens when `_listen` begins."""
        session = self.__current
        terms = self.__terms
        self.url = terms.url.reveal() if isinstance(terms.url, Secret) else terms.url
        self.products, self.channels = terms.products, terms.channels
        feed = session.prepare(terms)
        if not session.attached:
            session.attached = True
            feed.malformed.subscribe(partial(self.__malformed, session))
            feed.subscribe(partial(self.__message, session), partial(setattr, session, "cause"))
            session.ws = Socket(feed)
        self.ws = session.ws

    def _listen(self) -> None:
        session = self.__current
        if session.ending:
            return
        if session.feed is None:
            if hasattr(self.ws, "recv"):  # a subclass's own, from its own _connect
                read(self.ws, lambda: self.stop, partial(self.__handle, session), self.__tell)
            return
        try:
            session.feed.serve()
        except FeedClosed:  # ended since
            return
        if session.raised is not None:
            raise session.raised
        if session.ending:
            return
        if session.cause is not None:
            self.__tell(explained(session.cause))
        elif session.ws is not None and session.ws.closed_by_hand:
            self.__tell(ConnectionLost("the connection was closed by ws.close()"))

    def _disconnect(self) -> None:
        session = self.__current
        if session.feed is not None:
            session.feed.close()
        elif self.ws is not None:
            self.ws.close()
        if session is not self.__life.here or session.parting:
            return  # on_close is called once, and by the session's own thread
        try:
            session.flush()
        except Exception as error:
            self.__tell(error)
        with self.__life.lock:
            session.parting = True
            # Whoever polls `stop` sees the end, unless a hook has started a new session by now.
            if self.__life.session is session and not self.stop:
                self.stop = True
        try:
            self.on_close()
        except Exception as error:
            self.__tell(error)

    # ---- what no subclass sees

    @property
    def __life(self) -> Life:
        found = self.__dict__.get("_WebsocketClient__rxfeed")
        # setdefault is atomic: two threads that come first get one Life.
        return found if found is not None else self.__dict__.setdefault("_WebsocketClient__rxfeed", Life())

    @property
    def __current(self) -> Session:
        here = self.__life.here
        return here if here is not None else self.__life.session

    @property
    def __terms(self) -> Terms:
        return Terms.of(self, self.__life.reconnect, self.__life.ping_interval)

    def __present_feed(self) -> Feed:
        session = self.__current
        return session.feed if session.feed is not None else session.prepare(self.__terms)

    def __go(self, session: Session) -> None:
        try:
            if not self.__life.enter(session):
                return
            try:
                self._connect()
                self._listen()
            except Exception as error:
                if error is session.raised:
                    raise
                self.__tell(error)
            finally:
                self._disconnect()
        finally:
            if session.feed is not None:
                session.feed.close()  # where _disconnect was overridden, or raised
            session.finished.set()

    def __message(self, session: Session, message: Message) -> None:
        self.__handle(session, message.content)

    def __malformed(self, session: Session, frame: Malformed) -> None:
        # The classic client asked for JSON only, not for a shape.
        try:
            content = json.loads(frame.raw)
        except (ValueError, RecursionError):
            self.__tell_midway(session, FrameMalformed(frame.reason), frame.raw.decode(errors="replace"))
        else:
            self.__handle(session, content)

    def __handle(self, session: Session, content: Any) -> None:
        if session.ending:
            return
        try:
            self.on_message(content)
        except Exception as error:
            self.__tell_midway(session, error, content)
        else:
            refused = session.terms.refusal(content) if session.terms is not None else None
            if refused is not None and not session.ending:
                self.__tell_midway(session, refused, content)
        if self.stop and self.__life.session is session:
            session.end()  # for a subclass whose own `stop` hides ours

    def __tell_midway(self, session: Session, error: Exception, data: Any) -> None:
        try:
            self.__tell(error, data)
        except Exception as raised:
            # The feed would cut us off and go on: the session ends, and its thread raises this.
            session.raised = raised
            session.end()

    def __tell(self, error: Exception, data: Any = None) -> None:
        tell(self.on_error, error, data)
