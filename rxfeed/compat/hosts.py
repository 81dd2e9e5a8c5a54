"""The servers of the classic clients: the venue, live hosts for retired ones, and local ones for a rehearsal."""

from __future__ import annotations

import os
from typing import NamedTuple
from urllib.parse import urlsplit

from rxfeed.errors import ConfigError
from rxfeed.secrets import host_of
from rxfeed.venues import COINBASE_ADVANCED, COINBASE_EXCHANGE, VENUES, Venue, venue_at
from rxfeed.venues.coinbase_exchange import Credentials, replacement

VARIABLE = "RXFEED_COMPAT_VENUE"
"""The venue of scripts that must not be touched."""
_EXCHANGE_REST = frozenset({"api.exchange.coinbase.com", "api-public.sandbox.exchange.coinbase.com"})


class Servers(NamedTuple):
    """The servers that a script is redirected to, and the keys that they accept."""

    websocket: str
    rest: str
    credentials: Credentials


LOCAL_KEYS = Credentials("key", "c2VjcmV0", "phrase")
"""Those that the local exchange of a rehearsal accepts."""
_redirections: dict[str, Servers] = {}


def redirect(servers: Servers | None, venue: str = COINBASE_EXCHANGE.name) -> None:
    """Let all clients of *venue* that connect from now on use *servers*; `None`: the servers of their URLs."""
    if servers is None:
        _redirections.pop(venue, None)
    else:
        _redirections[venue] = servers


def redirection(venue: Venue) -> Servers | None:
    """The servers that all clients of *venue* use; `None` if these are the servers of their URLs."""
    return _redirections.get(venue.name)


def redirections() -> dict[str, tuple[str, str]]:
    """The URLs of the servers that clients are redirected to, by venue."""
    return {venue: (servers.websocket, servers.rest) for venue, servers in _redirections.items()}


def chosen(venue: object) -> Venue | None:
    """The venue that an argument, or else the environment, names; `None` without either. Raises `ConfigError`."""
    given, where = venue, "venue"
    if given is None:
        given, where = os.environ.get(VARIABLE), VARIABLE
        if not given:
            return None
    if isinstance(given, Venue) and VENUES.get(given.name) is given:
        return given
    if not isinstance(given, str) or given not in VENUES:
        raise ConfigError(f"{where}: {given!r} is not known: there is {', '.join(VENUES)}")
    return VENUES[given]


def of(venue: Venue | None, url: object) -> Venue:
    """*venue*, or else that of the host in *url*, which is Coinbase Exchange for any other host."""
    return venue if venue is not None else venue_at(url) if isinstance(url, str) else COINBASE_EXCHANGE


def without_translation(venue: Venue) -> str:
    """A warning for a socket that the script made itself, on which the frames of *venue* arrive; empty for none."""
    if venue is COINBASE_EXCHANGE:
        return ""
    return (
        f"_connect is overridden, and its socket has the frames of {venue.name}: the classic messages come only over "
        "the client's own connection: do not override _connect, or use the venue coinbase_exchange"
    )


def live(url: object, venue: Venue | None = None) -> tuple[object, str]:
    """*url*, or the URL of the live host for a retired one, with the text of a warning; the text is empty otherwise.

    With *venue* as Advanced Trade, it stands in the place of all hosts of Coinbase Exchange.
    """
    retired = replacement(url)
    if venue is COINBASE_ADVANCED and isinstance(url, str):
        other = _host(url if retired is None else retired)
        if other in COINBASE_EXCHANGE.hosts:
            found = COINBASE_ADVANCED.default_url
        elif other in _EXCHANGE_REST:
            found = COINBASE_ADVANCED.rest_url
        else:
            return url, ""
    elif retired is None:
        return url, ""
    else:
        found = retired
    if retired is None:
        return found, ""
    return found, f"{host_of(str(url))} is retired: connecting to {host_of(found)} in its place"


def rest_server(url: str) -> str:
    """The server of *url*, a URL of REST; the local one in its place where its host is redirected.

    >>> from rxfeed.compat.hosts import rest_server
    >>> rest_server("https://api.exchange.coinbase.com/time?x=1")
    'https://api.exchange.coinbase.com'
    """
    parts = urlsplit(url)
    retired = replacement(url)
    host = _host(url if retired is None else retired)
    advanced = host == _host(COINBASE_ADVANCED.rest_url)
    venue = COINBASE_ADVANCED if advanced else COINBASE_EXCHANGE if host in _EXCHANGE_REST else None
    servers = None if venue is None else redirection(venue)
    return f"{parts.scheme}://{parts.netloc}" if servers is None else servers.rest


def websocket_server(url: str) -> str:
    """The server of a socket that the script makes itself: the local one for a host of a venue that is redirected.

    >>> from rxfeed.compat.hosts import websocket_server
    >>> websocket_server("ws://127.0.0.1:8765")
    'ws://127.0.0.1:8765'
    """
    retired = replacement(url)
    host = _host(url if retired is None else retired)
    servers = next((redirection(each) for each in VENUES.values() if host in each.hosts), None)
    return url if servers is None else servers.websocket


def _host(url: str) -> str:
    try:
        return host_of(url)
    except ValueError:  # not a URL, which is reported where it is used
        return ""
