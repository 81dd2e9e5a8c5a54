"""The callback client: a thread, a Feed, and four hooks."""

from __future__ import annotations

import inspect
import threading
from typing import Any

import msgspec

from rxfeed.compat.store import Store
from rxfeed.errors import FrameMalformed
from rxfeed.feed import Feed
from rxfeed.messages import Malformed, Message
from rxfeed.protocol import DEFAULT_URL, Credentials


class WebsocketClient:
    """Calls `on_open`, then `on_message(dict)` for every message, then `on_close`: override them.

        class PriceMonitor(WebsocketClient):
            def on_message(self, msg):
                if msg["type"] == "ticker":
                    print(msg["product_id"], msg["price"])

        client = PriceMonitor(products=["BTC-USD"], channels=["ticker"])
        client.start()

    `start()` calls `on_open` in the caller's thread, before anything is connected, so that it may still set `url`,
    `products`, `channels` and the like; the other hooks run one after another on the client's own thread. `close()`
    ends it. Values are as the exchange sent them. A failure goes to `on_error(e, data=None)`: by default it sets
    `error` and stops the client. *mongo_collection* gets a document of each message that the default `on_message`
    sees.
    """

    __feed: Feed | None = None
    __store: Store | None = None
    __stop: Any = True

    def __init__(
        self,
        url: str = DEFAULT_URL,
        products: str | list[str] | None = None,
        message_type: str = "subscribe",
        mongo_collection: Any = None,
        should_print: bool = True,
        auth: bool = False,
        api_key: str = "",
        api_secret: str = "",
        api_passphrase: str = "",
        *,
        channels: list[Any] | None = None,
    ) -> None:
        self.url = url
        self.products = products
        self.channels = channels
        self.type = message_type
        self.stop = True
        self.error: Exception | None = None
        self.thread: threading.Thread | None = None
        self.auth = auth
        self.api_key = api_key
        self.api_secret = api_secret
        self.api_passphrase = api_passphrase
        self.should_print = should_print
        self.mongo_collection = mongo_collection

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
            if self.__store is None:
                self.__store = Store(self.mongo_collection, self.__failed)
            self.__store.put(msg)

    def on_error(self, e: Exception, data: Any = None) -> None:
        self.error = e
        self.stop = True
        print(f"{e} - data: {data}")  # noqa: T201

    # ---- life

    @property
    def stop(self) -> Any:
        """True while the client is, or should be, at rest; setting it ends the session after the current message."""
        return self.__stop

    @stop.setter
    def stop(self, value: Any) -> None:
        self.__stop = value
        if value and self.__feed is not None:
            self.__feed.close(timeout=0)

    @property
    def feed(self) -> Feed | None:
        """The Feed underneath, while a session runs: pipelines can be subscribed to it beside the hooks."""
        return self.__feed

    def start(self) -> None:
        """Call `on_open`, then connect and listen on a thread of the client's own."""
        self.stop = False
        self.on_open()
        self.thread = threading.Thread(target=self.__go, name="rxfeed-client")
        self.thread.start()

    def close(self) -> None:
        """End the session and wait for it; from a hook, without waiting."""
        self.stop = True
        if self.thread is not None and self.thread is not threading.current_thread():
            self.thread.join()

    def __go(self) -> None:
        try:
            self._connect()
            self._listen()
        except Exception as error:
            self.__failed(error)
        finally:
            self._disconnect()

    def _connect(self) -> None:
        if self.products is None:
            self.products = ["BTC-USD"]
        elif not isinstance(self.products, list):
            self.products = [self.products]
        self.url = self.url.removesuffix("/")
        if self.channels is None:
            self.channels = [{"name": "ticker", "product_ids": self.products}]
        credentials = Credentials(self.api_key, self.api_secret, self.api_passphrase) if self.auth else None
        feed = Feed(
            self.products,
            self.channels,
            url=self.url,
            credentials=credentials,
            reconnect=False,  # the classic scripts restart themselves
            stale_after=None,
            drop_duplicates=False,  # and see every frame
        )
        feed.malformed.subscribe(self.__malformed)
        feed.subscribe(self.__message, self.__failed)
        self.__feed = feed

    def _listen(self) -> None:
        if self.__feed is not None and not self.stop:
            self.__feed.serve()

    def _disconnect(self) -> None:
        if self.__feed is not None:
            self.__feed.close()
            self.__feed = None
        if self.__store is not None:
            self.__store.close()
            self.__store = None
        self.on_close()

    # ---- from the feed's streams to the hooks

    def __message(self, message: Message) -> None:
        self.__handle(message.content)

    def __malformed(self, frame: Malformed) -> None:
        # The classic client asked for JSON only, not for a shape.
        try:
            content = msgspec.json.decode(frame.raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.__failed(FrameMalformed(frame.reason), frame.raw)
        else:
            self.__handle(content)

    def __handle(self, content: Any) -> None:
        if self.stop:
            return
        try:
            self.on_message(content)
        except Exception as error:
            self.__failed(error, content)

    def __failed(self, error: Exception, data: Any = None) -> None:
        try:
            inspect.signature(self.on_error).bind(error, data)
        except TypeError:
            self.on_error(error)  # an override of the wheel's time takes the error alone
        else:
            self.on_error(error, data)
