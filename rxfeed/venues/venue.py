"""The contract of a venue: what the rest of the library has to know of one.

A venue does no I/O, and has no clock and no state: what it makes for a connection or a feed has the state. Everything
else dispatches by the classes of `rxfeed.market`, of which a venue's structs are subclasses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cached_property
from hashlib import blake2b
from typing import Any, Literal, Protocol

import msgspec

from rxfeed.core import ByType, GapDetector, MergeRules, Pair
from rxfeed.errors import ConfigError, ConnectionLost, ServerClosed
from rxfeed.market import AnyHeartbeat, Heartbeat, Malformed, Message, PriorTrade, Trade, microseconds
from rxfeed.secrets import Secret, local_http
from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.numbers import NumberReader
from rxfeed.venues.rest import RestRules, RestTrade
from rxfeed.venues.skimming import Skim

Decoded = Message | tuple[Message, ...] | Malformed
"""What a frame has: one message, any number of them, or none that can be read. See `Venue.decoder` for `Skipped`."""
Observed = Callable[[type[Message], str | None], bool]
"""Returns whether a message of a type and a product will be delivered to anything."""
ChannelRequest = str | Mapping[str, object]
"""A channel's name, or the venue's object for one: `{"name": "ticker", "product_ids": ["BTC-USD"]}`."""
ChannelObject = dict[str, Any]
"""The venue's object for a channel, checked."""
ARRAY_KEY = "level3"
"""The key under which a document has a frame that is an array, and no object."""
Kind = Literal["subscribe", "unsubscribe"]


class Decoder(Protocol):
    """Turns the frames of one connection into messages."""

    @property
    def quick(self) -> Callable[[bytes], Message] | None:
        """Decodes most frames into one message, in one call of C; raises `UNDECODED` for any other.

        `None`: there is no such way. It is called with ASCII that has no finer times than microseconds.
        """
        ...

    def decode(self, raw: bytes) -> Decoded:
        """What *raw* has; never raises."""
        ...


class Subscription(Protocol):
    """Products and channels, checked."""

    @property
    def products(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> tuple[str | ChannelObject, ...]: ...
    def requests(self, kind: Kind, credentials: Any, timestamp: str) -> list[str | Secret]:
        """The messages to send, in order; *timestamp*: Unix seconds, as text."""
        ...

    def warn_of_products(self, stacklevel: int = 2) -> None:
        """Issue a warning for each product with an id that no product has."""
        ...


class Refusal(Enum):
    """The reason of a rejected authentication."""

    TIMESTAMP = "timestamp"
    """The request's time: the clock of this machine or of the venue is wrong, or the request took too long."""
    CREDENTIALS = "credentials"
    """The key, the passphrase or the signature."""
    UNSPECIFIED = "unspecified"
    """The venue gives no reason."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue accepts of one client.

    *messages_per_second*: requests on one connection; *connections_per_second*: new connections of one address.
    *products*: the most products of a connection, by channel.
    """

    messages_per_second: float = 8.0
    connections_per_second: float = 8.0
    products: Mapping[str, int] = {}


class Channel(msgspec.Struct, frozen=True):
    """A channel, by the *name* that a subscription takes, with the *types* of its messages.

    *acknowledged*: its name in acknowledgements, if that is another one. *authenticated*: it needs credentials.
    *account*: its messages are one account's. *products*: False if a subscription to it takes no products.
    *snapshot*: it begins with a snapshot of a book, and is requested anew after a loss. *numbering*: by what its
    messages are numbered; empty for nothing.
    """

    name: str
    types: frozenset[type[Message]]
    acknowledged: str = ""
    authenticated: bool = False
    account: bool = False
    products: bool = True
    snapshot: bool = False
    numbering: Literal["", "product", "trades", "connection"] = ""


class Venue:
    """A venue: subclass it, set the attributes, and write the methods that have no default."""

    name: str = ""
    """As recordings and `Feed(venue=...)` have it."""
    default_url: str = ""
    hosts: frozenset[str] = frozenset()
    """The hosts of the venue: a URL of one of them needs no name of a venue beside it."""
    channels: tuple[Channel, ...] = ()
    types: tuple[type[Message], ...] = ()
    """The structs of its messages."""
    quick_types: tuple[type[Message], ...] = ()
    """Those of its types that a frame can be as a whole; their tags distinguish them. Empty where frames are not so."""
    texts: tuple[type[msgspec.Struct], ...] = ()
    """Structs that read some of `quick_types` with numbers as texts: see `rxfeed.market.texts`."""
    without_data: frozenset[str] = frozenset()
    """Types of frames that carry no data of a product: one that cannot be decoded is no loss."""
    credentials: tuple[type, ...] = ()
    """The classes of what signs its requests; none where nothing is signed."""
    credentials_hint: str = "this venue has no channels with authentication: leave it out"
    """What to give as *credentials* in place of anything else."""
    credentials_check: str = "check key, secret and passphrase"
    """What to do about credentials that the venue refuses."""
    limits: Limits = Limits()
    deployments: tuple[str, ...] = ()
    """The times of the week at which it restarts its servers, as `WeekTime` has them."""
    common: Mapping[str, str] = {}
    """The venue's channels, by the names that are the same for every venue: `trades`, `book`, `ticker`, `heartbeat`,
    `user` and `status`."""
    rest_url: str = ""
    rest_requests_per_second: float = 10.0
    rest: RestRules | None = None
    """The paths and answers of its REST API."""
    has_aliases: bool = False
    """True if it delivers some products under another id, which its list of products names as their alias."""
    level3_path: str = ""
    """The REST path of a product's book order by order, with `{product}`; empty: there is none."""
    numbers: NumberReader | None = None
    """Reads the numbers of many frames at once; `None`: they are decoded one by one."""
    merging: MergeRules | None = None
    """What merges several collectors' recordings; `None`: they cannot be merged."""

    def __init__(self) -> None:
        _VENUES.update(dict.fromkeys(self.types, self))

    # ---- requests

    def url(self, url: str, *, stacklevel: int = 2) -> str:
        """*url*, or where to connect in place of it, with a warning; raises `ConfigError`."""
        return url

    def rest_url_for(self, url: str) -> str:
        """The URL of the REST API that belongs to the feed at *url*; empty if there is none.

        By default the venue's `rest_url`. For a loopback address it is the same host and port, so that a local server
        is never mixed with the venue's own.
        """
        return local_http(url) or self.rest_url

    def url_for(self, channels: Iterable[str]) -> str:
        """Where to connect for *channels*, by default."""
        return self.default_url

    def named(self, channel: str, *, signed: bool = False) -> str:
        """The venue's name of *channel*, which may be a common one; *signed*: with credentials."""
        return self.common.get(channel, channel)

    def subscription(
        self,
        products: str | Iterable[str],
        channels: ChannelRequest | Iterable[ChannelRequest],
        *,
        signed: bool = False,
    ) -> Subscription:
        """The subscription to *products* and *channels*, each one or many; raises `ConfigError`.

        *signed*: its requests will have credentials, which may decide what a common name stands for.
        """
        raise NotImplementedError

    def grouped(self, channels: tuple[dict[str, object], ...]) -> Subscription:
        """The subscription to *channels*, each `{"name": ..., "product_ids": [...]}` with what else was given."""
        raise NotImplementedError

    def secrets(self, credentials: Any) -> list[str]:
        """What the requests hold that must not be shown."""
        return []

    def signature(self, request: Secret) -> Secret | None:
        """The part of a signed *request* that is secret for a while."""
        return None

    def likely_product(self, product: str) -> str | None:
        """The id that was probably meant by *product*; `None` if it can be one, or nothing is near it."""
        return None

    # ---- messages

    def decoder(
        self,
        *,
        stored: bool = False,
        renamed: Mapping[str, str] | None = None,
        observed: Observed | None = None,
    ) -> Decoder:
        """A decoder for one connection; *stored*: for frames of a recording, which need not begin with it.

        *renamed*: the ids of products, by those under which the venue delivers them, where they differ. If it is a
        `DeliveredIds`, it may change.
        *observed*: large messages for which it returns False may be `Skipped`; without it, all are decoded.
        """
        raise NotImplementedError

    def skim(self, gaps: GapDetector, renamed: DeliveredIds) -> Skim | None:
        """What passes over frames of one connection that nothing reads; `None`: all frames are decoded in full.

        *gaps*: what `gaps` made for the feed. *renamed*: as for `decoder`.
        """
        return None

    def names_in(self, beginning: bytes) -> tuple[str | None, str | None]:
        """The product and the type that the *beginning* of a frame names, if it can be read."""
        return None, None

    def gaps(self) -> GapDetector:
        """A gap detector for one feed, over its connections."""
        raise NotImplementedError

    def repaired(self, message: Message) -> Message:
        """*message*, a trade from before the subscription, as a new one: it was missed during an interruption."""
        return message

    def new_trade(self, trade: RestTrade) -> Trade | None:
        """*trade* of the REST API as one of the feed; `None` if something is missing that every trade has."""
        raise NotImplementedError

    def prior_trade(self, trade: RestTrade) -> PriorTrade | None:
        """The same as one from before the subscription."""
        raise NotImplementedError

    def identity(self, message: Message) -> str:
        """The id of *message*: the same wherever and whenever it is received.

        By default its time and a hash of its fields, since a frame may have other messages, too.
        """
        return by_content(message, msgspec.json.encode(message.unstamped))

    def stored_type(self, document: Mapping[str, object]) -> type[Message] | None:
        """The struct of a stored document; `None`: it is a frame, to be decoded."""
        return self._by_tag.get(str(document.get("type")))

    @cached_property
    def _by_tag(self) -> dict[str, type[Message]]:
        return {tag_of(kind): kind for kind in self.types}

    # ---- errors

    def refusal(self, message: str, reason: str | None) -> Refusal | None:
        """What an error refuses of a signed request; `None` if it is not about authentication."""
        return None

    def remedy(self, message: str, reason: str | None) -> str:
        """What to do about an error; empty where nothing is known."""
        return ""

    def closed(self, code: int, reason: str) -> ConnectionLost:
        """What the server's close frame means; an error of `rxfeed.errors` decides whether the feed retries."""
        return ServerClosed(code, reason)

    # ---- the channel table

    @cached_property
    def aliases(self) -> dict[str, str]:
        """The names that a subscription takes, by those of acknowledgements, where they differ."""
        return {each.acknowledged: each.name for each in self.channels if each.acknowledged}

    @cached_property
    def books(self) -> frozenset[str]:
        """The channels that are requested anew after a loss."""
        return frozenset(each.name for each in self.channels if each.snapshot)

    @cached_property
    def repairable(self) -> str:
        """The channel of which missed trades can be requested: trades are numbered by themselves. Empty for none."""
        return next((each.name for each in self.channels if each.numbering == "trades" and self.rest is not None), "")

    @cached_property
    def heartbeats(self) -> frozenset[str]:
        """The channels with heartbeats."""
        return frozenset(each.name for each in self.channels if any(issubclass(kind, Heartbeat) for kind in each.types))

    @cached_property
    def connection_heartbeats(self) -> frozenset[str]:
        """The channels with heartbeats of a connection, which each one needs."""
        return frozenset(
            each.name
            for each in self.channels
            if not each.products and any(issubclass(kind, AnyHeartbeat) for kind in each.types)
        )

    @cached_property
    def without_products(self) -> frozenset[str]:
        """The channels that take no products."""
        return frozenset(each.name for each in self.channels if not each.products)

    def by_subscribed_name(self, pair: Pair) -> Pair:
        """*pair* by the name that a subscription takes."""
        channel, product = pair
        return self.aliases.get(channel, channel), product

    def types_of(self, channel: str) -> frozenset[type[Message]]:
        """The types of *channel*'s messages, by either of its names; empty for a channel that is not known."""
        name = self.aliases.get(channel, channel)
        return next((each.types for each in self.channels if each.name == name), frozenset[type[Message]]())

    def channels_of(self, kind: type[Message]) -> frozenset[str] | None:
        """The channels that have messages of *kind*; `None`: no channel is known to."""
        return self._channels_by_type.get(kind)

    @cached_property
    def _channels_by_type(self) -> dict[type[Message], frozenset[str]]:
        kinds = {kind for each in self.channels for kind in each.types}
        return {kind: frozenset(each.name for each in self.channels if kind in each.types) for kind in kinds}

    def types_named(self, name: str | None) -> frozenset[type[Message]]:
        """The types of messages in a frame with *name* as the name of its type; empty if none is known."""
        return frozenset(kind for kind in self.types if tag_of(kind) == name)

    def channels_with(self, types: Iterable[type[Message]]) -> list[str]:
        """The channels that have messages of any of *types* or their subclasses.

        Those of one account are left out where another channel has such messages.
        """
        wanted = tuple(types)
        found = [each for each in self.channels if any(issubclass(kind, wanted) for kind in each.types)]
        return [each.name for each in found if not each.account] or [each.name for each in found]

    def __repr__(self) -> str:
        return f"<Venue {self.name}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        return (type(self), ())


_VENUES: ByType[Venue] = ByType({})


def venue_of(kind: type[Message]) -> Venue | None:
    """The venue that has *kind* among its types; `None` for a struct of the market."""
    try:
        return _VENUES[kind]
    except KeyError:
        return None


def message_id(message: Message) -> str:
    """The id of *message*, which its venue gives: the same wherever and whenever it is received.

    >>> from rxfeed.testing import trade
    >>> from rxfeed.venues import message_id
    >>> message_id(trade(trade_id=7))
    'BTC-USD/match/7'
    """
    found = venue_of(type(message))
    return by_content(message, message.raw) if found is None else found.identity(message)


def by_content(message: Message, content: bytes) -> str:
    """An id of *message*'s time, or receipt where it has none, and a hash of its *content*."""
    at = message.received_ns if message.time is None else microseconds(message.time)
    what = f"{message.type}/{at}/{blake2b(content, digest_size=8).hexdigest()}"
    return what if message.product_id is None else f"{message.product_id}/{what}"


def tag_of(kind: type[Message]) -> str:
    """The name of a message's type on the wire, or of its struct where the wire has none."""
    tag = kind.__struct_config__.tag
    return kind.__name__ if tag is None else str(tag)


def check_venue(venue: object) -> Venue:
    """*venue*, if it is one; raises `ConfigError`."""
    if not isinstance(venue, Venue) or not venue.name or not venue.channels:
        raise ConfigError(f"venue: {venue!r} is neither a venue's name nor a Venue with a name and channels")
    return venue
