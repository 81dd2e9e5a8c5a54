"""Advanced Trade over a simulated market: requests, and the frames of what is subscribed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from rxfeed.sim.coinbase_advanced.channels import AdvancedChannels
from rxfeed.sim.coinbase_advanced.envelope import error, wrapped
from rxfeed.sim.coinbase_advanced.products import alias_of
from rxfeed.sim.coinbase_advanced.rest import SimulatedAdvancedRest
from rxfeed.sim.coinbase_advanced.subscriptions import AdvancedSubscriber, Pair
from rxfeed.sim.coinbase_advanced.tokens import TokenVerifier
from rxfeed.sim.frames import Frame, Unnumbered, parse
from rxfeed.sim.second_limit import SecondLimit
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import Access, Client, RestAnswer, RestRequest

LIMITED = "rate limit exceeded"  # an assumption: the venue's text is not documented


class AdvancedProtocol:
    """Answers the clients' requests, and sends them the frames of their channels.

    The snapshots of a subscription come before its acknowledgement. *clock*: seconds that only go up.
    """

    def __init__(
        self,
        simulation: Simulation,
        products: Sequence[str],
        access: Access,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._products = [*products]
        self._verify = TokenVerifier(access.public_keys).accepts
        self._is_limited = access.message_limit is not None
        self._within_limit = SecondLimit(access.message_limit, clock).takes
        self._subscribers: dict[Client, AdvancedSubscriber] = {}
        self._channels = AdvancedChannels(simulation)
        self._rest = SimulatedAdvancedRest(simulation, self._products)
        simulation.attach(self._channels.publish)

    def receive(self, client: Client, text: str | bytes) -> bool:
        """Answer a request; whether the client has a new subscription."""
        if self._is_limited and not self._allowed(text):
            client.offer(error(LIMITED))
            return False
        subscriber = self._subscribers.get(client)
        if subscriber is None:
            subscriber = AdvancedSubscriber(self._products, self._verify, client.refusal)
            self._subscribers[client] = subscriber
        change = subscriber.receive(text)
        if change.error is not None:
            client.offer(error(change.error))
            return False
        self._channels.leave(change.removed, client)
        self._channels.join(change.added, client)
        client.offer(self._channels.envelope.wrap("subscriptions", subscriber.acknowledgement))
        return bool(change.added)

    def left(self, client: Client) -> None:
        """Stop sending to *client*."""
        if subscriber := self._subscribers.pop(client, None):
            self._channels.leave(subscriber.pairs, client)

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer an HTTP request."""
        return self._rest.answer(request)

    def listed(self, product_id: str) -> None:
        """Clients may name *product_id* from now on; those that are subscribed to a channel without ids get it, too."""
        if product_id not in self._products:
            self._products.append(product_id)
        name = alias_of(product_id) or product_id
        self._channels.listed(name)
        for client, subscriber in self._subscribers.items():
            self._channels.join(subscriber.listed(name), client)

    def delisted(self, product_id: str) -> None:
        """Clients may name *product_id* no longer; a present subscription has no further messages."""
        self._products.remove(product_id)

    def _allowed(self, text: str | bytes) -> bool:
        """Whether a message without authentication is within the limit; all clients have the same IP address."""
        request = parse(text)
        if isinstance(request, dict) and self._verify(request.get("jwt")):
            return True
        return self._within_limit()


class AdvancedRecordedSubscriber:
    """The subscriptions of a client to a recording. *clock*: Unix nanoseconds."""

    def __init__(self, products: Sequence[str], clock: Callable[[], int] = time.time_ns) -> None:
        self._subscriber = AdvancedSubscriber(products, lambda token: True)
        self._clock = clock

    @property
    def pairs(self) -> Collection[Pair]:
        return self._subscriber.pairs

    def receive(self, text: str | bytes) -> list[Frame | Unnumbered]:
        """The answer to a request."""
        change = self._subscriber.receive(text)
        if change.error is not None:
            return [error(change.error)]
        return [wrapped("subscriptions", self._subscriber.acknowledgement, self._clock())]
