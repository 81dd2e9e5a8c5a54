"""The venues of this package by name, each of which is imported at its first use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from rxfeed.errors import ConfigError
from rxfeed.secrets import host_of
from rxfeed.venues.venue import Venue, check_venue

# The package of each venue has it under the name in capitals.
_PACKAGES = {
    "coinbase_exchange": "rxfeed.venues.coinbase_exchange",
    "coinbase_advanced": "rxfeed.venues.coinbase_advanced",
}
# The hosts of venues other than the default one, so that no other venue is imported to find that it is not meant.
HOSTS = {
    "advanced-trade-ws.coinbase.com": "coinbase_advanced",
    "advanced-trade-ws-user.coinbase.com": "coinbase_advanced",
}
DEFAULT_VENUE = "coinbase_exchange"
"""Also the venue of recordings that name none."""


class _Venues(Mapping[str, Venue]):
    def __getitem__(self, name: str) -> Venue:
        venue = getattr(import_module(_PACKAGES[name]), name.upper())
        assert isinstance(venue, Venue)
        return venue

    def __contains__(self, name: object) -> bool:
        return name in _PACKAGES

    def __iter__(self) -> Iterator[str]:
        return iter(_PACKAGES)

    def __len__(self) -> int:
        return len(_PACKAGES)


VENUES: Mapping[str, Venue] = _Venues()
"""By name."""


def venue(named: str | Venue) -> Venue:
    """The venue of a name, or *named* itself; raises `ConfigError`.

    >>> from rxfeed.venues import venue
    >>> venue("coinbase_exchange")
    <Venue coinbase_exchange>
    """
    if not isinstance(named, str):
        return check_venue(named)
    if named not in VENUES:
        raise ConfigError(f"venue: {named!r} is not known: there is {', '.join(VENUES)}; or give a Venue")
    return VENUES[named]


def venue_at(url: str) -> Venue:
    """The venue of the host in *url*; the default one for a host of none, such as a local one.

    >>> from rxfeed.venues import venue_at
    >>> venue_at("wss://ws-feed.exchange.coinbase.com"), venue_at("ws://127.0.0.1:8765")
    (<Venue coinbase_exchange>, <Venue coinbase_exchange>)
    """
    try:
        host = host_of(url)
    except ValueError:  # not a URL, which is reported where it is checked
        host = ""
    finally:
        url = ""  # it may have a password, which a traceback with local variables would show
    return VENUES[HOSTS.get(host, DEFAULT_VENUE)]
