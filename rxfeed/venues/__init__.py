"""One package per venue, without I/O; `Venue` is their contract, and `venue` finds one by its name."""

from rxfeed.errors import ConfigError
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE
from rxfeed.venues.venue import (
    ARRAY_KEY,
    Channel,
    ChannelRequest,
    Decoded,
    Decoder,
    Kind,
    Refusal,
    Subscription,
    Venue,
    check_venue,
    message_id,
    tag_of,
    venue_of,
)

VENUES = {each.name: each for each in (COINBASE_EXCHANGE,)}
"""By name."""
DEFAULT_VENUE = COINBASE_EXCHANGE.name
"""Also the venue of recordings that name none."""


def venue(named: str | Venue) -> Venue:
    """The venue of a name, or *named* itself; raises `ConfigError`.

    >>> venue("coinbase_exchange")
    <Venue coinbase_exchange>
    """
    if not isinstance(named, str):
        return check_venue(named)
    found = VENUES.get(named)
    if found is None:
        raise ConfigError(f"venue: {named!r} is not known: there is {', '.join(VENUES)}; or give a Venue")
    return found


__all__ = [
    "ARRAY_KEY",
    "COINBASE_EXCHANGE",
    "DEFAULT_VENUE",
    "VENUES",
    "Channel",
    "ChannelRequest",
    "Decoded",
    "Decoder",
    "Kind",
    "Refusal",
    "Subscription",
    "Venue",
    "message_id",
    "tag_of",
    "venue",
    "venue_of",
]
