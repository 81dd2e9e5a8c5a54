"""`Exchange`: a local venue for tests of bots."""

from __future__ import annotations

import asyncio
import ssl as tls
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from os import PathLike
from typing import Any, Self

from rxfeed.core import Seconds, arguments
from rxfeed.core.matching import MatchingEngine, Side
from rxfeed.errors import ConfigError, RxfeedError
from rxfeed.recording import Recording, TimeRange
from rxfeed.sim.clients import Clients
from rxfeed.sim.exchange_counts import ExchangeCounts
from rxfeed.sim.fault_injector import Script
from rxfeed.sim.faults import ClockJump, Draw, Fault, RefusedChannel, SkipSequence
from rxfeed.sim.live import LiveMarket
from rxfeed.sim.market import Market
from rxfeed.sim.playback import Playback, Then
from rxfeed.sim.recorded import recorded_market
from rxfeed.sim.rest import Rest
from rxfeed.sim.server import ServedFrames, Server
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import NOT_FOUND, Access, RestAnswer, RestRequest, SimulatedVenue
from rxfeed.sim.venues import simulated_venue

# Faults that given frames cannot have, and why.
OF_A_MARKET: dict[type[Fault], str] = {
    ClockJump: "given frames have no clock to move",
    SkipSequence: "given frames keep their numbers",
    RefusedChannel: "given frames come after any request",
}


class Exchange(ExchangeCounts):
    """A WebSocket and REST server on this machine with a venue's protocol: by default Coinbase Exchange's.

    >>> from rxfeed.sim import Exchange
    >>> with Exchange(["BTC-USD"], seed=7, auto=False) as exchange:
    ...     exchange.step(10)
    ...     exchange.url.partition("127")[0]
    'ws://'

    *venue*: `coinbase_exchange` or `coinbase_advanced`, each over the same market. *rate*: order events a virtual
    second, over all products. *speed*: virtual seconds a second; `None`: as fast as the slowest client reads. *auto*:
    whether time passes by itself, from the first subscription on; if not, nothing happens until `step` or `advance`.
    *credentials*: those that open the channels of Exchange which need authentication; without them, no client can
    subscribe to these. *public_keys*: the same for Advanced Trade, by key name, as PEM or as keys of `cryptography`;
    see `key_pair`. *message_limit*: messages of all clients together a second. If there are more, Exchange closes the
    client with the error `ErrSlowRead` (100 at Coinbase), and Advanced Trade answers with an error (8 at Coinbase, of
    those without authentication). *connection_limit*: new connections a second, above which the handshake is answered
    with 429 (8 at Coinbase). *rest_limit*: HTTP requests a second, above which the answer is 429 (10 at Coinbase).
    `None` for any of them: no limit. *subscribe_timeout*: seconds after which a client without a subscription is closed
    with 1008; `None`: never.
    *start*: the virtual time of the first event; `None`: now, or a month ago if virtual time may run ahead of the
    clock, since windows take no trade from the future. *ssl*: a server's context, for `wss`. *port*: 0 picks a free
    one. *backlog*: frames that may wait for a client that reads too slowly, before it is sent `ErrSlowConsume` and
    closed with 1008. *faults*: faults to inject, and when; see `rxfeed.sim.faults`.

    The same arguments (with a *start*), the same requests and the same calls of `step` and `advance` give the
    same frames, byte for byte.
    """

    def __init__(
        self,
        products: Sequence[str] = ("BTC-USD", "ETH-USD"),
        *,
        venue: str = "coinbase_exchange",
        seed: int = 0,
        rate: float = 100.0,
        speed: float | None = 1.0,
        auto: bool = True,
        credentials: object = None,
        public_keys: Mapping[str, object] | None = None,
        message_limit: int | None = None,
        connection_limit: int | None = None,
        rest_limit: int | None = None,
        subscribe_timeout: Seconds | None = 5.0,
        start: datetime | None = None,
        ssl: tls.SSLContext | None = None,
        port: int = 0,
        backlog: int = 100_000,
        faults: Fault | Draw | Iterable[Fault | Draw] = (),
    ) -> None:
        ids = arguments.product_ids(products)
        arguments.integer("seed", seed, -(2**63), 2**63)
        arguments.number("rate", rate)
        arguments.optional_number("speed", speed)
        subscribe_timeout = arguments.optional_number("subscribe_timeout", subscribe_timeout)
        if start is not None:
            arguments.moment("start", start)
        if message_limit is not None:
            arguments.integer("message_limit", message_limit, 1, 10**6)
        if connection_limit is not None:
            arguments.integer("connection_limit", connection_limit, 1, 10**6)
        if rest_limit is not None:
            arguments.integer("rest_limit", rest_limit, 1, 10**6)
        simulated = simulated_venue(venue)
        access = Access(credentials, dict(public_keys or {}), message_limit)
        simulated.check(access)
        self._products = dict.fromkeys(ids)  # those that clients may name
        if ssl is not None and not isinstance(ssl, tls.SSLContext):
            raise ConfigError(f"ssl: {ssl!r} is not an ssl.SSLContext")

        behind = timedelta(days=0 if auto and speed is not None and speed <= 1 else 30)

        def live(clients: Clients) -> ServedFrames:
            market = Market(simulated.engines(ids), seed=seed, rate=rate, start=start or datetime.now(UTC) - behind)
            simulation = Simulation(market)
            protocol = simulated.protocol(simulation, ids, access)
            return LiveMarket(simulation, protocol, clients, speed=speed, auto=auto)

        self._open_source: Callable[[Clients], ServedFrames] = live
        self._source: ServedFrames | None = None
        script = Script(faults)
        for fault in script.fixed:
            _check_numbers(fault, simulated)
        # One step of the market can make a few hundred frames.
        limit = arguments.integer("backlog", backlog, 1_000, 10**9)
        self._clients = Clients(limit, script, simulated, connection_limit)
        arguments.integer("port", port, 0, 65_535)
        rest = Rest(self._rest_answer, limit=rest_limit, faults=script.of_requests, log=self._clients.log)
        self._server = Server(self._clients, subscribe_timeout=subscribe_timeout, ssl=ssl, port=port, rest=rest)

    @classmethod
    def replay(
        cls,
        path: str | PathLike[str],
        *,
        speed: float | None = 1.0,
        then: Then = "hold",
        **server: Any,
    ) -> Self:
        """An exchange that plays a recording's received frames, as they are, to each client.

        They begin with the client's first subscribe, at the recording's own pace times *speed* (`None`: as
        fast as the client reads). *then*: keep the connection open after the last, or close it with 1000.
        *server*: `venue`, `subscribe_timeout`, `ssl`, `port`, `backlog`, `faults`. A line that is no frame closes the
        connection with 1011.
        """
        recording = Recording(path)
        if next(recording.frames(), None) is None:
            raise ConfigError(f"recording {path}: no received frame in it")

        def frames() -> Iterator[tuple[float, bytes]]:
            return ((ns / 1e9, raw) for ns, raw in recording.frames())

        return cls._playing(partial(Playback, frames), speed, then, server)

    @classmethod
    def of_recording(
        cls,
        source: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        products: str | Iterable[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        speed: float | None = 1.0,
        then: Then = "hold",
        loop: bool = False,
        **server: Any,
    ) -> Self:
        """An exchange that plays recordings with the venue's protocol: each client gets what it subscribes to.

        *source*: one or many files or folders, as for `Replay`, which also has *products*, *since* and *until*. A
        client plays from the beginning, shortly after its first subscribe; frames are as recorded, but for the number
        that a venue gives to those of a connection. *loop*: it begins again at the end. *speed*, *then*, *server*: as
        for `replay`; the venue is that of the recording, if that names one.
        """
        market, venue = recorded_market(source, TimeRange(products, since, until), loop, server.get("venue"))
        return cls._playing(market, speed, then, {**server, "venue": venue})

    @classmethod
    def serving(
        cls,
        frames: Iterable[str | bytes],
        *,
        speed: float | None = None,
        then: Then = "hold",
        **server: Any,
    ) -> Self:
        """As `replay`, for given *frames*, *speed* of them a second; bytes, too, go out as a text frame."""
        payloads = arguments.payloads(frames)
        played = [(float(second), payload) for second, payload in enumerate(payloads)]
        return cls._playing(partial(Playback, lambda: played), speed, then, server)

    @classmethod
    def _playing(
        cls,
        source: Callable[..., ServedFrames],
        speed: float | None,
        then: Then,
        server: dict[str, Any],
    ) -> Self:
        arguments.optional_number("speed", speed)
        arguments.one_of("then", then, ("hold", "close"))
        for name in server:
            arguments.one_of("argument", name, ("venue", "subscribe_timeout", "ssl", "port", "backlog", "faults"))
        exchange = cls(**server)
        for fault in exchange._clients.script.fixed:
            if isinstance(fault, tuple(OF_A_MARKET)):
                raise ConfigError(f"faults: {type(fault).__name__}: {OF_A_MARKET[type(fault)]}")
        exchange._open_source = partial(source, speed=speed, then=then)
        return exchange

    # Life

    def start(self) -> Self:
        """Begin to listen on `url`."""
        if self._source is not None:
            raise RxfeedError("this exchange has been started before: make a new one")
        self._source = self._open_source(self._clients)
        self._server.start(self._source)
        return self

    def close(self) -> None:
        """Close every connection with 1001 and stop listening; at once if that is done already."""
        self._server.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where clients connect to."""
        return self._server.url

    @property
    def rest_url(self) -> str:
        """Where the venue's public REST requests are answered: the host and port of `url`; 404 for given frames."""
        return self._server.rest_url

    # The market

    def step(self, n: int = 1) -> None:
        """Make *n* order events now, and the heartbeats and batches before them.

        When it returns, all their frames were written to the clients' sockets. Frames that a socket does not accept,
        since its client does not read, are in the client's backlog.
        """
        self._server.wait(self._live.step(arguments.integer("n", n, 0, 10**9)))

    def advance(self, seconds: Seconds) -> None:
        """Advance virtual time by *seconds* now, with all its events; ends like `step`."""
        self._server.wait(self._live.advance(arguments.number("seconds", seconds, zero=True)))

    def pause(self) -> None:
        """Stop the time; when it returns, no event happens by itself."""
        self._server.wait(self._live.pause())

    def resume(self) -> None:
        """Let time pass by itself again (or for the first time, with `auto=False`)."""
        self._server.wait(self._live.resume())

    @property
    def time(self) -> datetime:
        """The virtual time."""
        return self._server.read(lambda: self._live.market.time)

    def sequence(self, product_id: str) -> int:
        """The last sequence number of a product."""
        return self._server.read(lambda: self._engine(product_id).sequence)

    def last_trade_id(self, product_id: str) -> int:
        """The id of a product's last trade."""
        return self._server.read(lambda: self._engine(product_id).last_trade_id)

    def book(self, product_id: str) -> dict[str, list[tuple[Decimal, Decimal]]]:
        """The engine's own book: `bids` and `asks`, each (price, size), best first."""
        return self._server.read(lambda: self._engine(product_id).levels())

    # Products

    def list_product(self, product_id: str) -> None:
        """Trade another product, or one again that was delisted.

        The REST list of products has it at once, the channel `status` with its next message.
        """
        (name,) = arguments.product_ids([product_id])
        self._server.wait(self._live.list_product(name, self._engines_of(name)))
        self._products.setdefault(name)

    def delist_product(self, product_id: str) -> None:
        """Trade a product no longer, except the last one: it has no further messages.

        In the REST list of products and in the channel `status` its status is `delisted`.
        """
        if product_id not in self._products or len(self._products) == 1:
            raise ConfigError(f"product_id: {product_id!r} is none of {', '.join(self._products)}, or the last one")
        del self._products[product_id]
        others = {name for each in self._products for name in self._engines_of(each)}
        own = tuple(each for each in self._engines_of(product_id) if each not in others)
        self._server.wait(self._live.delist_product(product_id, own))

    # Orders

    def place_order(
        self,
        product_id: str,
        side: Side,
        size: Decimal | str,
        price: Decimal | str | None = None,
        *,
        client_order_id: str = "",
    ) -> str:
        """Place a limit order, or without a *price* a market order, and return its id.

        Only `cancel_order` takes it off the book. On Advanced Trade the `user` channel has its states.
        """
        arguments.one_of("side", side, ("buy", "sell"))
        return self._server.wait(self._live.place(product_id, side, size, price, client_order_id))

    def cancel_order(self, order_id: str) -> None:
        """Cancel an order of `place_order` that is on the book."""
        self._server.wait(self._live.cancel(order_id))

    def disconnect(self, code: int = 1000, reason: str = "") -> None:
        """Send every client a close frame; frames in backlogs are lost."""
        arguments.integer("code", code, 1000, 4999)
        if code in (1004, 1005, 1006, 1015) or 1016 <= code <= 2999 or len(reason.encode()) > 123:
            raise ConfigError(f"code, reason: {code!r}, {reason!r} do not fit into a close frame")

        async def close_soon() -> None:
            for client in self._clients.open:
                client.close_soon(code, reason)
            await asyncio.sleep(0)

        self._server.wait(close_soon())

    def inject(self, fault: Fault) -> None:
        """Apply *fault* now, or after so many more frames, on each open connection that it concerns.

        A fault of the handshake is applied to the next connection that it concerns, and only to that one. `Refuse`,
        `Recover` and `ClockJump` need no connection. When it returns, the fault was applied, if it is due.
        """
        if not isinstance(fault, Fault):
            raise ConfigError(f"fault: {fault!r} is not a fault of rxfeed.sim.faults")
        _check_numbers(fault, self._clients.venue)
        if isinstance(fault, tuple(OF_A_MARKET)):
            _ = self._live  # it takes a market
        self._server.wait(self._server.inject(fault))

    def _engines_of(self, product_id: str) -> tuple[str, ...]:
        return self._clients.venue.engines([product_id])

    @property
    def _live(self) -> LiveMarket:
        if isinstance(self._source, LiveMarket):
            return self._source
        if self._source is None:
            raise RxfeedError("this exchange has not been started")
        raise RxfeedError("this exchange plays given frames: it has no market")

    def _rest_answer(self, request: RestRequest) -> RestAnswer:
        return self._source.protocol.rest(request) if isinstance(self._source, LiveMarket) else NOT_FOUND

    def _engine(self, product_id: str) -> MatchingEngine:
        engines = self._live.market.engines
        if product_id not in engines:
            raise ConfigError(f"product_id: {product_id!r} is none of {', '.join(engines)}")
        return engines[product_id]


def _check_numbers(fault: Fault, venue: SimulatedVenue) -> None:
    if isinstance(fault, SkipSequence) and not venue.numbers_frames:
        raise ConfigError(f"faults: SkipSequence: the frames of {venue.name} have no number of the connection")
