"""The callback client: a thread, a Feed, and four hooks."""

from __future__ import annotations

import logging
import threading
from functools import partial

from rxfeed.compat import hosts
from rxfeed.compat.attributes import Replaceable
from rxfeed.compat.books import interrupted, is_book, with_snapshot_first
from rxfeed.compat.clients import add_client
from rxfeed.compat.copying import state_without_session
from rxfeed.compat.delivery import Delivery
from rxfeed.compat.hooks import older_hooks, read_socket
from rxfeed.compat.keepalive import KeepaliveThread, ping_until_ended
from rxfeed.compat.notices import Kind, note
from rxfeed.compat.session import Event, Session, SessionManager, SessionState
from rxfeed.compat.settings import ClientSettings
from rxfeed.compat.socket import Socket, lost_by_script
from rxfeed.compat.store import put_document
from rxfeed.compat.types import Attribute, Content, Given, Json
from rxfeed.core import Reconnect
from rxfeed.feed import Feed
from rxfeed.secrets import Secret
from rxfeed.venues import Venue
from rxfeed.venues.coinbase_exchange import DEFAULT_URL

log = logging.getLogger("rxfeed.feed")


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

    A script may run the three steps of a session itself: `_connect()` returns when it is connected and subscribed,
    `_listen()` calls `on_message` until the end, and `_disconnect()` calls `on_close`. `ws.recv()` gives a raw frame.

    *venue*: `coinbase_exchange`, or `coinbase_advanced`, which needs no keys for `level2`; `None`: the value of the
    environment variable `RXFEED_COMPAT_VENUE`, or the venue of the url's host. From Advanced Trade come the same dicts
    of `ticker`, `match`, `last_match`, `snapshot`, `l2update`, `heartbeat`, `status` and `subscriptions`. Some of their
    values are synthetic, because Advanced Trade does not have them: `sequence` is the id of the product's newest trade,
    the order ids of a match are made of its trade id, `open_24h` is computed from the change of a day, and `volume_30d`
    is `0`. A `ticker` comes with each trade, with the newest best prices. After a loss, a book begins with a `snapshot`
    again.

    Beyond cbpro: *reconnect* (True, or a `Reconnect`) comes back after a lost connection, *ping_interval* is in
    seconds, and `feed` is the Feed underneath: of the session that runs, or ran last; before the first `start()` and
    in `on_open` of the one that is about to, made of the settings as they are at that moment.
    """

    # For a subclass that sets its attributes itself and never calls __init__. The instance has nothing else but one
    # lazy `SessionManager`: all other names are free for the subclass.
    url: Attribute = DEFAULT_URL
    products: Attribute = None
    channels: Attribute = None
    type: Attribute = "subscribe"
    error: Attribute = None
    ws: Attribute = None
    thread: Attribute = None
    keepalive: Attribute = None
    auth: Attribute = False
    api_key: Attribute = ""
    api_secret: Attribute = ""
    api_passphrase: Attribute = ""
    should_print: Attribute = True
    mongo_collection: Attribute = None
    feed: Attribute = Replaceable("_WebsocketClient__current_feed")

    def __init__(
        self,
        url: Given = DEFAULT_URL,  # anything at all: on_open may repair it
        products: Given = None,
        message_type: Given = "subscribe",
        mongo_collection: Given = None,
        should_print: Given = True,
        auth: Given = False,
        api_key: Given = "",
        api_secret: Given = "",
        api_passphrase: Given = "",
        channels: Given = None,
        *,
        reconnect: bool | Reconnect = False,
        ping_interval: float | None = 30.0,
        venue: str | Venue | None = None,
    ) -> None:
        self.__manager.notices.here()
        self.__manager.venue = hosts.chosen(venue)
        self.url = self.__live(url)
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
        for text in older_hooks(type(self)):
            self.__manager.notices.warn(Kind.UNAVAILABLE, text)
        add_client(self)
        note(Kind.USED, f"a client of the class {type(self).__name__}")

    # ---- hooks

    def on_open(self) -> None:
        if self.should_print:
            print("-- Subscribed! --\n")  # noqa: T201  # the classic client's own words, here and below

    def on_close(self) -> None:
        if self.should_print:
            print("\n-- Socket Closed --")  # noqa: T201

    def on_message(self, msg: Content) -> None:
        if self.should_print:
            print(msg)  # noqa: T201
        # A pymongo collection refuses to be tested for truth.
        if self.mongo_collection is not None and self.mongo_collection is not False:
            put_document(self.__manager.current, self.mongo_collection, msg)

    def on_error(self, e: Exception, data: Json = None) -> None:
        try:
            print(f"{e} - data: {data}")  # noqa: T201
        finally:
            # Last, and one after the other: a script that polls either of them prints its own end after this text.
            self.error = e
            self.stop = True

    # ---- life

    @property
    def stop(self) -> object:
        """True if no session runs or the running one is to end; setting it ends the session after this message."""
        return self.__dict__.get("stop", True)

    @stop.setter
    def stop(self, value: Given) -> None:
        self.__dict__["stop"] = value  # where vars(client) has always shown it
        if value:
            self.__manager.session.end()

    def start(self) -> None:
        """Call `on_open`, then connect and listen on a thread of the client's own."""
        manager = self.__manager
        if manager.opening == threading.get_ident():
            return  # called by on_open: the start is already under way
        manager.notices.here()
        session = manager.open()
        self.stop = False
        try:
            manager.opening = threading.get_ident()
            try:
                self.on_open()
            finally:
                manager.opening = None
            self.url = self.__live(self.url)
            self.keepalive = KeepaliveThread(self._keepalive)
            self.keepalive.prepare()
            thread = threading.Thread(target=self.__run, args=(session,), name="rxfeed-client", daemon=False)
            session.thread = thread
            thread.start()
            session.entered.wait()  # `self.thread` is never a thread that has not started, which could not be joined
        except BaseException:
            session.finished.set()
            session.thread, self.stop = None, True
            if isinstance(self.keepalive, KeepaliveThread):
                self.keepalive.join(0)
            raise

    def close(self) -> None:
        """End the session and wait for it; in a hook, without waiting."""
        manager = self.__manager
        session = manager.session
        session.closing = True
        self.stop = True
        if manager.in_hook:
            return
        if not session.by_script:
            session.wait()
            return
        thread = self.thread
        if isinstance(thread, threading.Thread) and thread is not threading.current_thread():
            while thread.is_alive():  # in slices, since some systems deliver no Ctrl-C inside one long wait
                thread.join(0.5)
        session.disconnect()

    def _connect(self) -> None:
        """Connect and subscribe; returns when that is done. Raises what refused it."""
        manager = self.__manager
        manager.notices.here()
        ended = manager.current.ending
        session = manager.connecting(self.stop)
        if ended and not session.ending and isinstance(self.keepalive, KeepaliveThread):
            self.keepalive = KeepaliveThread(self._keepalive)  # that of before has ended with what it was for
        self.url = self.__live(self.url)
        settings = self.__settings
        self.url = settings.url.reveal() if isinstance(settings.url, Secret) else settings.url
        self.products = settings.products
        for kind, text in settings.requested.notices:
            manager.notices.warn(kind, text)
        ws = session.connection(settings)
        for text in ws.unavailable():
            manager.notices.warn(Kind.UNAVAILABLE, text)
        ws.interrupted = partial(interrupted, self)
        self.ws = ws
        ws.open()
        log.info("connected: %s", ws)
        note(Kind.USED, str(ws))

    def _listen(self) -> None:
        """Call `on_message` for what arrives, until the end."""
        session = self.__manager.current
        delivery = Delivery(self, self.__manager, session)
        if isinstance(self.keepalive, KeepaliveThread):
            self.keepalive.begin()
        while not (self.stop or session.ending):
            ws = self.ws
            if not isinstance(ws, Socket):
                if hasattr(ws, "recv"):  # an overridden _connect made a socket of its own
                    if text := hosts.without_translation(hosts.of(self.__venue, self.url)):
                        self.__manager.notices.warn(Kind.UNAVAILABLE, text)
                    read_socket(ws, lambda: self.stop, delivery.content, delivery.report)
                return
            handler = with_snapshot_first(self, session.channels, delivery.content)
            ws.deliver(handler, delivery.malformed, checked=is_book(self))
            if session.raised is not None:
                raise session.raised
            if self.ws is ws and not session.ending and (ws.cause is not None or ws.closed_by_script):
                delivery.report(ws.cause or lost_by_script())
            if self.ws is ws:  # `on_error` has not connected again
                return

    def _keepalive(self, interval: float = 30) -> None:
        """Send a ping every *interval* seconds, until the session ends."""
        ping_until_ended(self, self.__manager.current, interval)

    def _disconnect(self) -> None:
        """Close the connection, and call `on_close`."""
        manager = self.__manager
        session = manager.current
        session.disconnect()
        if not isinstance(self.ws, Socket) and self.ws is not None:
            self.ws.close()
        if isinstance(self.keepalive, KeepaliveThread):
            self.keepalive.join(1.0)
        if session.state in (SessionState.NEW, SessionState.CLOSED) or not (
            session.by_script or session is manager.here
        ):
            return  # on_close is called once, and by the session's own thread
        delivery = Delivery(self, manager, session)
        try:
            session.flush()
        except Exception as error:
            delivery.report(error)
        with manager.lock:
            session.move(Event.CLOSE)
            # A script that polls `stop` must see the end, unless a hook has started a new session meanwhile.
            if manager.session is session and not self.stop and not session.by_script:
                self.stop = True
        try:
            self.on_close()
        except Exception as error:
            delivery.report(error)
        if session.by_script:
            session.finished.set()

    def __getstate__(self) -> dict[str, object]:
        return state_without_session(self)

    # ---- private: not visible to a subclass

    @property
    def __manager(self) -> SessionManager:
        found = self.__dict__.get("_WebsocketClient__rxfeed")
        # setdefault is atomic: two first calls at the same time get the same manager.
        return found if found is not None else self.__dict__.setdefault("_WebsocketClient__rxfeed", SessionManager())

    @property
    def __settings(self) -> ClientSettings:
        return ClientSettings.of(self, self.__manager.reconnect, self.__manager.ping_interval, self.__venue)

    @property
    def __venue(self) -> Venue | None:
        return self.__manager.venue or hosts.chosen(None)

    def __current_feed(self) -> Feed:
        session = self.__manager.current
        return session.feed if session.feed is not None else session.prepare(self.__settings)

    def __live(self, url: Given) -> object:
        found, text = hosts.live(url, self.__venue)
        if text:
            self.__manager.notices.warn(Kind.SUBSTITUTED, text)
        return found

    def __run(self, session: Session) -> None:
        self.thread = session.thread
        session.entered.set()
        try:
            if not self.__manager.enter(session):
                return
            try:
                self._connect()
                self._listen()
            except Exception as error:
                if error is session.raised:
                    raise
                if not session.ending:
                    Delivery(self, self.__manager, session).report(error)
            finally:
                self._disconnect()
        finally:
            session.disconnect()  # where _disconnect was overridden, or raised
            session.finished.set()
