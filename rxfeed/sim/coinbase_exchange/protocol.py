"""Coinbase Exchange over a simulated market: requests, and the frames of what is subscribed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from rxfeed.sim.coinbase_exchange.channels import ExchangeChannels, Pair
from rxfeed.sim.coinbase_exchange.rest import SimulatedExchangeRest
from rxfeed.sim.coinbase_exchange.subscriptions import ExchangeSubscriber
from rxfeed.sim.frames import Frame, encode, text_frame
from rxfeed.sim.simulation import Simulation
from rxfeed.sim.venue import Access, Client, RestAnswer, RestRequest
from rxfeed.venues.coinbase_exchange import Credentials


class ExchangeProtocol:
    """Answers the clients' requests, and sends them the frames of their channels."""

    subscriber: type[ExchangeSubscriber] = ExchangeSubscriber
    """What answers the requests of one client."""

    def __init__(self, simulation: Simulation, products: Sequence[str], access: Access) -> None:
        self._products = products
        self._credentials = cast("Credentials | None", access.credentials)  # as `check` found
        self._subscribers: dict[Client, ExchangeSubscriber] = {}
        self._channels = ExchangeChannels(simulation.market)
        self._rest = SimulatedExchangeRest(simulation)
        simulation.attach(self._channels.publish)

    def receive(self, client: Client, text: str | bytes) -> bool:
        """Answer a request; whether the client has a new subscription."""
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
