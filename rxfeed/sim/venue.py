"""What a venue of the local exchange consists of: its protocol, over a market that all venues share.

A `SimulatedVenue` is a venue's fixed part. Its `protocol` is made once an exchange, for one `Simulation`, and does the
rest: the market's events become frames, requests become subscriptions, acknowledgements and first snapshots, and
HTTP requests become answers. A package `rxfeed/sim/<venue>/` has both, and `SIMULATED` in `venues.py` names it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import NamedTuple, Protocol

from rxfeed.sim.frames import Frame, Json, Unnumbered
from rxfeed.sim.ledger import FrameId
from rxfeed.sim.simulation import Simulation


class Client(Protocol):
    """A receiver of frames."""

    def offer(self, frame: Frame | Unnumbered) -> None: ...
    def pump(self) -> None:
        """Write what was offered."""
        ...

    def close_soon(self, code: int, reason: str) -> None:
        """Close the connection; frames that are not written are lost."""
        ...

    def refusal(self, channel: str) -> str | None:
        """The error text that the next subscription to *channel* gets in place of frames, if a fault refuses it."""
        ...


class RestRequest(NamedTuple):
    """An HTTP request; of a query argument that is given twice, the last value counts."""

    method: str
    path: str
    query: Mapping[str, str] = {}


class RestAnswer(NamedTuple):
    """The status, the content before it becomes JSON, and the headers of an answer."""

    status: HTTPStatus
    content: Json
    headers: Mapping[str, str] = {}


class VenueProtocol(Protocol):
    """A venue's protocol over one market, attached to the simulation that it was made for."""

    def receive(self, client: Client, text: str | bytes) -> bool:
        """Answer a request; whether the client has a new subscription."""
        ...

    def left(self, client: Client) -> None:
        """Stop sending to *client*."""

    def rest(self, request: RestRequest) -> RestAnswer:
        """Answer an HTTP request."""
        ...

    def listed(self, product_id: str) -> None:
        """Clients may name *product_id* from now on; the market trades it."""
        ...

    def delisted(self, product_id: str) -> None:
        """Clients may name *product_id* no longer."""
        ...


class RecordedSubscriber(Protocol):
    """The subscriptions of a client to a recording: every request is accepted, signed or not."""

    @property
    def pairs(self) -> Collection[tuple[str, str]]:
        """What it is subscribed to: channels as `Venue.channels` names them, and products; empty where it has none."""
        ...

    def receive(self, text: str | bytes) -> Sequence[Frame | Unnumbered]:
        """The answers to a request."""
        ...


@dataclass(frozen=True, slots=True)
class Access:
    """What decides about requests: the accepted keys, and the number of messages a second.

    *credentials*: of Exchange. *public_keys*: of Advanced Trade, by the name of the key. *message_limit*: messages
    that all clients together may send a second, those of Advanced Trade with authentication not counted; `None`: any
    number.
    """

    credentials: object = None
    public_keys: Mapping[str, object] = field(default_factory=dict)
    message_limit: int | None = None


@dataclass(frozen=True, slots=True)
class SimulatedVenue:
    """A venue's fixed part.

    *engines*: the products that are traded, for those that clients may name. *check* raises `ConfigError` for an
    `Access` that the venue does not have. *identify* reads the ids in a frame. *secrets*: fields of requests that are
    not kept. *slow_consumer*: the error for a client that reads too slowly. *numbers_frames*: whether each frame has
    a number of its connection. *recorded* makes the subscriptions of a client to a recording of some products.
    """

    name: str
    engines: Callable[[Sequence[str]], tuple[str, ...]]
    check: Callable[[Access], None]
    protocol: Callable[[Simulation, Sequence[str], Access], VenueProtocol]
    identify: Callable[[Frame], FrameId]
    secrets: tuple[str, ...]
    slow_consumer: Mapping[str, str]
    recorded: Callable[[Sequence[str]], RecordedSubscriber]
    numbers_frames: bool = False


NOT_FOUND = RestAnswer(HTTPStatus.NOT_FOUND, {"message": "NotFound"})
