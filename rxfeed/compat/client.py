"""The callback client: a thread, a Feed, and four hooks."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

from rxfeed.compat.hooks import call_on_error, check_values, loaded, read_socket
from rxfeed.compat.session import Event, Session, SessionManager, State
from rxfeed.compat.settings import ClientSettings, explained
from rxfeed.compat.socket import Socket
from rxfeed.compat.store import Store
from rxfeed.core import Reconnect
from rxfeed.errors import ConnectionLost, FeedClosed, FrameMalformed
from rxfeed.feed import Feed
from rxfeed.market import Malformed, Message
from rxfeed.secrets import Secret
from rxfeed.venues.coinbase_exchange import DEFAULT_URL


class _FeedAttribute:
    """The descriptor behind `client.feed`; it has no `__set__`, so that a subclass may keep a `feed` of its own."""

    def __get__(self, client: WebsocketClient | None, owner: type) -> Any:
        return self if client is None else client._WebsocketClient__current_feed()  # pyright: ignore[reportAttributeAccessIssue]  # as the class mangles it


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

    # For a subclass that sets its attributes itself and never calls __init__. The instance has nothing else but one
    # lazy `SessionManager`: all other names are free for the subclass.
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
    feed = _FeedAttribute()

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
        self.__manager.reconnect = reconnect
        self.__manager.ping_interval = ping_interval

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
            if session.open:
                session.store(self.mongo_collection).put(msg)
            else:  # called by the script itself: no session ends later and writes what waits
                store = Store(self.mongo_collection)
                store.put(msg)
                store.close()

    def on_error(self, e: Exception, data: Any = None) -> None:
        self.error = e
        try:
            print(f"{e} - data: {data}")  # noqa: T201
        finally:
            self.stop = True  # last: a script that polls `stop` prints its own end after this text

    # ---- life

    @property
    def stop(self) -> Any:
        """True if no session runs or the running one is to end; setting it ends the session after this message."""
        return self.__dict__.get("stop", True)

    @stop.setter
    def stop(self, value: Any) -> None:
        self.__dict__["stop"] = value  # where vars(client) has always shown it
        if value:
            self.__manager.session.end()

    def start(self) -> None:
        """Call `on_open`, then connect and listen on a thread of the client's own."""
        manager = self.__manager
        if manager.opening == threading.get_ident():
            return  # called by on_open: the start is already under way
        session = manager.open()
        self.stop = False
        try:
            manager.opening = threading.get_ident()
            try:
                self.on_open()
            finally:
                manager.opening = None
            thread = threading.Thread(target=self.__run, args=(session,), name="rxfeed-client", daemon=False)
            self.thread = session.thread = thread
            thread.start()
        except BaseException:
            session.finished.set()
            session.thread, self.stop = None, True
            raise

    def close(self) -> None:
        """End the session and wait for it; in a hook, without waiting."""
        session = self.__manager.session
        self.stop = True
        if self.__manager.here is None and self.__manager.opening != threading.get_ident():
            session.wait()

    def _connect(self) -> None:
        """Make the session's feed and `ws`; the connection opens when `_listen` begins."""
        session = self.__current
        settings = self.__settings
        self.url = settings.url.reveal() if isinstance(settings.url, Secret) else settings.url
        self.products, self.channels = settings.products, settings.channels
        feed = session.prepare(settings)
        if session.ws is None:
            feed.malformed.subscribe(partial(self.__malformed, session))
            feed.subscribe(partial(self.__message, session), partial(setattr, session, "cause"))
            session.ws = Socket(feed)
        self.ws = session.ws

    def _listen(self) -> None:
        session = self.__current
        if session.ending:
            return
        if session.feed is None:
            if hasattr(self.ws, "recv"):  # an overridden _connect made a socket of its own
                read_socket(self.ws, lambda: self.stop, partial(self.__handle, session), self.__report)
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
            self.__report(explained(session.cause))
        elif session.ws is not None and session.ws.closed_by_script:
            self.__report(ConnectionLost("the connection was closed by ws.close()"))

    def _disconnect(self) -> None:
        session = self.__current
        if session.feed is not None:
            session.feed.close()
        elif self.ws is not None:
            self.ws.close()
        if session is not self.__manager.here or session.state is State.CLOSED:
            return  # on_close is called once, and by the session's own thread
        try:
            session.flush()
        except Exception as error:
            self.__report(error)
        with self.__manager.lock:
            session.move(Event.CLOSE)
            # A script that polls `stop` must see the end, unless a hook has started a new session meanwhile.
            if self.__manager.session is session and not self.stop:
                self.stop = True
        try:
            self.on_close()
        except Exception as error:
            self.__report(error)

    # ---- private: not visible to a subclass

    @property
    def __manager(self) -> SessionManager:
        found = self.__dict__.get("_WebsocketClient__rxfeed")
        # setdefault is atomic: two first calls at the same time get the same manager.
        return found if found is not None else self.__dict__.setdefault("_WebsocketClient__rxfeed", SessionManager())

    @property
    def __current(self) -> Session:
        here = self.__manager.here
        return here if here is not None else self.__manager.session

    @property
    def __settings(self) -> ClientSettings:
        return ClientSettings.of(self, self.__manager.reconnect, self.__manager.ping_interval)

    def __current_feed(self) -> Feed:
        session = self.__current
        return session.feed if session.feed is not None else session.prepare(self.__settings)

    def __run(self, session: Session) -> None:
        try:
            if not self.__manager.enter(session):
                return
            try:
                self._connect()
                self._listen()
            except Exception as error:
                if error is session.raised:
                    raise
                self.__report(error)
            finally:
                self._disconnect()
        finally:
            if session.feed is not None:
                session.feed.close()  # where _disconnect was overridden, or raised
            session.finished.set()

    def __message(self, session: Session, message: Message) -> None:
        try:
            check_values(message.raw)
        except ValueError as error:
            reason = f"{message.type}: {error}"
            self.__report_during_session(session, FrameMalformed(reason), message.raw.decode(errors="replace"))
        else:
            self.__handle(session, message.content)

    def __malformed(self, session: Session, frame: Malformed) -> None:
        # The classic client asked for JSON only, not for a shape.
        try:
            content = loaded(frame.raw)
        except (ValueError, RecursionError):
            self.__report_during_session(session, FrameMalformed(frame.reason), frame.raw.decode(errors="replace"))
        else:
            self.__handle(session, content)

    def __handle(self, session: Session, content: Any) -> None:
        if session.ending:
            return
        try:
            self.on_message(content)
        except Exception as error:
            self.__report_during_session(session, error, content)
        else:
            refused = session.settings.refusal(content) if session.settings is not None else None
            if refused is not None and not session.ending:
                self.__report_during_session(session, refused, content)
        if self.stop and self.__manager.session is session:
            session.end()  # for a subclass that replaces the property `stop` by an attribute

    def __report_during_session(self, session: Session, error: Exception, data: Any) -> None:
        try:
            self.__report(error, data)
        except Exception as raised:
            # The feed would only unsubscribe this client and go on. So the session ends, and its thread raises this.
            session.raised = raised
            session.end()

    def __report(self, error: Exception, data: Any = None) -> None:
        call_on_error(self.on_error, error, data)
