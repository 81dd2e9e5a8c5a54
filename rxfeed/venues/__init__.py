"""One package per venue, without I/O; `Venue` is their contract, and `venue` finds one by its name."""

from rxfeed.errors import ConfigError
from rxfeed.secrets import host_of
from rxfeed.venues.coinbase_advanced import COINBASE_ADVANCED
from rxfeed.venues.coinbase_exchange import COINBASE_EXCHANGE
from rxfeed.venues.delivered_ids import DeliveredIds
from rxfeed.venues.rest import RestBook, RestCandle, RestProduct, RestRules, RestTrade, aliases
from rxfeed.venues.venue import (
    ARRAY_KEY,
    Channel,
    ChannelRequest,
    Decoded,
    Decoder,
    Kind,
    Limits,
    Observed,
    Refusal,
    Subscription,
    Venue,
    check_venue,
    message_id,
    tag_of,
    venue_of,
)

VENUES = {each.name: each for each in (COINBASE_EXCHANGE, COINBASE_ADVANCED)}
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


def venue_at(url: str) -> Venue:
    """The venue of the host in *url*; the default one for a host of none, such as a local one.

    >>> venue_at("wss://ws-feed.exchange.coinbase.com"), venue_at("ws://127.0.0.1:8765")
    (<Venue coinbase_exchange>, <Venue coinbase_exchange>)
    """
    try:
        host = host_of(url)
    except ValueError:  # not a URL, which is reported where it is checked
        host = ""
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show
    return next((each for each in VENUES.values() if host in each.hosts), VENUES[DEFAULT_VENUE])


__all__ = [
    "ARRAY_KEY",
    "COINBASE_ADVANCED",
    "COINBASE_EXCHANGE",
    "DEFAULT_VENUE",
    "VENUES",
    "Channel",
    "ChannelRequest",
    "Decoded",
    "Decoder",
    "DeliveredIds",
    "Kind",
    "Limits",
    "Observed",
    "Refusal",
    "RestBook",
    "RestCandle",
    "RestProduct",
    "RestRules",
    "RestTrade",
    "Subscription",
    "Venue",
    "aliases",
    "message_id",
    "tag_of",
    "venue",
    "venue_at",
    "venue_of",
]
