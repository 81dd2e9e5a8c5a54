"""What a local exchange counts and keeps of its clients, and the waiting for them."""

from __future__ import annotations

from collections.abc import Callable

from rxfeed.core import Seconds, arguments
from rxfeed.errors import ConfigError
from rxfeed.sim.clients import Clients
from rxfeed.sim.frames import Json
from rxfeed.sim.ledger import Fired, Ledger
from rxfeed.sim.server import Server


class ExchangeCounts:
    """The part of an `Exchange` that reads the state of its clients."""

    _clients: Clients
    _server: Server

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return self._server.read(lambda: len(self._clients.open))

    @property
    def open_connections(self) -> list[int]:
        """The numbers of the connections that are subscribed, for a fault of one of them: `Reset(connection=2)`."""
        return self._server.read(lambda: sorted(client.number for client in self._clients.open if client.subscribed))

    @property
    def accepted(self) -> int:
        """How many connections there have been."""
        return self._server.read(lambda: self._clients.accepted)

    @property
    def pings(self) -> int:
        """How many pings the clients have sent."""
        return self._server.read(lambda: self._clients.pings)

    @property
    def sent(self) -> Ledger:
        """The frames sent until now; errors and acknowledgements count, too."""
        return self._server.read(lambda: self._clients.counters.total)

    def sent_to(self, connection: int) -> Ledger:
        """The frames of one connection, by its number; of those that have ended, the latest 1,000 are kept."""
        try:
            return self._server.read(lambda: self._clients.counters.of(connection))
        except KeyError:
            raise ConfigError(f"connection: {connection!r} is not known") from None

    @property
    def log(self) -> list[Fired]:
        """The faults that fired, in that order; at most the latest 10,000."""
        return self._server.read(self._clients.log.read)

    @property
    def requests(self) -> list[Json]:
        """What the clients have sent, parsed (`None`: no JSON), without keys, passphrases, signatures and tokens."""
        return self._server.read(lambda: list(self._server.requests))

    @property
    def rest_requests(self) -> int:
        """How many HTTP requests have come."""
        return self._server.read(lambda: self._server.rest.requests)

    def wait_for_clients(self, n: int = 1, timeout: Seconds = 30.0) -> None:
        """Return as soon as *n* connected clients have subscribed; `TimeoutError` after *timeout* seconds."""
        self._until(lambda: self._clients.subscribed >= n, timeout, f"{n} subscribed clients")

    def drain(self, timeout: Seconds = 30.0) -> None:
        """Return as soon as all queued frames are written; `TimeoutError` after *timeout* seconds."""
        self._until(self._clients.drained, timeout, "clients that read what was sent")

    def _until(self, condition: Callable[[], bool], patience: Seconds, what: str) -> None:
        timeout = arguments.number("timeout", patience)
        try:
            self._server.wait(self._clients.until(condition, timeout))
        except TimeoutError:
            raise TimeoutError(f"no {what} within {timeout:g} s") from None
