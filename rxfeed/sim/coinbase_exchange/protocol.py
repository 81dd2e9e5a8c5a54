"""Coinbase Exchange over a simulated market: requests, and the frames of what is subscribed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import cast

from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels, Pair
from rxfeed.sim.coinbase_exchange.rest import SimulatedExchangeRest
from rxfeed.sim.coinbase_exchange.subscriptions import ExchangeSubscriber
from rxfeed.sim.frames import Frame, encode, text_frame
from rxfeed.sim.second_limit import SecondLimit
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import Access, Client, RestAnswer, RestRequest
from rxfeed.venues.coinbase_exchange import Credentials

SLOW_READ = "ErrSlowRead"


class ExchangeProtocol:
    """Answers the clients' requests, and sends them the frames of their channels. *clock*: seconds that only go up."""

    subscriber: type[ExchangeSubscriber] = ExchangeSubscriber
    """What answers the requests of one client."""

    def __init__(
        self,
        simulation: Simulation,
        products: Sequence[str],
        access: Access,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._within_limit = SecondLimit(access.message_limit, clock).takes
        self._products = [*products]
        self._credentials = cast("Credentials | None", access.credentials)  # as `check` found
        self._subscribers: dict[Client, ExchangeSubscriber] = {}
        self._channels = ExchangeChannels(simulation.market)
        self._rest = SimulatedExchangeRest(simulation)
        simulation.attach(self._channels.publish)

    def receive(self, client: Client, text: str | bytes) -> bool:
        """Answer a request; whether the client has a new subscription.

        A client that sends too much is closed. The venue documents that, and neither the error's text nor the code.
        """
        if not self._within_limit():
            error = {"type": "error", "message": SLOW_READ, "reason": "too many messages"}
            client.offer(text_frame("error", encode(error)))
            client.pump()
            client.close_soon(1008, SLOW_READ)
            return False
        subscriber = self._subscribers.get(client)
        if subscriber is None:
            subscriber = self.subscriber(self._products, self._credentials, refusal=client.refusal)
            self._subscribers[client] = subscriber
        answer = subscriber.receive(text)
        for reply in answer.replies:
            client.offer(text_frame(reply["type"], encode(reply)))
        self._channels.leave(answer.removed, client)
        self._channels.join(answer.added, client)
        return bool(answer.added)

    def left(self, client: Client) -> None:
        """Stop sending to *client*."""
        if subscriber := self._subscribers.pop(client, None):
            self._channels.leave(subscriber.pairs, client)

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer an HTTP request."""
        return self._rest.answer(request)

    def listed(self, product_id: str) -> None:
        """Clients may name *product_id* from now on."""
        if product_id not in self._products:
            self._products.append(product_id)
        self._channels.listed(product_id)

    def delisted(self, product_id: str) -> None:
        """Clients may name *product_id* no longer; a present subscription has no further messages."""
        self._products.remove(product_id)


class ExchangeRecordedSubscriber:
    """The subscriptions of a client to a recording."""

    def __init__(self, products: Sequence[str]) -> None:
        self._subscriber = ExchangeSubscriber(products, unchecked=True)

    @property
    def pairs(self) -> Collection[Pair]:
        return self._subscriber.pairs

    def receive(self, text: str | bytes) -> list[Frame]:
        """The answers to a request."""
        return [text_frame(reply["type"], encode(reply)) for reply in self._subscriber.receive(text).replies]
